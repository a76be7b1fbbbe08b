"""What a monitor's page shows of its past beside availability: its runs with their chart, and the event log.

Reads only. The address names what is shown, so that a link keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from pulsemon.core.status import Signal
from pulsemon.heartbeats.ping_chain import Filter, PingEvent
from pulsemon.input import log_filter
from pulsemon.locale import translator
from pulsemon.monitors import event_log
from pulsemon.monitors.event_log import Kind, LogCursor
from pulsemon.monitors.views import View
from pulsemon.web.html import charts, rendering
from pulsemon.web.html.charts import Chart
from pulsemon.web.html.words import Words
from pulsemon.web.http.site import site_of

# The chart shows so many runs, the list the newest of them.
RUNS_DRAWN = 200
RUNS_LISTED = 20
_TYPED_INSTANT = "%Y-%m-%dT%H:%M"


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
    wanted, problems = log_filter.read_filter(query)
    kind = Kind.PING if wanted.signal else query.get("kind", "")
    kinds = (Kind(kind),) if kind in tuple(Kind) else tuple(Kind)
    start = LogCursor.from_text(query.get("from", ""))
    locale = rendering.locale_of(request)
    words = Words(locale, site_of(request).now())
    address = LogAddress(
        path=f"/monitors/{view.id}",
        kind=kinds[0].value if len(kinds) == 1 else "",
        start="" if start == event_log.NEWEST else start.to_text(),
        typed=_typed(wanted),
    )
    log = event_log.read_log(
        site_of(request).database,
        view.id,
        start=start,
        kinds=kinds,
        wanted=wanted,
        translate=translator(locale).gettext,
    )
    said = {each.field: words.problem(each) for each in problems}
    return {"log": log, "log_address": address, "log_problems": said, "signals": tuple(Signal)}


def _typed(wanted: Filter) -> dict[str, str]:
    texts = {
        "signal": wanted.signal,
        "text": wanted.text,
        "since": _instant(wanted.since),
        "until": _instant(wanted.until),
    }
    return {name: text for name, text in texts.items() if text}


def _instant(instant: datetime | None) -> str:
    return "" if instant is None else instant.strftime(_TYPED_INSTANT)


def run_values(request: Request, view: View) -> dict[str, Any]:
    """Return what `parts/runs.html` shows: the newest runs that ended and their chart; open ones stand in the view."""
    wanted = Filter(ends_run=True)
    ended = event_log.read_pings(site_of(request).database, view.id, wanted=wanted, length=RUNS_DRAWN).events
    return {"runs": ended[:RUNS_LISTED], "chart": _chart(ended, view)}


def _chart(ended: list[PingEvent], view: View) -> Chart | None:
    drawn = [charts.Run(run.at, (run.duration_ms or 0) / 1_000, run.signal == Signal.FAIL) for run in ended]
    return charts.duration_chart(drawn, limit=view.timing.run_limit.total_seconds())
