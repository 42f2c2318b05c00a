"""How long one very large batch takes with 1, 2 and 4 connections: `python rates/tests/bench.py --rows 1000000`."""

import argparse
import os
import pathlib
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parent)]

from server import Server  # noqa: E402
from service import Service, csv_of  # noqa: E402


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--rows", type=int, default=1_000_000)
    words.add_argument("--connections", type=int, nargs="+", default=[1, 2, 4])
    said = words.parse_args()
    server = Server(fsync=True)
    try:
        server.load("dump")
        body = csv_of("2017-01-01", said.rows)
        version = server.execute("SHOW server_version")[0][0]
        print(f"PostgreSQL {version}, {os.cpu_count()} processors, {said.rows} rows, {len(body)} bytes, fsync on")
        # The way of ordinary batches first, to compare with.
        for connections in [0, *said.connections]:
            with tempfile.TemporaryDirectory() as folder:
                one(server, folder, body, connections)
    finally:
        server.remove()
    return 0


def one(server, folder, body, connections):
    name = f"bench_{connections}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE dump")
    large = {"RATES_WORKER_CONNECTIONS": connections or 1, "RATES_WORKER_PARALLEL_BYTES": 1 if connections else 10**12}
    service = Service(server, name, folder, RATES_INGEST_MAX_BYTES=10**10, **large)
    assert service.run("ingest.migrate")[0] == 0
    service.api()
    began = time.monotonic()
    id = service.send(body).json["id"]
    sent = time.monotonic() - began
    server.execute("CHECKPOINT")
    began = time.monotonic()
    service.worker()
    batch = service.ended(id, 1800)
    assert batch["status"] == "loaded", batch
    wall = time.monotonic() - began
    service.end()
    phases = ", ".join(f"{name} {seconds:.2f}" for name, seconds in batch["phases"].items())
    what = f"{connections} connections" if connections else "ordinary way"
    print(f"{what}: sent in {sent:.2f} s, visible after {wall:.2f} s ({phases})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
