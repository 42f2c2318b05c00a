"""Moves the rows of very large batches into `prices` itself, for quiet hours: `python -m ingest.merge [MOST_ROWS]`."""
# Rows are deleted there and inserted here in one transaction, so that every reader sees each once, whenever it began.
# The emptied table is dropped by a later run, when nobody can be reading from before the move any more.

import sys

import psycopg2

from ingest import log, session

# Larger ones stay as they are: moving them costs more than a further table costs a query.
ROWS_MAX = 1_000_000
LOCK_TIMEOUT_MS = 500

FULL = """
SELECT id::text, child FROM ingest.batches
WHERE child IS NOT NULL AND merged_at IS NULL AND rows <= %s ORDER BY finished_at
"""
MOVE = """
WITH moved AS (DELETE FROM ONLY ingest.{child} RETURNING orig_code, dest_code, day, price)
INSERT INTO public.prices (orig_code, dest_code, day, price) SELECT orig_code, dest_code, day, price FROM moved
"""
# After the move was committed: who began before this moment may still see the old rows.
MARK = "UPDATE ingest.batches SET merged_at = clock_timestamp() WHERE id = %s"
EMPTY = """
SELECT id::text, child FROM ingest.batches
WHERE child IS NOT NULL AND merged_at < (
    SELECT coalesce(min(xact_start), clock_timestamp()) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid())
"""


def run(connection, most_rows):
    """Answers (tables dropped, tables emptied)."""
    connection.autocommit = True
    dropped, moved = 0, 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(7215002)")
        if not cursor.fetchone()[0]:
            log.event("merge.busy")
            return 0, 0
        cursor.execute(EMPTY)
        for batch, child in cursor.fetchall():
            dropped += _drop(cursor, batch, child)
        cursor.execute(FULL, (most_rows,))
        for batch, child in cursor.fetchall():
            cursor.execute(MOVE.format(child=child))
            log.event("merge.moved", batch=batch, rows=cursor.rowcount)
            cursor.execute(MARK, (batch,))
            moved += 1
    return dropped, moved


def _drop(cursor, batch, child):
    cursor.execute("BEGIN")
    try:
        cursor.execute("SET LOCAL lock_timeout = %s", (LOCK_TIMEOUT_MS,))
        cursor.execute(f"LOCK TABLE ingest.{child} IN ACCESS EXCLUSIVE MODE")
        cursor.execute(f"SELECT EXISTS (SELECT 1 FROM ONLY ingest.{child})")
        if cursor.fetchone()[0]:
            raise RuntimeError(f"ingest.{child} was moved and is not empty; it stays")
        cursor.execute(f"DROP TABLE ingest.{child}")
        cursor.execute("UPDATE ingest.batches SET child = NULL WHERE id = %s", (batch,))
        cursor.execute("COMMIT")
    except psycopg2.errors.LockNotAvailable:
        cursor.execute("ROLLBACK")
        return 0
    return 1


def main(arguments):
    most_rows = int(arguments[0]) if arguments else ROWS_MAX
    connection = session.connect("rates-merge")
    dropped, moved = run(connection, most_rows)
    print(f"moved {moved}, dropped {dropped}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
