"""One attempt at one batch: loads it, or ends it with a reason, or gives it back for a later attempt."""

import time

import psycopg2

import config
from ingest import claims, log, session
from ingest.check import Checker
from ingest.clock import Clock, DeadlineMissed
from ingest.formats import Malformed
from ingest.load import Rejected, load, ports
from ingest.parallel import load_large


class Limits:
    """The worker's settings that an attempt needs."""

    def __init__(self):
        self.tries = config.number("RATES_WORKER_TRIES")
        self.timeout = config.number("RATES_WORKER_TIMEOUT")
        self.connections = config.number("RATES_WORKER_CONNECTIONS")
        self.parallel_bytes = config.number("RATES_WORKER_PARALLEL_BYTES")


class Outcome:
    """How an attempt ended: a batch's status, or `retry`, or `lost`; seconds by phase; rows that were loaded."""

    def __init__(self, status, phases=None, rows=0):
        self.status = status
        self.phases = phases or {}
        self.rows = rows


def run(connection, job, limits):
    """Answers the Outcome. Errors of the connection, and all that nobody foresaw, are the caller's."""
    cursor = connection.cursor()
    phases, status, details = {}, "failed", {}
    try:
        left = claims.hold(cursor, job)
    except claims.Lost:
        connection.rollback()
        return Outcome("lost")
    clock = Clock(left, limits.timeout)
    # The lock on the batch stays when what comes after is rolled back: nobody else sees it half ended.
    cursor.execute("SAVEPOINT attempt")
    try:
        _check_tries(job, limits)
        clock.limit(cursor)
        if job.bytes >= limits.parallel_bytes:
            rows, phases = load_large(cursor, job, clock, limits.connections)
        else:
            rows, phases = load(cursor, job, clock, Checker(ports(cursor), *session.days()))
        status, details = "loaded", {"rows": rows}
    except Rejected as error:
        status, details = "rejected", {"reason": error.reason, "errors": error.errors, "rows": error.rows}
    except Malformed as error:
        status, details = "rejected", {"reason": str(error)}
    except (DeadlineMissed, GivenUp) as error:
        details = {"reason": str(error)}
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        if connection.closed or not isinstance(error, psycopg2.errors.QueryCanceled):
            raise
        try:
            clock.left()
            status = "retry"
            details = {"reason": "a statement took longer than RATES_WORKER_TIMEOUT allows"}
        except DeadlineMissed as missed:
            details = {"reason": str(missed)}
    except claims.Lost:
        connection.rollback()
        return Outcome("lost")
    if status != "loaded":
        cursor.execute("ROLLBACK TO SAVEPOINT attempt")
        cursor.execute("SET LOCAL statement_timeout = %s", (limits.timeout * 1000,))
        if status == "retry":
            claims.retry(cursor, job, details["reason"])
        else:
            claims.finish(cursor, job, status, **details)
    began = time.monotonic()
    connection.commit()
    phases["commit"] = time.monotonic() - began
    told = {name: details[name] for name in ("rows", "reason") if details.get(name) is not None}
    seconds = {name: round(value, 3) for name, value in phases.items()}
    log.event(f"batch.{status}", batch=job.id, attempt=job.attempt, bytes=job.bytes, phases=seconds, **told)
    return Outcome(status, phases, details.get("rows") or 0)


class GivenUp(Exception):
    """Enough attempts were made."""


def _check_tries(job, limits):
    if job.attempt > limits.tries:
        last = job.last_reason or "the worker or the database vanished each time"
        raise GivenUp(f"given up after {limits.tries} attempts: {last}")


def give_back(job, reason, limits):
    """After an error that took the transaction with it, over a new connection. If that fails too, the lease ends."""
    connection = session.connect()
    try:
        with connection, connection.cursor() as cursor:
            if job.attempt >= limits.tries:
                # Its row is locked until the server has noticed that the old connection is gone.
                claims.hold(cursor, job)
                claims.finish(cursor, job, "failed", reason=f"given up after {limits.tries} attempts: {reason}")
                return Outcome("failed")
            claims.retry(cursor, job, reason)
            return Outcome("retry")
    except claims.Lost:
        return Outcome("lost")
    finally:
        connection.close()
