"""A PostgreSQL server of the tests' own: a cluster in a temporary folder, on a free port of the loopback address."""
# RATES_TEST_PG_BIN names the folder of the binaries; only initdb, pg_ctl and postgres are needed.

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parents[2]
DUMP = ROOT / "db" / "rates.sql"
# A test run's cluster takes a quarter of this.
MEMORY_BYTES_MIN = 4 * 1024**3


def binaries():
    given = os.environ.get("RATES_TEST_PG_BIN")
    found = [pathlib.Path(given)] if given else sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        if (folder / "initdb").exists():
            return folder
    raise SystemExit("no PostgreSQL binaries: install postgresql, or set RATES_TEST_PG_BIN")


def memory():
    """A folder in memory where there is one with room, for clusters that need not outlive anything."""
    shared = pathlib.Path("/dev/shm")
    return shared if shared.is_dir() and shutil.disk_usage(shared).free > MEMORY_BYTES_MIN else None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One cluster. Runs as `postgres` where the tests run as root, for PostgreSQL does not run as root."""

    def __init__(self, fsync=False):
        self.bin = binaries()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rates-postgres-", dir=None if fsync else memory()))
        self.port = free_port()
        self.who = {}
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self.who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        with open(self.data / "postgresql.conf", "a") as file:
            file.write(
                f"\nlisten_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\n"
                f"fsync = {'on' if fsync else 'off'}\nmax_connections = 60\nshared_buffers = 128MB\n"
                "checkpoint_timeout = 15min\nmax_wal_size = 2GB\n"
            )
        self.start()

    @property
    def data(self):
        return self.folder / "data"

    def _run(self, program, *words):
        done = subprocess.run(
            [self.bin / program, *words], cwd="/", capture_output=True, text=True, timeout=120, **self.who
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    def _control(self, *words):
        # Without a file for its output the server would keep our pipe open.
        with open(os.devnull, "w") as nothing:
            subprocess.run(
                [self.bin / "pg_ctl", "-D", self.data, "-w", *words], cwd="/", stdout=nothing, stderr=nothing,
                check=True, timeout=120, **self.who,
            )

    def start(self):
        self._control("-l", self.folder / "log", "start")

    def stop(self, mode="immediate"):
        self._control("-m", mode, "stop")

    def restart(self, mode="immediate"):
        self.stop(mode)
        self.start()

    def remove(self):
        try:
            self.stop()
        except subprocess.CalledProcessError:
            pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database="postgres"):
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname=database, connect_timeout=5
        )
        connection.autocommit = True
        return connection

    def execute(self, statement, values=None, database="postgres"):
        """Rows of one statement, or None."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def load(self, database, dump=DUMP):
        """Makes a database and loads a dump into it, as psql would."""
        self.execute(f"CREATE DATABASE {database}")
        connection = self.connect(database)
        with connection.cursor() as cursor:
            statement = []
            rows = iter(open(dump))
            for line in rows:
                if line.startswith("COPY "):
                    cursor.copy_expert(line.strip().rstrip(";"), Lines(rows))
                    continue
                statement.append(line)
                if line.rstrip().endswith(";"):
                    cursor.execute("".join(statement))
                    statement = []
        connection.close()


class Lines:
    """The rows of one COPY block as a file."""

    def __init__(self, rows):
        self.rows = rows
        self.ended = False

    def read(self, size=-1):
        found = []
        length = 0
        while not self.ended and length < size:
            line = next(self.rows)
            self.ended = line.startswith("\\.")
            if not self.ended:
                found.append(line)
                length += len(line)
        return "".join(found)


def eventually(what, condition, seconds=30):
    """Waits until the condition answers something true, and answers that."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")
