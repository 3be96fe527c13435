"""What is counted and timed, for Prometheus (GET /metrics)."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MEDIA_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The numbers of one server, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "crossgraph_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "crossgraph_request_seconds",
            "From the request's headers to the end of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.stages = Histogram(
            "crossgraph_stage_seconds",
            "What a stage of a search took.",
            ["stage"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.inside = Gauge("crossgraph_work", "Work that is done or waits.", ["engine"], registry=self._registry)
        self.pictures = Gauge("crossgraph_pictures", "Pictures of the gallery.", registry=self._registry)
        self.ready = Gauge("crossgraph_ready", "1 when model and index are warm.", registry=self._registry)

    def text(self) -> bytes:
        """All of it, in Prometheus' own format."""
        return generate_latest(self._registry)
