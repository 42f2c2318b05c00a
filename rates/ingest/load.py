"""One batch, from what was sent to rows that readers see, in one transaction."""

import time

from ingest import body, claims
from ingest.check import ERRORS_LISTED, Errors
from ingest.formats import Bad
from ingest.stage import COLUMNS, stage

PORTS = "SELECT code FROM public.ports"

REPEATED = """
SELECT row, first FROM (
    SELECT row, min(row) OVER (PARTITION BY orig_code, dest_code, day, price) AS first FROM {table}) AS numbered
WHERE row <> first
"""

# Cheaper than the window above, and nearly always the end of it.
ANY_REPEATED = """
SELECT 1 FROM {table} GROUP BY orig_code, dest_code, day, price HAVING count(*) > 1 LIMIT 1
"""

INSERT = "INSERT INTO public.prices (orig_code, dest_code, day, price) SELECT orig_code, dest_code, day, price FROM staging"


class Rejected(Exception):
    """The batch is wrong, and would be at every attempt."""

    def __init__(self, reason, errors=None, rows=None):
        super().__init__(reason)
        self.reason = reason
        self.errors = errors
        self.rows = rows


class Damaged(Exception):
    """What is stored is not what was sent."""


def ports(cursor):
    cursor.execute(PORTS)
    return frozenset(code for (code,) in cursor)


def judge(job, rows, errors):
    """Rejects a batch whose rows or their number are wrong."""
    if errors.count:
        raise Rejected(f"{errors.count} of {rows} rows are wrong", errors, rows)
    if not rows:
        raise Rejected("there are no rows", rows=0)
    if job.rows_expected is not None and job.rows_expected != rows:
        raise Rejected(f"{job.rows_expected} rows were announced, {rows} came", rows=rows)


def judge_content(job, sha256):
    if sha256 != job.sha256:
        raise Damaged(f"the stored content has SHA-256 {sha256}, what was sent had {job.sha256}")


def repeated(cursor, table, rows):
    """Rejects rows that stand twice in a staging table."""
    cursor.execute(ANY_REPEATED.format(table=table))
    if cursor.fetchone() is None:
        return
    query = REPEATED.format(table=table)
    cursor.execute(f"{query} ORDER BY row LIMIT {ERRORS_LISTED}")
    errors = Errors()
    for row, first in cursor.fetchall():
        errors.add(row, Bad(f"the same as row {first}"))
    cursor.execute(f"SELECT count(*) FROM ({query}) AS all_of_them")
    errors.count = cursor.fetchone()[0]
    raise Rejected(f"{errors.count} rows repeat an earlier one; duplicates=keep allows that", errors, rows)


def timed(phases, name, clock, cursor, action):
    """Runs one phase within the time that the batch has, and notes how long it took."""
    clock.limit(cursor)
    began = time.monotonic()
    result = action()
    phases[name] = phases.get(name, 0) + time.monotonic() - began
    return result


def load(cursor, job, clock, checker):
    """Fills the transaction of the cursor, which holds the batch; answers (rows, phases)."""
    clock.limit(cursor)
    cursor.execute(f"CREATE TEMP TABLE staging ({COLUMNS}) ON COMMIT DROP")
    pieces = body.pieces(cursor, job.id, 0, job.parts, job.parts)
    staged = stage(cursor, pieces, job.format, checker, "staging", lambda: clock.limit(cursor))
    judge_content(job, staged.sha256)
    judge(job, staged.rows, staged.errors)
    phases = staged.phases
    if job.duplicates == "reject":
        timed(phases, "check", clock, cursor, lambda: repeated(cursor, "staging", staged.rows))
    timed(phases, "insert", clock, cursor, lambda: cursor.execute(INSERT))
    clock.left()
    claims.finish(cursor, job, "loaded", rows=staged.rows, phases=phases, connections=1)
    return staged.rows, phases
