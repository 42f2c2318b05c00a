"""How gunicorn serves wsgi.py: threads, and a stop that lets running requests finish."""
# gunicorn reads this file by its name; the environment overrides the numbers.

import os

# Threads instead of the default sync worker: that one drops requests it has accepted but not begun when told to stop.
worker_class = "gthread"
workers = int(os.environ.get("RATES_WORKERS") or 2)
threads = int(os.environ.get("RATES_THREADS") or 4)
# The container's stop time must be longer than this, or it is cut short.
graceful_timeout = int(os.environ.get("RATES_GRACEFUL_TIMEOUT") or 30)
# The heartbeat file of a worker must not wait for a disk.
worker_tmp_dir = "/dev/shm"
accesslog = "-"
