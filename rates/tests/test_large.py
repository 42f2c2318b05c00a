"""Very large batches: several processes, one short switch, a deadline."""

import json
import time

import pytest

from ingest import keeping
from service import Hold, csv_of, prices

DAY = "2020-01-01"
# Two parts of 1 MiB, so two shares.
ROWS = 55000
LARGE = {"RATES_WORKER_PARALLEL_BYTES": 1000, "RATES_WORKER_CONNECTIONS": 2}
CHILDREN = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'public.prices'::regclass"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'ingest' AND tablename ~ '^(prices|chunk)_'"


def changed(line, text):
    """The batch with one line replaced; line 1 is its header."""
    lines = csv_of(DAY, ROWS).split(b"\n")
    lines[line - 1] = text
    return b"\n".join(lines)


def test_shares_become_one_child_of_prices(service):
    service.worker(**LARGE)
    batch = service.ended(service.send(csv_of(DAY, ROWS), query=f"?rows={ROWS}").json["id"])
    assert (batch["status"], batch["rows"], batch["connections"]) == ("loaded", ROWS, 2)
    assert {"read", "copy", "shares", "insert", "index", "check", "switch"} <= set(batch["phases"])
    child = "ingest.prices_" + batch["id"].replace("-", "")
    assert service.rows(CHILDREN) == [(child,)]
    assert [f"ingest.{name}" for (name,) in service.rows(TABLES)] == [child], "no share is left"
    seen = service.rows("SELECT orig_code, dest_code, day::text, price FROM public.prices WHERE day = %s", (DAY,))
    assert sorted(seen) == sorted(prices(DAY, ROWS))
    assert service.rows("SELECT count(*) FROM ONLY public.prices WHERE day = %s", (DAY,)) == [(0,)]
    foreign = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated AND conrelid = %s::regclass"
    assert service.rows(foreign, (child,)) == [(2,)]
    assert service.rows("SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass", (child,)) == [(1,)]
    answer = service.ask("GET", f"/rates?date_from={DAY}&date_to={DAY}&orig_code=CNDLC&dest_code=NLRTM", token=None)
    assert answer.json["rates"][0]["count"] == sum(row[:2] == ("CNDLC", "NLRTM") for row in prices(DAY, ROWS))


def test_rows_are_numbered_through_all_shares(service):
    service.worker(**LARGE)
    body = changed(50002, b"CNDLC,NOWHR,2020-01-01,1")
    batch = service.ended(service.send(body).json["id"])
    assert (batch["status"], batch["rows"], batch["error_count"]) == ("rejected", ROWS, 1)
    assert batch["errors"] == [{"row": 50001, "field": "dest_code", "reason": "no port is called 'NOWHR'"}]
    assert service.count(DAY) == 0


def test_a_row_that_stands_in_two_shares_is_found(service):
    service.worker(**LARGE)
    lines = csv_of(DAY, ROWS).split(b"\n")
    body = changed(50002, lines[1])
    batch = service.ended(service.send(body).json["id"])
    assert batch["status"] == "rejected" and batch["errors"] == [{"row": 50001, "reason": "the same as row 1"}]
    kept = service.ended(service.send(body, query="?duplicates=keep").json["id"])
    assert kept["status"] == "loaded" and service.count(DAY) == ROWS


def test_json_is_one_share(service):
    service.worker(**LARGE)
    rows = [dict(zip(("orig_code", "dest_code", "day", "price"), row)) for row in prices(DAY, 20000)]
    batch = service.ended(service.send(json.dumps(rows).encode(), "application/json").json["id"])
    assert (batch["status"], batch["rows"], batch["connections"]) == ("loaded", 20000, 1)


@pytest.mark.parametrize("lock, name", [
    ("public.ports IN ACCESS EXCLUSIVE", "rates-worker-chunk"), ("public.prices IN SHARE UPDATE EXCLUSIVE", "rates-worker"),
])
def test_a_killed_worker_leaves_nothing_visible(service, lock, name):
    id = service.send(csv_of(DAY, ROWS)).json["id"]
    hold = Hold(service, lock)
    worker = service.worker(**LARGE)
    hold.stops(name)
    if name == "rates-worker":
        # The switch waits, and nobody waits behind it.
        service.rows("SET statement_timeout = 2000; SELECT count(*) FROM public.prices")
        assert service.count(DAY) == 0
    worker.kill()
    worker.wait()
    hold.release()
    service.worker(**LARGE)
    batch = service.ended(id)
    assert (batch["status"], batch["attempts"], service.count(DAY)) == ("loaded", 2, ROWS)
    connection = service.server.connect(service.database)
    connection.autocommit = False
    keeping.run(connection)
    connection.close()
    assert len(service.rows(TABLES)) == 1, "tables of the first attempt are cleared away"


@pytest.mark.parametrize("large", [False, True])
def test_a_missed_deadline_is_reported_and_nothing_is_visible(service, large):
    hold = Hold(service, "public.ports IN ACCESS EXCLUSIVE" if large else "public.prices IN SHARE")
    began = time.monotonic()
    id = service.send(csv_of(DAY, ROWS if large else 100), headers={"Batch-Deadline": "3"}).json["id"]
    service.worker(**(LARGE if large else {}))
    batch = service.ended(id)
    assert time.monotonic() - began < 15
    assert batch["status"] == "failed" and "deadline passed" in batch["reason"]
    hold.release()
    assert service.count(DAY) == 0 and service.rows(CHILDREN) == []


def test_a_deadline_that_cannot_be_kept_is_refused_at_once(service):
    body = csv_of(DAY, 20000)
    assert service.send(csv_of("2020-01-02", 10), query="?deadline=1").status == 202, "nothing was measured yet"
    service.worker()
    service.ended(service.send(csv_of("2020-01-03", 10)).json["id"])
    # As if the last batches had been loaded with a thousand bytes a second.
    service.rows("UPDATE ingest.batches SET bytes = 1000, started_at = finished_at - interval '1 second' WHERE status = 'loaded'")
    refused = service.send(body, query="?deadline=10")
    assert refused.status == 422 and "bytes a second" in refused.json["error"]
    assert service.send(body, query="?deadline=10000").status == 202
    # Alone it could be done, but not behind that one.
    service.processes[1].terminate()
    service.processes[1].wait()
    service.rows("UPDATE ingest.batches SET status = 'queued', bytes = 600000 WHERE bytes > 100000")
    behind = service.send(csv_of("2020-01-04", 100), query="?deadline=30")
    assert behind.status == 503 and int(behind.headers["Retry-After"]) >= 600


def test_children_are_merged_without_a_reader_noticing(service):
    service.worker(**LARGE)
    service.ended(service.send(csv_of(DAY, 3000)).json["id"])
    before = service.server.connect(service.database)
    before.set_session(isolation_level="REPEATABLE READ", autocommit=False)
    old = before.cursor()
    old.execute("SELECT 1 FROM public.ports LIMIT 1")
    assert service.run("ingest.merge")[1].endswith("moved 1, dropped 0\n")
    assert service.rows("SELECT count(*) FROM ONLY public.prices WHERE day = %s", (DAY,)) == [(3000,)]
    # A transaction that began before keeps the table alive, and sees every row once.
    assert service.run("ingest.merge")[1].endswith("moved 0, dropped 0\n")
    old.execute("SELECT count(*) FROM public.prices WHERE day = %s", (DAY,))
    assert old.fetchone() == (3000,)
    before.close()
    assert service.run("ingest.merge")[1].endswith("moved 0, dropped 1\n")
    assert service.count(DAY) == 3000 and service.rows(TABLES) == []
