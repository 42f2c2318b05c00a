"""Records what the real tool does: one JSON line per task and host, and the numbers at the end."""
from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: trace
type: notification
short_description: trace of a run
description: One JSON line per task and host.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "trace"
    CALLBACK_NEEDS_ENABLED = True

    def _line(self, **fields):
        path = os.environ.get("CONF_EVENTS")
        if path:
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(fields, default=str) + "\n")

    def _task(self, result, status):
        task = result._task
        self._line(e="task", host=result._host.get_name(), name=task.get_name(), action=task.action, status=status,
                   changed=bool(result._result.get("changed")))

    def v2_runner_on_ok(self, result):
        self._task(result, "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._task(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_skipped(self, result):
        self._task(result, "skipped")

    def v2_runner_on_unreachable(self, result):
        self._task(result, "unreachable")

    def v2_playbook_on_stats(self, stats):
        self._line(e="stats", hosts={host: stats.summarize(host) for host in sorted(stats.processed)})
