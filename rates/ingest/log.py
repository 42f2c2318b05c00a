"""Log lines as JSON objects on standard error, one event a line."""

import datetime
import json
import sys


def event(name, /, **fields):
    """Writes one event. Fields are plain values; secrets are none of them."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    line = json.dumps({"time": now, "event": name, **fields}, default=str)
    # One write, so that lines of several threads do not mix.
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
