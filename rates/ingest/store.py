"""Batches in the database, as the API sees them: stored with what was sent, found again, told about."""

import uuid

import psycopg2

# Small enough to be held in memory by everybody on the way, large enough to be few.
PART_BYTES = 1024 * 1024
# A batch that ends between our insert and our look frees its place; twice in a row is a storm.
TRIES = 5

COLUMNS = """id::text, status, format, bytes, sha256, idempotency_key, rows_expected, rows, attempts, reason, errors,
    error_count, phases, connections, received_at, deadline, started_at, finished_at"""

INSERT = """
INSERT INTO ingest.batches (id, sha256, idempotency_key, format, bytes, parts, rows_expected, duplicates, deadline)
VALUES (%(id)s, %(sha256)s, %(key)s, %(format)s, %(bytes)s, %(parts)s, %(rows)s, %(duplicates)s,
        now() + %(deadline)s * interval '1 second')
ON CONFLICT DO NOTHING
"""

LIVE = f"""
SELECT {COLUMNS} FROM ingest.batches
WHERE status IN ('queued', 'running', 'loaded')
  AND ((sha256 = %(sha256)s AND format = %(format)s) OR idempotency_key = %(key)s)
ORDER BY (sha256 = %(sha256)s AND format = %(format)s) DESC
"""

ONE = f"SELECT {COLUMNS} FROM ingest.batches WHERE id = %s"
WAITING = "SELECT count(*) FROM ingest.batches WHERE status = 'queued'"
PART = "INSERT INTO ingest.bodies (batch_id, part, data) VALUES (%s, %s, %s)"


class Conflict(Exception):
    """The idempotency key belongs to a batch with other content."""

    def __init__(self, batch):
        super().__init__(f"this Idempotency-Key belongs to batch {batch['id']}, whose content is another")
        self.batch = batch


class Busy(Exception):
    """The batch cannot be stored now."""


def _batch(cursor, row):
    return dict(zip((column.name for column in cursor.description), row))


def store(cursor, received, options):
    """Stores a batch, or finds the one that it repeats: (batch, whether it is new). One transaction, to be repeated."""
    values = {
        **options, "sha256": received.sha256, "bytes": received.size,
        "parts": -(-received.size // PART_BYTES),
    }
    for _ in range(TRIES):
        values["id"] = str(uuid.uuid4())
        # Waits for another that stores the same at this moment.
        cursor.execute(INSERT, values)
        if cursor.rowcount == 1:
            for number, data in enumerate(received.parts(PART_BYTES)):
                cursor.execute(PART, (values["id"], number, psycopg2.Binary(data)))
            return find(cursor, values["id"]), True
        cursor.execute(LIVE, values)
        row = cursor.fetchone()
        if row is not None:
            batch = _batch(cursor, row)
            if (batch["sha256"], batch["format"]) != (values["sha256"], values["format"]):
                raise Conflict(batch)
            return batch, False
    raise Busy("the same batch begins and ends elsewhere all the time")


def find(cursor, id):
    """The batch with this id, or None."""
    cursor.execute(ONE, (id,))
    row = cursor.fetchone()
    return None if row is None else _batch(cursor, row)


def waiting(cursor):
    cursor.execute(WAITING)
    return cursor.fetchone()[0]


def told(batch):
    """A batch as the API tells it."""
    answer = {
        name: batch[name]
        for name in ("id", "status", "format", "bytes", "sha256", "idempotency_key", "rows_expected", "rows",
                     "attempts", "reason", "errors", "error_count", "phases", "connections")
    }
    for name in ("received_at", "deadline", "started_at", "finished_at"):
        answer[name] = batch[name] and batch[name].isoformat()
    return answer
