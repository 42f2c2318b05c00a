"""A very large batch: loaded by several processes into tables that no reader sees, made visible by one short step."""
# The rows end up in a table of their own that becomes a child of `prices`: a change of the catalog, which takes
# milliseconds and, unlike attaching a partition, works on PostgreSQL 9.6. All rows get there in one transaction, so
# that readers see all or none of them at every isolation level. Its lock on `prices` lets reads and writes go on.

import hashlib
import json
import pathlib
import subprocess
import sys
import time

import psycopg2

from ingest import body, claims, load, log
from ingest.check import ERRORS_LISTED, Errors
from ingest.formats import BY_LINE, Malformed

# The switch waits so long for a lock, then lets others pass before it tries again.
SWITCH_LOCK_MS = 1000
SWITCH_TRIES = 120
SWITCH_PAUSE_SECONDS = 0.25
WATCH_SECONDS = 0.05
# Where `python -m ingest…` finds itself.
FOLDER = pathlib.Path(__file__).parent.parent


class ShareFailed(Exception):
    """A process that loaded a share of the batch ended without an answer."""


def shares(job, connections):
    """The parts of the body, cut into at most so many ranges `(first, end)`."""
    count = max(1, min(connections, job.parts)) if job.format in BY_LINE else 1
    cuts = [job.parts * n // count for n in range(count + 1)]
    return list(zip(cuts, cuts[1:]))


def child_name(job):
    return f"prices_{job.hex}"


def chunk_name(job, number):
    return f"chunk_{job.hex}_{job.attempt}_{number}"


def _start(job, clock, ranges):
    processes = []
    for number, (first, end) in enumerate(ranges):
        task = {
            "batch": job.id, "format": job.format, "first": first, "end": end, "parts": job.parts,
            "table": f"ingest.{chunk_name(job, number)}", "statement_ms": max(1, int(clock.statement() * 1000)),
        }
        command = [sys.executable, "-m", "ingest.chunk", json.dumps(task)]
        # A session of its own: a signal to the worker's group is for the worker, which finishes its batch.
        processes.append(subprocess.Popen(
            command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        ))
    return processes


def _answers(processes, clock):
    waiting = list(processes)
    while waiting:
        clock.left()
        time.sleep(WATCH_SECONDS)
        waiting = [process for process in waiting if process.poll() is None]
        failed = next((process for process in processes if process.returncode not in (None, 0)), None)
        if failed is not None:
            raise ShareFailed(f"a process that loaded a share ended with {failed.returncode}")
    return [json.loads(process.stdout.read()) for process in processes]


def _end(processes):
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _verify(cursor, job):
    # Meanwhile the shares are loaded; this reads the whole in order, as its hash needs it.
    digest = hashlib.sha256()
    for number in range(job.parts):
        digest.update(body.part(cursor, job.id, number))
    load.judge_content(job, digest.hexdigest())


def _together(answers):
    """The shares' answers as one: rows are numbered through, phases take as long as the slowest."""
    errors, rows, phases = Errors(), 0, {}
    for answer in answers:
        if "malformed" in answer:
            raise Malformed(answer["malformed"])
        for entry in answer["errors"][: ERRORS_LISTED - len(errors.first)]:
            errors.first.append({**entry, "row": entry["row"] + rows})
        errors.count += answer["count"]
        rows += answer["rows"]
        for name, seconds in answer["phases"].items():
            phases[name] = max(seconds, phases.get(name, 0))
    return errors, rows, phases


def _fill(cursor, job, clock, union, rows, phases):
    """A table like `prices`, with the rows, its index, and its foreign keys checked in one pass."""
    child = f"ingest.{child_name(job)}"

    def step(name, statement):
        load.timed(phases, name, clock, cursor, lambda: cursor.execute(statement))

    step("insert", f"CREATE TABLE {child} (LIKE public.prices INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    step("insert", f"INSERT INTO {child} (orig_code, dest_code, day, price)"
                   f" SELECT orig_code, dest_code, day, price FROM ({union}) AS shares")
    if job.duplicates == "reject":
        # The index of the query, and the check for repeated rows, in one pass.
        cursor.execute("SAVEPOINT unique_rows")
        try:
            step("index", f"CREATE UNIQUE INDEX ON {child} (orig_code, dest_code, day, price)")
        except psycopg2.errors.UniqueViolation:
            cursor.execute("ROLLBACK TO SAVEPOINT unique_rows")
            load.repeated(cursor, f"({union}) AS shares", rows)
            raise
    else:
        step("index", f"CREATE INDEX ON {child} (orig_code, dest_code, day)")
    for column in ("orig_code", "dest_code"):
        step("check", f"ALTER TABLE {child} ADD FOREIGN KEY ({column}) REFERENCES public.ports (code)")
    step("index", f"ANALYZE {child}")
    return child


def _switch(cursor, clock, child):
    """Makes the table a child of `prices`. Who waits for a lock holds up those behind, so it is tried in short bites."""
    for attempt in range(1, SWITCH_TRIES + 1):
        clock.limit(cursor)
        cursor.execute("SAVEPOINT switch")
        cursor.execute("SET LOCAL lock_timeout = %s", (SWITCH_LOCK_MS,))
        try:
            cursor.execute(f"ALTER TABLE {child} INHERIT public.prices")
            return
        except psycopg2.errors.LockNotAvailable:
            cursor.execute("ROLLBACK TO SAVEPOINT switch")
            if attempt == SWITCH_TRIES:
                raise
            log.event("switch.wait", table=child, attempt=attempt)
            time.sleep(SWITCH_PAUSE_SECONDS)


def load_large(cursor, job, clock, connections):
    """Fills the transaction of the cursor, which holds the batch; answers (rows, phases)."""
    ranges = shares(job, connections)
    began = time.monotonic()
    processes = _start(job, clock, ranges)
    try:
        clock.limit(cursor)
        _verify(cursor, job)
        answers = _answers(processes, clock)
    finally:
        _end(processes)
    shared = time.monotonic() - began
    errors, rows, phases = _together(answers)
    phases["shares"] = shared
    load.judge(job, rows, errors)
    chunks = [f"ingest.{chunk_name(job, number)}" for number in range(len(ranges))]
    offsets = [sum(answer["rows"] for answer in answers[:number]) for number in range(len(ranges))]
    union = " UNION ALL ".join(
        f"SELECT row + {offset} AS row, orig_code, dest_code, day, price FROM {chunk}"
        for chunk, offset in zip(chunks, offsets)
    )
    child = _fill(cursor, job, clock, union, rows, phases)
    cursor.execute("DROP TABLE " + ", ".join(chunks))
    load.timed(phases, "switch", clock, cursor, lambda: _switch(cursor, clock, child))
    clock.left()
    claims.finish(
        cursor, job, "loaded", rows=rows, phases=phases, connections=len(ranges), child=child_name(job)
    )
    return rows, phases
