"""Whether a batch with a deadline can keep it, by the rate that was measured last."""

# The last batches tell how fast this database and these workers are.
MEASURED = """
WITH last AS (
    SELECT bytes, claimed_by, extract(epoch FROM finished_at - started_at) AS seconds
    FROM ingest.batches WHERE status = 'loaded' AND finished_at > now() - interval '1 day'
    ORDER BY finished_at DESC LIMIT 20)
SELECT (SELECT (sum(bytes) / nullif(sum(seconds), 0))::float FROM last),
       (SELECT greatest(1, count(DISTINCT claimed_by)) FROM ingest.batches WHERE status = 'running'),
       (SELECT coalesce(sum(bytes), 0)::float FROM ingest.batches WHERE status IN ('queued', 'running'))
"""


class TooLate(Exception):
    """The deadline cannot be kept. `alone`: not even with an empty queue."""

    def __init__(self, text, alone, seconds):
        super().__init__(text)
        self.alone = alone
        self.seconds = seconds


def admit(cursor, size, deadline):
    """Refuses a batch of this size if it would take too long. Without a measured rate all are taken."""
    cursor.execute(MEASURED)
    rate, workers, ahead = cursor.fetchone()
    if not rate:
        return
    own, queue = size / rate, ahead / rate / workers
    if own + queue > deadline:
        raise TooLate(
            f"the deadline is {deadline} s away, but {size} bytes take about {own:.1f} s"
            f" after {queue:.1f} s of work that waits already, at {rate:.0f} bytes a second",
            alone=own > deadline, seconds=own + queue,
        )
