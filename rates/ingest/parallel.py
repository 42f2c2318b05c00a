"""A very large batch: loaded by several processes into tables that no reader sees, made visible by one short step."""
# The rows end up in a table of their own that becomes a child of `prices`: a change of the catalog, which takes
# milliseconds and, unlike attaching a partition, works on PostgreSQL 9.6. All rows get there in one transaction, so
# that readers see all or none of them at every isolation level. Its lock on `prices` lets reads and writes go on.

import hashlib
import time

import psycopg2

from ingest import body, claims, load, log, shares

# The switch waits so long for a lock, then lets others pass before it tries again.
SWITCH_LOCK_MS = 1000
SWITCH_TRIES = 120
SWITCH_PAUSE_SECONDS = 0.25
# For sorting the index of a million rows without a detour over the disk.
INDEX_MEMORY = "256MB"


def child_name(job):
    return f"prices_{job.hex}"


def _verify(cursor, job):
    # Meanwhile the shares are loaded; this reads the whole in order, as its hash needs it.
    digest = hashlib.sha256()
    for number in range(job.parts):
        digest.update(body.part(cursor, job.id, number))
    load.judge_content(job, digest.hexdigest())


def _fill(cursor, job, clock, union, rows, phases):
    """A table like `prices`, with the rows, its index, and its foreign keys checked in one pass."""
    child = f"ingest.{child_name(job)}"

    def step(name, statement):
        load.timed(phases, name, clock, cursor, lambda: cursor.execute(statement))

    cursor.execute("SET LOCAL maintenance_work_mem = %s", (INDEX_MEMORY,))
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
    ranges = shares.cut(job, connections)
    began = time.monotonic()
    processes = shares.start(job, clock, ranges)
    try:
        clock.limit(cursor)
        _verify(cursor, job)
        answers = shares.answers(processes, clock)
    finally:
        shares.end(processes)
    shared = time.monotonic() - began
    errors, rows, phases = shares.together(answers)
    phases["shares"] = shared
    load.judge(job, rows, errors)
    chunks = [f"ingest.{shares.chunk_name(job, number)}" for number in range(len(ranges))]
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
