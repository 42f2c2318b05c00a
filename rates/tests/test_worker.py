"""Workers that are killed, told to stop, cut off and doubled: no batch is lost, none is loaded twice."""

import http.client
import signal
import socket
import threading
import time

import psycopg2
import pytest

from ingest import claims, keeping, session
from server import eventually, free_port
from service import Hold, csv_of

DAY = "2020-01-01"
# Where a worker can be stopped: reading the ports, inserting, writing the end of the batch.
READ = "public.ports IN ACCESS EXCLUSIVE"
INSERT = "public.prices IN SHARE"
END = "ingest.batches IN SHARE"


def loaded_once(service, id, attempts):
    batch = service.ended(id)
    assert (batch["status"], batch["rows"], batch["attempts"]) == ("loaded", 1000, attempts), batch
    assert service.count(DAY) == 1000


def stopped(service, point):
    """A worker that waits at a point of its batch: (batch, worker, lock)."""
    id = service.send(csv_of(DAY, 1000)).json["id"]
    first = Hold(service, INSERT if point == END else point)
    worker = service.worker()
    first.stops()
    if point != END:
        return id, worker, first
    last = Hold(service, END)
    first.release()
    last.stops()
    return id, worker, last


@pytest.mark.parametrize("point", [READ, INSERT, END])
def test_a_killed_workers_batch_is_loaded_by_the_next(service, point):
    id, worker, hold = stopped(service, point)
    worker.kill()
    worker.wait()
    assert service.batch(id)["status"] == "running" and service.count(DAY) == 0
    hold.release()
    service.worker()
    loaded_once(service, id, attempts=2)


def test_a_database_that_vanishes_is_noticed_even_while_something_is_on_its_way_to_it(service, monkeypatch):
    for name, value in service.environment.items():
        monkeypatch.setenv(name, value)
    connection = session.connect()
    with socket.socket(fileno=connection.fileno()) as seen:
        assert seen.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        assert seen.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        # The connection keeps its descriptor.
        seen.detach()
    connection.close()


def test_a_claim_that_nobody_holds_ends_with_its_lease(service):
    id = service.send(csv_of(DAY, 1000)).json["id"]
    connection = service.server.connect(service.database)
    with connection.cursor() as cursor:
        job = claims.claim(cursor, "gone", lease=2)
        assert job.id == id and claims.claim(cursor, "other", lease=2) is None
    service.worker()
    loaded_once(service, id, attempts=2)
    # Whoever had it comes back too late.
    with connection.cursor() as cursor, pytest.raises(claims.Lost):
        claims.hold(cursor, job)
    connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_told_to_stop_finishes_its_batch_and_takes_no_other(service, number):
    id, worker, hold = stopped(service, INSERT)
    next_id = service.send(csv_of("2020-01-02", 10)).json["id"]
    worker.send_signal(number)
    time.sleep(0.5)
    assert worker.poll() is None
    hold.release()
    assert worker.wait(30) == 0
    loaded_once(service, id, attempts=1)
    assert service.batch(next_id)["status"] == "queued"


def test_an_idle_worker_stops_at_once(service):
    worker = service.worker(RATES_WORKER_POLL=30)
    eventually("it looks at the queue", lambda: "worker.start" in service.log())
    time.sleep(0.5)
    worker.terminate()
    assert worker.wait(10) == 0


@pytest.mark.parametrize("point", [READ, INSERT, END])
def test_a_restart_of_the_database_is_survived(service, point):
    id, worker, hold = stopped(service, point)
    service.server.restart("immediate")
    hold.release()
    loaded_once(service, id, attempts=2)
    assert worker.poll() is None, "the worker itself goes on"


@pytest.mark.parametrize("point", [READ, INSERT, END])
def test_a_cut_connection_is_replaced(service, point):
    id, worker, hold = stopped(service, point)
    service.rows("SELECT pg_terminate_backend(%s)", (hold.stops(),))
    hold.release()
    loaded_once(service, id, attempts=2)
    assert worker.poll() is None


def test_a_batch_that_always_fails_is_given_up_with_the_reason(service):
    service.rows("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$;"
                 "CREATE TRIGGER refuse BEFORE INSERT ON public.prices FOR EACH ROW EXECUTE PROCEDURE refuse()")
    id = service.send(csv_of(DAY, 10)).json["id"]
    service.worker(RATES_WORKER_TRIES=2)
    batch = service.ended(id)
    assert (batch["status"], batch["attempts"]) == ("failed", 2)
    assert batch["reason"].startswith("given up after 2 attempts: ") and "no room" in batch["reason"]
    service.rows("DROP TRIGGER refuse ON public.prices")
    again = service.send(csv_of(DAY, 10))
    assert again.status == 202 and service.ended(again.json["id"])["status"] == "loaded"


