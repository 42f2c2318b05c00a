"""Counts the API's requests, over all processes of the server, and answers /metrics."""

import os
import time

from flask import Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

import config
import database
from ingest.queue_metrics import QueueCollector

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# The server's settings file gives its processes a folder to count in together.
SHARED = "PROMETHEUS_MULTIPROC_DIR"

REQUESTS = Counter("rates_requests", "Requests", ["route", "method", "status"])
ERRORS = Counter("rates_request_errors", "Requests answered with 5xx", ["route"])
LATENCY = Histogram("rates_request_seconds", "Time to answer", ["route"], buckets=SECONDS)
METHODS = {"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"}


def _registry():
    registry = CollectorRegistry()
    if SHARED in os.environ:
        multiprocess.MultiProcessCollector(registry)
    else:
        for metric in (REQUESTS, ERRORS, LATENCY):
            registry.register(metric)
    return registry


def install(app):
    """Counts every request of the application, whatever answers it, and adds /metrics."""
    arguments = config.connection_arguments()
    queue = QueueCollector(lambda query: database.fetch(arguments, query))

    @app.before_request
    def begin():
        g.began = time.monotonic()

    @app.after_request
    def count(response):
        # Routes, not paths, and known methods: whoever asks must not be able to make up new labels.
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(route, method, str(response.status_code)).inc()
        if response.status_code >= 500:
            ERRORS.labels(route).inc()
        if "began" in g:
            LATENCY.labels(route).observe(time.monotonic() - g.began)
        return response

    @app.get("/metrics")
    def metrics():
        registry = _registry()
        registry.register(queue)
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
