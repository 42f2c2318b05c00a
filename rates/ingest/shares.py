"""The shares of a very large batch: cut between lines, each loaded by a process of its own, their answers put together."""

import json
import pathlib
import subprocess
import sys
import time

from ingest.check import ERRORS_LISTED, Errors
from ingest.formats import BY_LINE, Malformed

WATCH_SECONDS = 0.05
# Where `python -m ingest…` finds itself.
FOLDER = pathlib.Path(__file__).parent.parent


class ShareFailed(Exception):
    """A process that loaded a share of the batch ended without an answer."""


def cut(job, connections):
    """The parts of the body, cut into at most so many ranges `(first, end)`."""
    count = max(1, min(connections, job.parts)) if job.format in BY_LINE else 1
    cuts = [job.parts * n // count for n in range(count + 1)]
    return list(zip(cuts, cuts[1:]))


def chunk_name(job, number):
    return f"chunk_{job.hex}_{job.attempt}_{number}"


def start(job, clock, ranges):
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


def answers(processes, clock):
    waiting = list(processes)
    while waiting:
        clock.left()
        time.sleep(WATCH_SECONDS)
        waiting = [process for process in waiting if process.poll() is None]
        failed = next((process for process in processes if process.returncode not in (None, 0)), None)
        if failed is not None:
            raise ShareFailed(f"a process that loaded a share ended with {failed.returncode}")
    return [json.loads(process.stdout.read()) for process in processes]


def end(processes):
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def together(answers):
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