def test_a_batch_that_ends_every_worker_is_given_up(service):
    id = service.send(csv_of(DAY, 10)).json["id"]
    service.rows("UPDATE ingest.batches SET status = 'running', attempts = 10, lease_until = now()")
    service.worker()
    batch = service.ended(id)
    assert batch["status"] == "failed" and "vanished each time" in batch["reason"] and service.count(DAY) == 0


def test_what_was_damaged_in_storage_is_not_loaded(service):
    id = service.send(csv_of(DAY, 10)).json["id"]
    service.rows("UPDATE ingest.bodies SET data = replace(encode(data, 'escape'), ',3', ',4')::bytea")
    service.worker(RATES_WORKER_TRIES=1)
    batch = service.ended(id)
    assert batch["status"] == "failed" and "SHA-256" in batch["reason"] and service.count(DAY) == 0


def test_two_workers_share_the_queue(service):
    ids = [service.send(csv_of(f"2020-01-{day:02}", 2000)).json["id"] for day in range(1, 13)]
    service.worker()
    service.worker()
    assert [service.ended(id)["rows"] for id in ids] == [2000] * 12
    assert service.rows("SELECT count(*) FROM public.prices WHERE day >= '2020-01-01'") == [(24000,)]
    assert service.rows("SELECT count(DISTINCT claimed_by), max(attempts) FROM ingest.batches") == [(2, 1)]


class Reader(threading.Thread):
    """Counts prices by day again and again, and keeps every count that it ever saw."""

    def __init__(self, service, isolation):
        super().__init__(daemon=True)
        self.connection = service.server.connect(service.database)
        self.connection.set_session(isolation_level=isolation, autocommit=False)
        self.seen, self.looks, self.ended = set(), 0, False
        self.error = None

    def run(self):
        try:
            while not self.ended:
                with self.connection, self.connection.cursor() as cursor:
                    # So that the snapshot is older than the look at the table.
                    cursor.execute("SELECT count(*) FROM public.ports")
                    for _ in range(2):
                        cursor.execute("SELECT day, count(*) FROM public.prices WHERE day >= '2020-01-01' GROUP BY day")
                        self.seen.update(count for _, count in cursor)
                self.looks += 1
        except psycopg2.Error as error:
            self.error = error


@pytest.mark.parametrize("parallel_bytes", [10**9, 1])
def test_a_reader_never_sees_a_part_of_a_batch(service, parallel_bytes):
    readers = [Reader(service, level) for level in ("READ COMMITTED", "REPEATABLE READ")]
    for reader in readers:
        reader.start()
    service.worker(RATES_WORKER_PARALLEL_BYTES=parallel_bytes)
    service.worker(RATES_WORKER_PARALLEL_BYTES=parallel_bytes)
    ids = [service.send(csv_of(f"2020-01-{day:02}", 3000)).json["id"] for day in range(1, 11)]
    assert all(service.ended(id)["status"] == "loaded" for id in ids)
    for reader in readers:
        reader.ended = True
        reader.join(30)
        assert reader.error is None and reader.looks > 10
        assert reader.seen <= {3000} and reader.seen, reader.seen


def test_a_worker_tells_of_itself(service):
    port = free_port()
    service.worker(RATES_WORKER_PORT=port)
    id = service.send(csv_of(DAY, 1000)).json["id"]
    service.ended(id)

    def ask(path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    assert ask("/health") == (200, '{"status": "ok"}\n')
    text = eventually("it has counted", lambda: (text := ask("/metrics")[1]) and 'outcome="loaded"} 1.0' in text and text)
    assert "rates_batch_rows_total 1000.0" in text and 'rates_queue_batches{status="queued"} 0.0' in text
    for phase in ("queued", "read", "copy", "check", "insert", "commit", "total"):
        assert f'rates_batch_phase_seconds_count{{phase="{phase}"}} 1.0' in text
    assert ask("/else")[0] == 404


def test_old_bodies_and_left_tables_are_cleared_away(service):
    service.worker()
    old, new = (service.send(csv_of(day, 10)).json["id"] for day in (DAY, "2020-01-02"))
    for id in (old, new):
        service.ended(id)
    service.rows("UPDATE ingest.batches SET finished_at = now() - interval '31 days' WHERE id = %s", (old,))
    service.rows(f"CREATE TABLE ingest.chunk_{old.replace('-', '')}_1_0 (a int)")
    connection = service.server.connect(service.database)
    connection.autocommit = False
    keeping.run(connection)
    connection.close()
    assert service.rows("SELECT batch_id::text FROM ingest.bodies") == [(new,)]
    assert service.rows(keeping.CHUNKS) == []
    assert service.count(DAY) == 10
