"""What an idle worker clears away: bodies past their time, and tables that broken attempts left."""

import re

import psycopg2

import config
from ingest import log

OLD_BODIES = """
DELETE FROM ingest.bodies WHERE batch_id IN (
    SELECT b.id FROM ingest.batches b
    WHERE b.finished_at < now() - %s * interval '1 day'
      AND EXISTS (SELECT 1 FROM ingest.bodies p WHERE p.batch_id = b.id)
    ORDER BY b.finished_at LIMIT 100)
"""

CHUNKS = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'ingest' AND tablename LIKE 'chunk\\_%'"
CHUNK = re.compile(r"chunk_([0-9a-f]{32})_([0-9]+)_[0-9]+")
# The attempt that made a table may still use it.
IN_USE = "SELECT 1 FROM ingest.batches WHERE id = %s::uuid AND attempts = %s AND status = 'running'"
DROP_LOCK_MS = 200


def run(connection):
    with connection, connection.cursor() as cursor:
        cursor.execute(OLD_BODIES, (config.number("RATES_INGEST_KEEP_DAYS"),))
        if cursor.rowcount:
            log.event("keeping.bodies", parts=cursor.rowcount)
    with connection, connection.cursor() as cursor:
        cursor.execute(CHUNKS)
        names = [name for (name,) in cursor]
    for name in names:
        found = CHUNK.fullmatch(name)
        if found:
            _drop(connection, name, *found.groups())


def _drop(connection, name, batch, attempt):
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(IN_USE, (batch, int(attempt)))
            if cursor.fetchone() is None:
                cursor.execute("SET LOCAL lock_timeout = %s", (DROP_LOCK_MS,))
                cursor.execute(f"DROP TABLE IF EXISTS ingest.{name}")
                log.event("keeping.chunk", table=name)
    except psycopg2.errors.LockNotAvailable:
        # Its last user is still on the way out.
        pass
