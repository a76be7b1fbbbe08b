"""Which metrics there are: the name, the kind and the help of each, made of what somebody else read.

Who may see which is said where they are asked for (`web.api.health`); docs/operations.md says what to read from each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from pulsemon import __version__
from pulsemon.core.shown import Shown
from pulsemon.db import Database
from pulsemon.heartbeats.group_commit import Counts
from pulsemon.messages.outbox import Backlog
from pulsemon.monitors import census
from pulsemon.operations.exposition import Encode, Samples, in_parts
from pulsemon.redaction import redact

# The numbers that Uptime Kuma gave them, so that dashboards made for it go on working.
_STATUS_NUMBER = {
    Shown.UP: 1,
    Shown.LATE: 1,
    Shown.DOWN: 0,
    Shown.WAITING: 2,
    Shown.BLIND: 2,
    Shown.PAUSED: 3,
    Shown.MAINTENANCE: 3,
}
_STATUS_HELP = "Status of a monitor: 1 up or late, 0 down, 2 waiting or not known, 3 paused or under maintenance"
_INSTANTS = (
    ("last_ping", "pulsemon_monitor_last_ping_timestamp_seconds", "When a monitor's last ping arrived"),
    ("due_at", "pulsemon_monitor_due_timestamp_seconds", "When a monitor is down if nothing arrives"),
)
_MONITOR_LABELS = ("monitor_name", "monitor_slug", "monitor_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What one process counts by itself. It goes on counting meanwhile."""

    pings: Counts
    expired_count: int
    attempts: Mapping[str, int]  # by outcome
    clock_ahead_sec: float
    stream_count: int
    connection_count: int
    refused_connections: Mapping[str, int]  # by bound
    blind_sec: float


def of_version() -> Metric:
    """Return the metric of the running version."""
    return InfoMetricFamily("pulsemon", "The running version", {"version": __version__})


def of_readiness(*, is_ready: bool) -> Metric:
    """Return the metric of what `/ready` answers."""
    return _gauge("pulsemon_ready", "1 while pings can be stored and deadlines are watched", is_ready)


def of_warnings(count: int) -> Metric:
    """Return the metric of what `/ready` tells the owner besides."""
    return _gauge("pulsemon_warnings", "How many things are amiss that do not make /ready 503", count)


def of_database(*, is_up: bool) -> Metric:
    """Return the metric of whether the database answers."""
    return _gauge("pulsemon_database_up", "1 while the database answers", is_up)


def of_process(process: Process) -> Iterator[Metric]:
    """Yield the metrics of one process; none of them asks the database."""
    pings = process.pings
    answers = {"stored": pings.stored, "unknown": pings.unknown, "unavailable": pings.unavailable}
    yield _counter_by("answer", "pulsemon_pings_total", "Pings answered, by answer", answers)
    yield _counter("pulsemon_ping_batches_total", "Transactions that stored pings", pings.batches)
    yield _counter("pulsemon_ping_transitions_total", "Transitions made by pings", pings.transitions)
    yield _counter("pulsemon_expired_total", "Transitions made by silence", process.expired_count)
    attempts = dict(sorted(process.attempts.items()))
    yield _counter_by("outcome", "pulsemon_delivery_attempts_total", "Attempts to deliver", attempts)
    text = "How far this machine's clock is ahead of the database's, by which PulseMon goes"
    yield _gauge("pulsemon_clock_ahead_seconds", text, process.clock_ahead_sec)
    yield _gauge("pulsemon_panel_streams", "Open panels", process.stream_count)
    yield _gauge("pulsemon_connections", "Open connections", process.connection_count)
    refused = process.refused_connections
    yield _counter_by("bound", "pulsemon_connections_refused_total", "Connections closed unread", refused)
    yield _gauge("pulsemon_blind_seconds", "Blind within the last ten minutes", process.blind_sec)


def of_states(counts: Mapping[Shown, int]) -> Metric:
    """Return the metric of how many monitors are shown in each state."""
    by_state = GaugeMetricFamily("pulsemon_monitors", "Monitors, by the state that is shown", labels=("state",))
    for state, count in counts.items():
        by_state.add_metric((state.value,), count)
    return by_state


def of_backlog(backlog: Backlog, *, now: datetime) -> Iterator[Metric]:
    """Yield the metrics of what is owed."""
    oldest_at = backlog.oldest_created_at
    age_sec = 0.0 if oldest_at is None else max(0.0, (now - oldest_at).total_seconds())
    yield _gauge("pulsemon_deliveries_pending", "Messages owed to receivers", backlog.pending_count)
    yield _gauge("pulsemon_deliveries_held", "Messages that maintenance holds back", backlog.held_count)
    yield _gauge("pulsemon_oldest_delivery_age_seconds", "Age of the oldest message that is still owed", age_sec)


def of_monitors(database: Database, encode: Encode, *, now: datetime, project_id: int | None = None) -> Iterator[bytes]:
    """Yield the text of what there is of each monitor, by its name and slug; memory does not grow with them.

    Of those of a project; None: of all.

    Each family stands together, as the format wants it, so the monitors are read once for each.
    """
    status = GaugeMetricFamily("monitor_status", _STATUS_HELP, labels=_MONITOR_LABELS)
    numbers = (_numbered(part) for part in census.states(database, now=now, project_id=project_id))
    yield from in_parts(encode, status, numbers, "push")
    labels = _MONITOR_LABELS[:2]
    pings = CounterMetricFamily("pulsemon_monitor_pings_total", "Pings of a monitor", labels=labels)
    yield from in_parts(encode, pings, census.values(database, "ping_count", project_id=project_id))
    for column, name, text in _INSTANTS:
        instants = (_timestamps(part) for part in census.values(database, column, project_id=project_id))
        yield from in_parts(encode, GaugeMetricFamily(name, text, labels=labels), instants)


def _numbered(part: Iterable[tuple[str, str, Shown]]) -> Samples:
    return [(name, slug, _STATUS_NUMBER[state]) for name, slug, state in part]


def _timestamps(part: Iterable[tuple[str, str, datetime]]) -> Samples:
    return [(name, slug, moment.timestamp()) for name, slug, moment in part]


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _counter_by(label: str, name: str, text: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for each, value in values.items():
        family.add_metric((redact(each),), value)
    return family
