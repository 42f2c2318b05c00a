"""Loads batches one after the other: `python -m ingest.worker`. SIGTERM: finish the one that runs, then end."""

import signal
import threading

STOP = threading.Event()
for _number in (signal.SIGTERM, signal.SIGINT):
    # Before the slow imports: the first process of a container does not hear a signal that it has no answer to.
    signal.signal(_number, lambda *_: STOP.set())

import os  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import psycopg2  # noqa: E402

import config  # noqa: E402
from ingest import attempt, claims, keeping, log, session, watch  # noqa: E402

# A database that is away is asked again, soon at first.
AWAY_SECONDS_MAX = 10
KEEPING_SECONDS = 300


class Worker:
    """One loop over the queue, with one connection that is replaced when it breaks."""

    def __init__(self, stop):
        self.stop = stop
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.poll = config.number("RATES_WORKER_POLL")
        self.lease = config.number("RATES_WORKER_LEASE")
        self.limits = attempt.Limits()
        self.connection = None
        self.metrics = watch.Metrics()
        self.kept = 0.0

    def _connected(self):
        if self.connection is None or self.connection.closed:
            self.connection = session.connect()
        return self.connection

    def _drop(self):
        connection, self.connection = self.connection, None
        if connection is not None:
            try:
                connection.close()
            except psycopg2.Error:
                pass

    def _claim(self):
        connection = self._connected()
        with connection, connection.cursor() as cursor:
            return claims.claim(cursor, self.name, self.lease)

    def _try(self, job):
        log.event("batch.claimed", batch=job.id, attempt=job.attempt, bytes=job.bytes, waited=round(job.waited, 3))
        began = time.monotonic()
        try:
            outcome = attempt.run(self._connected(), job, self.limits)
        except Exception as error:  # Whatever it is, it must not end the worker with the batch still in its hands.
            self._drop()
            reason = f"{type(error).__name__}: {error}".strip()
            log.event("batch.error", batch=job.id, attempt=job.attempt, reason=reason)
            outcome = attempt.give_back(job, reason, self.limits)
        self.metrics.ended(job, outcome, time.monotonic() - began)

    def _keep(self):
        if time.monotonic() - self.kept > KEEPING_SECONDS:
            self.kept = time.monotonic()
            keeping.run(self._connected())

    def run(self):
        away = 0
        log.event("worker.start", name=self.name)
        while not self.stop.is_set():
            try:
                self._keep()
                job = self._claim()
                self.metrics.alive()
                away = 0
                if job is None:
                    self.stop.wait(self.poll)
                    continue
                with self.metrics.busy():
                    self._try(job)
            except psycopg2.Error as error:
                self._drop()
                away = min(AWAY_SECONDS_MAX, away * 2 or 0.5)
                log.event("database.away", reason=str(error).strip(), again_in=away)
                self.stop.wait(away)
        self._drop()
        log.event("worker.end", name=self.name)


def main():
    worker = Worker(STOP)
    server = watch.serve(worker.metrics)
    worker.run()
    if server is not None:
        server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
