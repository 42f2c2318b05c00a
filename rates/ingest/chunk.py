"""One share of a very large batch, loaded by a process of its own: `python -m ingest.chunk TASK`, TASK being JSON."""
# The answer is one JSON object on standard output. The rows go into an unlogged table that no reader knows.

import json
import os
import sys
import threading

from ingest import body, load, session
from ingest.check import Checker
from ingest.formats import Malformed, csv_header
from ingest.stage import COLUMNS, stage


def _end_with_parent():
    """Standard input ends when the worker does, however it ended; then this share is nobody's business any more."""
    sys.stdin.buffer.read()
    os._exit(1)


def _header(cursor, task):
    if task["format"] != "csv" or task["first"] == 0:
        return None
    return csv_header(body.part(cursor, task["batch"], 0).split(b"\n", 1)[0])


def run(task):
    connection = session.connect("rates-worker-chunk")
    with connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = %s", (task["statement_ms"],))
        cursor.execute(f"CREATE UNLOGGED TABLE {task['table']} ({COLUMNS})")
        checker = Checker(load.ports(cursor), *session.days())
        pieces = body.pieces(cursor, task["batch"], task["first"], task["end"], task["parts"])
        staged = stage(cursor, pieces, task["format"], checker, task["table"], header=_header(cursor, task))
    return {"rows": staged.rows, "errors": staged.errors.first, "count": staged.errors.count, "phases": staged.phases}


def main(arguments):
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answer = run(json.loads(arguments[0]))
    except Malformed as error:
        answer = {"malformed": str(error)}
    json.dump(answer, sys.stdout)
    sys.stdout.flush()
    # The thread above still reads; an ordinary end would wait for its lock on standard input.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
