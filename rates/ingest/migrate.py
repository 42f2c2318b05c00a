"""Brings the schema of the queue up to date: `python -m ingest.migrate`, or `--check` to see what it would do."""
# All pending migrations are one transaction under one lock: several may start at once, and none leaves half a schema.

import hashlib
import pathlib
import sys
import time

import psycopg2

import config
from ingest import log

FOLDER = pathlib.Path(__file__).parent / "migrations"
# Any number will do, as long as nothing else in the database takes the same.
ADVISORY_LOCK = 7_215_001
# A statement that waits for a lock holds up everybody behind it, so it gives up early and comes back.
LOCK_TIMEOUT_MS = 2000
TRIES = 15
PAUSE_SECONDS = 1

LEDGER = """
CREATE SCHEMA IF NOT EXISTS ingest;
CREATE TABLE IF NOT EXISTS ingest.migrations (
    version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
"""


class Refused(Exception):
    """The database and this code do not fit together; the text says why."""


def known(folder=FOLDER):
    """The migrations of this code as (version, name, text), in order."""
    found = [(int(path.name.split("_")[0]), path.stem, path.read_text()) for path in sorted(folder.glob("*.sql"))]
    if [version for version, _, _ in found] != list(range(1, len(found) + 1)):
        raise Refused(f"the migrations in {folder} are not numbered 1, 2, 3 …")
    return found


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def pending(cursor, migrations):
    """Those that the database does not have yet. It may have later ones: then older code looks at it."""
    cursor.execute("SELECT to_regclass('ingest.migrations') IS NOT NULL")
    applied = {}
    if cursor.fetchone()[0]:
        cursor.execute("SELECT version, sha256 FROM ingest.migrations")
        applied = dict(cursor.fetchall())
    for version, name, text in migrations:
        if applied.get(version, _digest(text)) != _digest(text):
            raise Refused(f"migration {name} was edited after it had been applied; add a new one instead")
    return [migration for migration in migrations if migration[0] not in applied]


def apply(connection, migrations):
    """Applies what is pending; answers the names. All or nothing."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = %s", (LOCK_TIMEOUT_MS,))
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
        todo = pending(cursor, migrations)
        if todo:
            cursor.execute(LEDGER)
        for version, name, text in todo:
            cursor.execute(text)
            cursor.execute(
                "INSERT INTO ingest.migrations (version, name, sha256) VALUES (%s, %s, %s)",
                (version, name, _digest(text)),
            )
        return [name for _, name, _ in todo]


def _connect():
    connection = psycopg2.connect(**config.connection_arguments("rates-migrate", "RATES_WORKER_TIMEOUT"))
    with connection, connection.cursor() as cursor:
        cursor.execute("SET search_path = ''")
    return connection


def run(migrations=None, tries=TRIES):
    """Applies what is pending, again and again while locks or the connection are in the way; answers the names."""
    migrations = known() if migrations is None else migrations
    for attempt in range(1, tries + 1):
        try:
            connection = _connect()
            try:
                return apply(connection, migrations)
            finally:
                connection.close()
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if attempt == tries:
                raise
            log.event("migrate.retry", attempt=attempt, reason=str(error).strip())
            time.sleep(PAUSE_SECONDS)
    raise AssertionError("unreachable: the last attempt returns or raises")


def main(arguments):
    if arguments not in ([], ["--check"]):
        print("usage: python -m ingest.migrate [--check]", file=sys.stderr)
        return 2
    try:
        if arguments:
            connection = _connect()
            with connection, connection.cursor() as cursor:
                names, word = [name for _, name, _ in pending(cursor, known())], "pending"
        else:
            names, word = run(), "applied"
    except (Refused, psycopg2.Error) as error:
        print(f"migration failed, nothing was changed: {str(error).strip()}", file=sys.stderr)
        return 1
    for name in names:
        print(f"{word} {name}")
    if not names:
        print("nothing to do")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
