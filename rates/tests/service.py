"""The API and workers as the tests run them: the same commands as in their containers, as processes."""

import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from server import eventually, free_port

RATES = pathlib.Path(__file__).resolve().parents[1]
TOKEN = "one-of-the-tests"
# What the tests do not want from outside.
OURS = ("RATES_", "PG", "PROMETHEUS_")


class Answer:
    def __init__(self, status, headers, text):
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self):
        return json.loads(self.text)


class Service:
    """One database with processes around it."""

    def __init__(self, server, database, folder, **settings):
        self.server = server
        self.database = database
        self.folder = pathlib.Path(folder)
        self.processes = []
        self.port = None
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.environment = {
            **kept, "RATES_DB_HOST": "127.0.0.1", "RATES_DB_PORT": str(server.port), "RATES_DB_NAME": database,
            "RATES_INGEST_TOKEN": TOKEN, "RATES_WORKER_LEASE": "1", "RATES_WORKER_POLL": "1",
            "PYTHONDONTWRITEBYTECODE": "1", **{name: str(value) for name, value in settings.items()},
        }

    def python(self, *words, **settings):
        """Starts a module of the service; its log is in the test's folder."""
        log = open(self.folder / f"{len(self.processes)}.log", "wb")
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=RATES, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**self.environment, **{name: str(value) for name, value in settings.items()}},
        )
        log.close()
        self.processes.append(process)
        return process

    def run(self, *words, **settings):
        """Runs a module to its end: (code, output)."""
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=RATES, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**self.environment, **{name: str(value) for name, value in settings.items()}}, timeout=120,
        )
        return done.returncode, done.stdout

    def worker(self, **settings):
        return self.python("ingest.worker", **settings)

    def api(self, **settings):
        self.port = free_port()
        process = self.python("gunicorn", "-b", f"127.0.0.1:{self.port}", "wsgi", **settings)
        eventually("the API answers", self.answers)
        return process

    def answers(self):
        try:
            return self.ask("GET", "/health").status == 200
        except OSError:
            return False

    def ask(self, method, path, body=None, headers=None, token=TOKEN):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            given = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request(method, path, body=body, headers={**given, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def send(self, body, kind="text/csv", query="", headers=None, **more):
        return self.ask("POST", "/batches" + query, body, {"Content-Type": kind, **(headers or {})}, **more)

    def batch(self, id):
        return self.ask("GET", f"/batches/{id}").json

    def ended(self, id, seconds=60):
        """The batch once it has ended."""
        def look():
            batch = self.batch(id)
            # One that ended by itself will not load it.
            assert any(process.poll() is None for process in self.processes[1:]) or batch["status"] == "loaded", self.log()
            return batch["status"] in ("loaded", "rejected", "failed") and batch
        return eventually(f"batch {id} ends", look, seconds)

    def rows(self, query, values=None):
        return self.server.execute(query, values, self.database)

    def count(self, day):
        """Prices that readers see for a day."""
        return self.rows("SELECT count(*) FROM public.prices WHERE day = %s", (day,))[0][0]

    def log(self):
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        ends = time.monotonic() + 20
        for process in self.processes:
            try:
                process.wait(max(0.1, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


PORTS = "CNDLC CNTXG CNTAO CNLYG CNSGH CNNGB CNNKG CNFOC CNXMN CNGGZ CNSZX CNYTN NLRTM BEANR DEHAM DEBRV".split()


def prices(day, count, base=0):
    """So many different rows of one day."""
    lanes = [(orig, dest) for orig in PORTS for dest in PORTS if orig != dest]
    for number in range(count):
        orig, dest = lanes[number % len(lanes)]
        yield orig, dest, day, base + number


def csv_of(day, count, base=0):
    rows = "".join(f"{orig},{dest},{day},{price}\n" for orig, dest, day, price in prices(day, count, base))
    return ("orig_code,dest_code,day,price\n" + rows).encode()


class Hold:
    """A lock that stops a worker at a known point, and lets it go on at the end."""

    def __init__(self, service, lock):
        self.service = service
        self.connection = service.server.connect(service.database)
        self.connection.autocommit = False
        self.connection.cursor().execute(f"LOCK TABLE {lock} MODE")

    def stops(self, name="rates-worker"):
        """Waits until a session of this name waits for a lock."""
        def look():
            return self.service.rows(
                "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
                " AND datname = current_database()", (name,)
            )
        return eventually(f"{name} waits", look)[0][0]

    def release(self):
        self.connection.close()
