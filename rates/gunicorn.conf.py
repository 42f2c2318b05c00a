"""How gunicorn serves wsgi.py: threads, and a stop that lets running requests finish."""
# gunicorn reads this file by its name; the environment overrides the numbers.

import os
import tempfile

# Threads instead of the default sync worker: that one drops requests it has accepted but not begun when told to stop.
worker_class = "gthread"
workers = int(os.environ.get("RATES_WORKERS") or 2)
threads = int(os.environ.get("RATES_THREADS") or 4)
# The container's stop time must be longer than this, or it is cut short.
graceful_timeout = int(os.environ.get("RATES_GRACEFUL_TIMEOUT") or 30)
# The heartbeat file of a worker must not wait for a disk.
worker_tmp_dir = "/dev/shm"
accesslog = "-"

# One folder in memory where all processes count, so that /metrics tells of all of them whichever answers.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="rates-metrics-", dir="/dev/shm")
    _made = os.environ["PROMETHEUS_MULTIPROC_DIR"]


def child_exit(server, worker):
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    import shutil

    if "_made" in globals():
        shutil.rmtree(_made, ignore_errors=True)
