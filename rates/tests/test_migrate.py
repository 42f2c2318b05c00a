"""The schema of the queue: applied once, whole or not at all, beside whatever runs."""

import subprocess
import sys

import psycopg2
import pytest

from ingest import migrate
from service import RATES


def names(service):
    return [name for (name,) in service.rows("SELECT name FROM ingest.migrations ORDER BY version")]


def test_a_second_run_has_nothing_to_do(make):
    service = make("dump")
    before = service.rows("SELECT count(*), sum(price) FROM public.prices")
    assert service.run("ingest.migrate", "--check") == (0, "pending 0001_queue\n")
    assert service.rows("SELECT to_regnamespace('ingest') IS NULL")[0][0], "a check changes nothing"
    assert service.run("ingest.migrate") == (0, "applied 0001_queue\n")
    assert service.run("ingest.migrate") == (0, "nothing to do\n")
    assert service.run("ingest.migrate", "--check") == (0, "nothing to do\n")
    assert names(service) == ["0001_queue"]
    assert service.rows("SELECT count(*), sum(price) FROM public.prices") == before


def test_several_at_once_apply_it_once(make):
    service = make("dump")
    started = [
        subprocess.Popen([sys.executable, "-m", "ingest.migrate"], cwd=RATES, env=service.environment,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = sorted(process.communicate(timeout=60)[0] for process in started)
    assert said == ["applied 0001_queue\n"] + ["nothing to do\n"] * 3
    assert [process.returncode for process in started] == [0, 0, 0, 0]


def connected(service):
    return psycopg2.connect(host="127.0.0.1", port=service.server.port, user="postgres", dbname=service.database)


def test_a_failure_leaves_nothing_behind(make):
    service = make("dump")
    migrations = [*migrate.known(), (2, "0002_wrong", "CREATE TABLE ingest.half (); SELECT 1/0;")]
    connection = connected(service)
    with pytest.raises(psycopg2.errors.DivisionByZero):
        migrate.apply(connection, migrations)
    connection.close()
    assert service.rows("SELECT to_regnamespace('ingest') IS NULL")[0][0]


def test_an_edited_migration_is_refused_and_a_later_one_is_not_missed(make):
    service = make()
    (version, name, text), *_ = migrate.known()
    connection = connected(service)
    with pytest.raises(migrate.Refused, match="0001_queue was edited"):
        migrate.apply(connection, [(version, name, text + "-- more")])
    later = (2, "0002_later", "ALTER TABLE ingest.batches ADD COLUMN note text")
    assert migrate.apply(connection, [*migrate.known(), later]) == ["0002_later"]
    # Older code looks at a newer database, as during a rollout or after a rollback.
    assert migrate.apply(connection, migrate.known()) == []
    connection.close()


def test_a_lock_in_the_way_is_not_waited_for_long(make):
    service = make()
    holder, connection = connected(service), connected(service)
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE ingest.batches IN ACCESS SHARE MODE")
    later = (2, "0002_later", "ALTER TABLE ingest.batches ADD COLUMN note text")
    with pytest.raises(psycopg2.errors.LockNotAvailable):
        migrate.apply(connection, [*migrate.known(), later])
    assert names(service) == ["0001_queue"]
    holder.close()
    assert migrate.apply(connection, [*migrate.known(), later]) == ["0002_later"]
    connection.close()
