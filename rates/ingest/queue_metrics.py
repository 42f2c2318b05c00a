"""The state of the queue as metrics, asked from the database whenever somebody looks."""

from prometheus_client.core import GaugeMetricFamily

QUEUE = """
SELECT count(*) FILTER (WHERE status = 'queued'), count(*) FILTER (WHERE status = 'running'),
       coalesce(extract(epoch FROM now() - min(received_at)), 0)::float
FROM ingest.batches WHERE status IN ('queued', 'running')
"""


class QueueCollector:
    """`ask(query)` answers rows, or raises; then only `rates_queue_up 0` is said."""

    def __init__(self, ask):
        self.ask = ask

    def describe(self):
        return []

    def collect(self):
        up = GaugeMetricFamily("rates_queue_up", "Whether the queue could be asked")
        try:
            queued, running, oldest = self.ask(QUEUE)[0]
        except Exception:  # Metrics answer whatever the state of the database is.
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        depth = GaugeMetricFamily("rates_queue_batches", "Batches that have not ended", labels=["status"])
        depth.add_metric(["queued"], queued)
        depth.add_metric(["running"], running)
        yield depth
        age = GaugeMetricFamily("rates_queue_oldest_seconds", "Age of the oldest batch that has not ended")
        age.add_metric([], oldest)
        yield age
