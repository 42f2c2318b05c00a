"""What a worker tells about itself: /metrics for Prometheus, /health for the engine that runs it."""

import contextlib
import http.server
import json
import threading
import time

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest

import config
import database
from ingest.queue_metrics import QueueCollector

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)
# Without a word from the queue for so long, an idle worker is not well.
SILENCE_SECONDS_MAX = 60


class Metrics:
    """Counts what this worker does."""

    def __init__(self, registry=REGISTRY):
        self.registry = registry
        self.batches = Counter("rates_batches", "Attempts by how they ended", ["outcome"], registry=registry)
        self.rows = Counter("rates_batch_rows", "Rows loaded", registry=registry)
        self.bytes = Counter("rates_batch_bytes", "Bytes of loaded batches", registry=registry)
        self.phases = Histogram(
            "rates_batch_phase_seconds", "Time of each phase", ["phase"], buckets=SECONDS, registry=registry
        )
        self.working = Gauge("rates_worker_busy", "1 while a batch is being worked on", registry=registry)
        self.last_alive = time.monotonic()
        self.is_busy = False

    def alive(self):
        self.last_alive = time.monotonic()

    @contextlib.contextmanager
    def busy(self):
        self.is_busy = True
        self.working.set(1)
        try:
            yield
        finally:
            self.is_busy = False
            self.working.set(0)
            self.alive()

    def ended(self, job, outcome, seconds):
        self.batches.labels(outcome.status).inc()
        for name, value in {"queued": job.waited, **outcome.phases, "total": seconds}.items():
            self.phases.labels(name).observe(value)
        if outcome.status == "loaded":
            self.rows.inc(outcome.rows)
            self.bytes.inc(job.bytes)

    def healthy(self):
        return self.is_busy or time.monotonic() - self.last_alive < SILENCE_SECONDS_MAX


def _handler(metrics):
    class Handler(http.server.BaseHTTPRequestHandler):
        # Who connects and says nothing must not keep others out for long.
        timeout = 5

        def do_GET(self):
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
            elif self.path == "/health":
                state = "ok" if metrics.healthy() else "unavailable"
                body = json.dumps({"status": state}).encode() + b"\n"
                self._answer(200 if state == "ok" else 503, "application/json", body)
            else:
                self._answer(404, "text/plain", b"ask /metrics or /health\n")

        def _answer(self, status, kind, body):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *values):
            """Looks at metrics are no events."""

    return Handler


def serve(metrics):
    """Answers on RATES_WORKER_BIND and RATES_WORKER_PORT from a thread of its own; None where no port is set."""
    port = config.number("RATES_WORKER_PORT")
    if not port:
        return None
    arguments = config.connection_arguments("rates-worker-metrics")
    metrics.registry.register(QueueCollector(lambda query: database.fetch(arguments, query)))
    server = http.server.HTTPServer((config.setting("RATES_WORKER_BIND"), port), _handler(metrics))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
