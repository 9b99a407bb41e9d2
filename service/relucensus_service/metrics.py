"""Figures for Prometheus: of this process, and of the database at the moment when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from relucensus_service.store import RunnerBeat, Store

_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 60, 120)
_FORGOTTEN_AFTER: Final = 3600.0  # seconds for which a silent runner is shown
_OF_RUNNERS: Final = {
    "slices": "Settlements committed since the runner started",
    "regions": "Regions in them; its rate is the speed of the service",
    "failures": "Pieces of work that failed, or whose worker died",
    "taken_over": "Jobs taken over from a runner whose lease had expired",
}


class Metrics:
    """One registry for one application."""

    def __init__(self, store: Store) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_OfTheStore(store))
        self._requests = Counter(
            "relucensus_http_requests",
            "Requests answered",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "relucensus_http_request_seconds",
            "Time to the end of the answer, waiting that was asked for included",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )

    def served(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. Addresses that do not exist are one route, so that strangers cannot make up names."""
        self._requests.labels(method if route else "", route or "none", str(status)).inc()
        self._seconds.labels(route or "none").observe(seconds)

    def text(self) -> bytes:
        """All figures in the text format of Prometheus."""
        return generate_latest(self._registry)


class _OfTheStore(Collector):
    """Asks the database when it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[Metric]:
        """Nothing: otherwise registering would ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The figures now."""
        census = self._store.figures.census()
        jobs = GaugeMetricFamily("relucensus_jobs", "Jobs by state", labels=["state"])
        for state, number in census.jobs.items():
            jobs.add_metric([state.value], number)
        yield jobs
        yield GaugeMetricFamily(
            "relucensus_queue_age_seconds", "Seconds since the oldest queued job came", census.queue_age
        )
        yield GaugeMetricFamily("relucensus_open_cubes", "Open cubes of all jobs that are not done", census.open_cubes)
        yield from _of_runners(self._store.leases.beats(_FORGOTTEN_AFTER))


def _of_runners(beats: list[RunnerBeat]) -> Iterator[Metric]:
    workers = GaugeMetricFamily("relucensus_runner_workers", "Workers of each runner", labels=["runner"])
    silent = GaugeMetricFamily(
        "relucensus_runner_silent_seconds", "Seconds since the runner was heard of", labels=["runner"]
    )
    for beat in beats:
        workers.add_metric([beat.name], beat.workers)
        silent.add_metric([beat.name], beat.silent)
    yield workers
    yield silent
    for name, description in _OF_RUNNERS.items():
        figure = CounterMetricFamily(f"relucensus_runner_{name}", description, labels=["runner"])
        for beat in beats:
            figure.add_metric([beat.name], getattr(beat.figures, name))
        yield figure
