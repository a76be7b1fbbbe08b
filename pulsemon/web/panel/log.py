"""What a monitor's page shows of its past beside availability: its runs with their chart, and the event log.

Reads only. The address names what is shown, so that a link keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from pulsemon.accounts.roles import Action
from pulsemon.core.days import zone_of
from pulsemon.core.schedule import zone_names
from pulsemon.core.status import Signal
from pulsemon.heartbeats.ping_chain import Filter, PingEvent
from pulsemon.input import log_filter
from pulsemon.locale import translator
from pulsemon.monitors import event_log
from pulsemon.monitors.event_log import Kind, LogCursor
from pulsemon.monitors.views import View
from pulsemon.web.html import charts, rendering
from pulsemon.web.html.charts import Chart
from pulsemon.web.html.wall_clock import field_in
from pulsemon.web.html.words import Words
from pulsemon.web.http import whose
from pulsemon.web.http.site import site_of

# The chart shows so many runs, the list the newest of them.
RUNS_DRAWN = 200
RUNS_LISTED = 20
# What an overview shows of them.
NEWEST_RUNS = 5
# What an address names of a log: the kind of its events, where its part begins, and the filters.
FIELDS = frozenset({"kind", "from", *log_filter.FIELDS})


@dataclass(frozen=True, slots=True)
class LogAddress:
    """Which part of the log an address asks for. `typed`: the filters that are not empty, as texts of the form."""

    path: str
    kind: str = ""
    start: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)

    def link(self, kind: str, start: str = "") -> str:
        """Return the address of another kind or page with the same filters. Only pings have signals."""
        kept = {"kind": kind, **self.typed, "from": start}
        if kind != Kind.PING:
            kept.pop("signal", None)
        query = urlencode({name: text for name, text in kept.items() if text})
        return f"{self.path}?{query}#log" if query else f"{self.path}#log"

    @property
    def fields(self) -> dict[str, str]:
        """Return the whole of it as the fields of an address."""
        kept = {"kind": self.kind, **self.typed, "from": self.start}
        return {name: text for name, text in kept.items() if text}


def log_values(request: Request, view: View) -> dict[str, Any]:
    """Return what `parts/record.html` shows of the event log: the part that the address names.

    What is wrong in the address is said and filters nothing.
    """
    query = request.query_params
    zone = query.get("zone", "") if query.get("zone") in zone_names() else rendering.zone_of(request)
    wanted, problems = log_filter.read_filter(query, zone=zone_of(zone))
    kind = Kind.PING if wanted.signal else query.get("kind", "")
    kinds = (Kind(kind),) if kind in tuple(Kind) else tuple(Kind)
    start = LogCursor.from_text(query.get("from", ""))
    locale = rendering.locale_of(request)
    words = Words(locale, site_of(request).now())
    address = LogAddress(
        path=f"/monitors/{view.id}/log",
        kind=kinds[0].value if len(kinds) == 1 else "",
        start="" if start == event_log.NEWEST else start.to_text(),
        typed=_typed(wanted, zone),
    )
    sees_secrets = whose.may(request, Action.SEE_SECRETS, view.project_id)
    log = event_log.read_log(
        site_of(request).database,
        view.id,
        start=start,
        kinds=kinds,
        wanted=wanted,
        translate=translator(locale).gettext,
        with_excerpts=sees_secrets,
    )
    said = {each.field: words.problem(each) for each in problems}
    return {
        "view": view,
        "log": log,
        "log_address": address,
        "log_problems": said,
        "log_zone": zone,
        # Then what waits behind a message that failed does not arrive either.
        "is_stuck": view.id in site_of(request).undelivered(view.project_id).by_monitor,
        "signals": tuple(Signal),
    }


def _typed(wanted: Filter, zone: str) -> dict[str, str]:
    has_times = wanted.since is not None or wanted.until is not None
    texts = {
        "signal": wanted.signal,
        "text": wanted.text,
        "since": "" if wanted.since is None else field_in(wanted.since, zone),
        "until": "" if wanted.until is None else field_in(wanted.until, zone),
        "zone": zone if has_times else "",
    }
    return {name: text for name, text in texts.items() if text}


def run_values(request: Request, view: View) -> dict[str, Any]:
    """Return what `parts/runs.html` shows: the newest runs that ended and their chart; open ones stand in the view."""
    ended = _ended(request, view, RUNS_DRAWN)
    return _runs(view, ended[:RUNS_LISTED]) | {"chart": _chart(ended, view)}


def newest_runs(request: Request, view: View) -> dict[str, Any]:
    """Return what an overview shows of the runs."""
    return _runs(view, _ended(request, view, NEWEST_RUNS))


def _ended(request: Request, view: View, count: int) -> list[PingEvent]:
    wanted = Filter(ends_run=True)
    return event_log.read_pings(site_of(request).database, view.id, wanted=wanted, length=count).events


def _runs(view: View, ended: list[PingEvent]) -> dict[str, Any]:
    return {"view": view, "runs": ended, "run_limit": view.timing.run_limit.total_seconds()}


def _chart(ended: list[PingEvent], view: View) -> Chart | None:
    drawn = [charts.Run(run.at, (run.duration_ms or 0) / 1_000, run.signal == Signal.FAIL) for run in ended]
    return charts.duration_chart(drawn, limit=view.timing.run_limit.total_seconds())
