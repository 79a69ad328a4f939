# SPDX-License-Identifier: Apache-2.0
"""Which numbers does the operator show to machines? Labels are namespace and target, never a migration's name."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily

from backstitch.model.record import Record
from backstitch.model.states import RESTING, State

_WHERE = ("namespace", "target")
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)


class Metrics:
    """All of the operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._outcomes = Counter(
            "backstitch_outcomes", "Migrations that came to rest, by state.", (*_WHERE, "state"), registry=self.registry
        )
        self._stages = Histogram(
            "backstitch_stage_seconds",
            "How long a migration was in a stage.",
            (*_WHERE, "stage"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._backup_bytes = Counter(
            "backstitch_backup_bytes", "Bytes of proven backups.", _WHERE, registry=self.registry
        )
        self._backup_seconds = Histogram(
            "backstitch_backup_seconds",
            "Time to take and prove a backup.",
            _WHERE,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._lock_wait = Counter(
            "backstitch_lock_wait_seconds", "Time spent waiting for locks.", _WHERE, registry=self.registry
        )
        self._last_success = Gauge(
            "backstitch_last_success_timestamp_seconds",
            "When a migration last succeeded.",
            _WHERE,
            registry=self.registry,
        )
        self._errors = Counter(
            "backstitch_reconcile_errors", "Passes that ended with an error.", ("reason",), registry=self.registry
        )
        self.running = Gauge("backstitch_running", "Migrations that the engine runs now.", registry=self.registry)
        self._drifted = Gauge(
            "backstitch_target_drifted",
            "1 where a schema is not as its last migration left it.",
            _WHERE,
            registry=self.registry,
        )
        self.leading = Gauge("backstitch_leading", "1 where this operator leads, 0 on standby.", registry=self.registry)
        self._states = _States()
        self.registry.register(self._states)

    def page(self) -> bytes:
        """Give the page for Prometheus."""
        return generate_latest(self.registry)

    def came_to_rest(self, namespace: str, target: str, record: Record, finished_at: float) -> None:
        """Count what one run has done, once, when it has come to a resting state."""
        self._outcomes.labels(namespace, target, record.state).inc()
        waited = sum(step.lock_waited_ms for step in record.steps)
        if waited:
            self._lock_wait.labels(namespace, target).inc(waited / 1000)
        if record.backup is not None and record.backup.proven:
            self._backup_bytes.labels(namespace, target).inc(record.backup.bytes)
            self._backup_seconds.labels(namespace, target).observe(record.backup.duration_ms / 1000)
        if record.state is State.SUCCEEDED:
            self._last_success.labels(namespace, target).set(finished_at)

    def drifted(self, namespace: str, target: str, *, is_there: bool) -> None:
        """Note whether a target's schema is as its last migration left it."""
        self._drifted.labels(namespace, target).set(int(is_there))

    def stage(self, namespace: str, target: str, stage: State, seconds: float) -> None:
        """Note how long a migration was in one stage."""
        self._stages.labels(namespace, target, stage).observe(seconds)

    def error(self, reason: str) -> None:
        """Count a pass that ended with an error; reasons are class constants, so there are few."""
        self._errors.labels(reason).inc()

    def watch_states(self, states: Callable[[], Iterable[tuple[str, str, State]]]) -> None:
        """Say where (namespace, target, state) of all known migrations can be read; read at each scrape."""
        self._states.source = states


class _States:
    """The gauges that count objects, computed when somebody asks."""

    def __init__(self) -> None:
        self.source: Callable[[], Iterable[tuple[str, str, State]]] = tuple

    def collect(self) -> Iterator[GaugeMetricFamily]:
        counts = Count(self.source())
        by_state = GaugeMetricFamily("backstitch_migrations", "Migrations by state.", labels=(*_WHERE, "state"))
        unfinished = GaugeMetricFamily("backstitch_unfinished", "Migrations not at rest.", labels=_WHERE)
        open_: Count[tuple[str, str]] = Count()
        for (namespace, target, state), number in sorted(counts.items()):
            by_state.add_metric((namespace, target, state), number)
            open_[namespace, target] += number if state not in RESTING else 0
        for labels, number in sorted(open_.items()):
            unfinished.add_metric(labels, number)
        yield by_state
        yield unfinished
