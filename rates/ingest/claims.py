"""The queue's transitions: claim a batch, end it, give it back. Each is fenced by the number of the attempt."""
# A claim has a lease for the moment until the worker holds the row's lock. From then on the lock protects it, and goes
# when the worker, its connection or the server does.

import json
import random

BACKOFF_SECONDS_MAX = 60

CLAIM = """
WITH next AS (
    SELECT id FROM ingest.batches
    WHERE (status = 'queued' AND run_after <= now()) OR (status = 'running' AND lease_until < now())
    ORDER BY received_at, id
    FOR UPDATE SKIP LOCKED
    LIMIT 1)
UPDATE ingest.batches b
SET status = 'running', attempts = attempts + 1, claimed_by = %(worker)s, started_at = now(),
    lease_until = now() + %(lease)s * interval '1 second'
FROM next WHERE b.id = next.id
RETURNING b.id::text, b.attempts, b.format, b.bytes, b.parts, b.sha256, b.rows_expected, b.duplicates,
          extract(epoch FROM now() - b.received_at)::float, b.reason
"""

HOLD = """
SELECT extract(epoch FROM deadline - clock_timestamp())::float FROM ingest.batches
WHERE id = %(id)s AND attempts = %(attempt)s AND status = 'running' FOR UPDATE
"""

FINISH = """
UPDATE ingest.batches
SET status = %(status)s, rows = %(rows)s, errors = %(errors)s, error_count = %(error_count)s, reason = %(reason)s,
    phases = %(phases)s, connections = %(connections)s, child = %(child)s,
    lease_until = NULL, finished_at = clock_timestamp()
WHERE id = %(id)s AND attempts = %(attempt)s AND status = 'running'
"""

RETRY = """
UPDATE ingest.batches
SET status = 'queued', reason = %(reason)s, lease_until = NULL, run_after = now() + %(wait)s * interval '1 second'
WHERE id = %(id)s AND attempts = %(attempt)s AND status = 'running'
"""


class Lost(Exception):
    """Somebody else has the batch now, or it has ended."""


class Job:
    """A batch that this worker has claimed."""

    def __init__(self, row):
        (self.id, self.attempt, self.format, self.bytes, self.parts, self.sha256, self.rows_expected,
         self.duplicates, self.waited, self.last_reason) = row

    @property
    def hex(self):
        """The id as part of a table's name."""
        return self.id.replace("-", "")


def claim(cursor, worker, lease):
    """The oldest batch that may be tried now, or None."""
    cursor.execute(CLAIM, {"worker": worker, "lease": lease})
    row = cursor.fetchone()
    return Job(row) if row else None


def hold(cursor, job):
    """Locks the batch until the transaction ends; answers the seconds to its deadline, or None."""
    cursor.execute(HOLD, {"id": job.id, "attempt": job.attempt})
    row = cursor.fetchone()
    if row is None:
        raise Lost(f"attempt {job.attempt} at batch {job.id} is not the last one any more")
    return row[0]


def finish(cursor, job, status, *, rows=None, errors=None, reason=None, phases=None, connections=None, child=None):
    """Ends the batch, in the transaction of the cursor."""
    seconds = {name: round(value, 4) for name, value in (phases or {}).items()}
    cursor.execute(FINISH, {
        "id": job.id, "attempt": job.attempt, "status": status, "rows": rows,
        "errors": json.dumps(errors.first if errors else []), "error_count": errors.count if errors else 0,
        "reason": reason, "phases": json.dumps(seconds), "connections": connections, "child": child,
    })
    if cursor.rowcount != 1:
        raise Lost(f"attempt {job.attempt} at batch {job.id} is not the last one any more")


def backoff(attempt):
    """Seconds until the next attempt: doubling, with a share of chance so that several do not meet again."""
    return min(BACKOFF_SECONDS_MAX, 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)


def retry(cursor, job, reason):
    """Gives the batch back for a later attempt; answers the seconds of the wait."""
    wait = backoff(job.attempt)
    cursor.execute(RETRY, {"id": job.id, "attempt": job.attempt, "reason": reason, "wait": wait})
    return wait
