"""Batches for an hour's worth of mishaps: `python rates/tests/soak.py --batches 100 --rows 50000 --seed 1`."""
# Workers are killed, the database is restarted, connections are cut, all at moments that the seed decides. At the end
# the rows must be exactly those of the batches that were accepted. Prints figures; not part of the test run.

import argparse
import http.client
import pathlib
import random
import sys
import tempfile
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parent)]

from server import Server  # noqa: E402
from service import Service, csv_of  # noqa: E402

QUERY = "/rates?date_from=2016-01-01&date_to=2016-01-31&orig_code=CNGGZ&dest_code=EETLL"
# For the queue to become empty once all is sent.
PATIENCE_SECONDS = 3600


class Load(threading.Thread):
    """Asks /rates ten times a second, and notes how long each answer took and whether there was one."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self.service, self.times, self.failed, self.ended = service, [], 0, False

    def run(self):
        while not self.ended:
            began = time.monotonic()
            try:
                answer = self.service.ask("GET", QUERY)
                if answer.status == 200:
                    self.times.append(time.monotonic() - began)
                else:
                    self.failed += 1
            except (OSError, http.client.HTTPException):
                self.failed += 1
            time.sleep(max(0, 0.1 - (time.monotonic() - began)))


class Mishaps(threading.Thread):
    """What goes wrong meanwhile."""

    def __init__(self, service, workers, chance, settings, pause):
        super().__init__(daemon=True)
        self.service, self.workers, self.chance, self.settings = service, workers, chance, settings
        self.pause, self.counts, self.ended = pause, {"worker killed": 0, "database restarted": 0, "connections cut": 0}, False

    def run(self):
        while not self.ended:
            time.sleep(self.chance.uniform(*self.pause))
            if self.ended:
                return
            what = self.chance.choices(list(self.counts), weights=[5, 2, 3])[0]
            self.counts[what] += 1
            if what == "worker killed":
                number = self.chance.randrange(len(self.workers))
                self.workers[number].kill()
                self.workers[number].wait()
                self.workers[number] = self.service.worker(**self.settings)
            elif what == "database restarted":
                self.service.server.restart(self.chance.choice(["immediate", "fast"]))
            else:
                self.service.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                  " WHERE datname = current_database() AND pid <> pg_backend_pid()")


def deliver(service, body):
    """Sends until it is acknowledged, as a client does that must not lose a batch."""
    while True:
        try:
            answer = service.send(body)
            if answer.status in (200, 202):
                return answer.json["id"]
            assert answer.status == 503, (answer.status, answer.text)
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.5)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def day(number):
    return f"{2017 + number // 300}-{1 + number % 300 // 25:02}-{1 + number % 25:02}"


def main():
    words = argparse.ArgumentParser()
    for name, fallback in (("batches", 100), ("rows", 50000), ("seed", 1), ("workers", 2), ("large-every", 5)):
        words.add_argument(f"--{name}", type=int, default=fallback)
    words.add_argument("--pause", type=float, nargs=2, default=(2, 8), help="seconds between mishaps, least and most")
    said = words.parse_args()
    chance = random.Random(said.seed)
    server = Server(fsync=True)
    ended = 1
    try:
        server.load("soak")
        with tempfile.TemporaryDirectory() as folder:
            service = Service(server, "soak", folder)
            assert service.run("ingest.migrate")[0] == 0
            ended = soak(service, said, chance)
    finally:
        server.remove()
    return ended


def soak(service, said, chance):
    # Every fifth batch is above this size, and takes the way of very large ones.
    size = len(csv_of(day(0), said.rows, 10**6))
    settings = {"RATES_WORKER_TRIES": 20, "RATES_WORKER_LEASE": 5, "RATES_WORKER_PARALLEL_BYTES": size + 10**5}
    before = service.rows("SELECT count(*) FROM public.prices")[0][0]
    service.api()
    workers = [service.worker(**settings) for _ in range(said.workers)]
    load, mishaps = Load(service), Mishaps(service, workers, chance, settings, said.pause)
    load.start()
    mishaps.start()
    began, sent, expected = time.monotonic(), {}, {}
    try:
        for number in range(said.batches):
            large = said.large_every and number % said.large_every == said.large_every - 1
            rows = said.rows * 2 if large else said.rows
            body = csv_of(day(number), rows, 10**6)
            id = deliver(service, body)
            if chance.random() < 0.2:
                assert deliver(service, body) == id, "a second delivery is the first batch"
            sent[id], expected[day(number)] = time.monotonic(), rows
            print(f"\r{number + 1} sent, {mishaps.counts}", end="", file=sys.stderr, flush=True)
        ends = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                left = service.rows("SELECT count(*) FROM ingest.batches WHERE status IN ('queued', 'running')")[0][0]
            except Exception:  # A restart is one of the mishaps.
                left = None
            if left == 0:
                break
            assert time.monotonic() < ends, "the queue does not become empty"
            time.sleep(0.2)
        seconds = time.monotonic() - began
    finally:
        mishaps.ended = load.ended = True
        mishaps.join(60)
        load.join(60)
        service.end()
    return report(service, said, before, expected, seconds, load, mishaps)


def report(service, said, before, expected, seconds, load, mishaps):
    states = dict(service.rows("SELECT status, count(*) FROM ingest.batches GROUP BY status"))
    rows = service.rows("SELECT count(*) FROM public.prices")[0][0] - before
    seen = {str(day): count for day, count in
            service.rows("SELECT day, count(*) FROM public.prices WHERE day >= '2017-01-01' GROUP BY day")}
    took = [float(value) for (value,) in service.rows(
        "SELECT extract(epoch FROM finished_at - started_at) FROM ingest.batches WHERE status = 'loaded'")]
    tries = service.rows("SELECT sum(attempts), max(attempts) FROM ingest.batches")[0]
    version = service.rows("SHOW server_version")[0][0]
    exact = seen == expected and rows == sum(expected.values()) and states == {"loaded": said.batches}
    print(f"\nPostgreSQL {version}, seed {said.seed}, {said.workers} workers, fsync on, {seconds:.0f} s; {mishaps.counts}")
    print(f"batches {states}; attempts {tries[0]}, at most {tries[1]} for one")
    print(f"rows: {rows} loaded, {sum(expected.values())} accepted: {'EXACT' if exact else 'WRONG'}")
    print(f"seconds a batch (last attempt): median {percentile(took, 0.5):.2f}, p99 {percentile(took, 0.99):.2f}")
    print(f"/rates meanwhile: {len(load.times)} answers, median {percentile(load.times, 0.5) * 1000:.0f} ms,"
          f" p99 {percentile(load.times, 0.99) * 1000:.0f} ms; {load.failed} times none, or 503 while the database was away")
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
