"""The panel's pages as values and templates: the list, the form, one monitor.

Reads; what changes something stands in `web.panel.monitor_forms`, addresses in `web.panel.routes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pulsemon.availability import track_record
from pulsemon.core import lost_schedules
from pulsemon.core.placement import MAX_TAG_LENGTH
from pulsemon.core.schedule import Clock
from pulsemon.core.shown import WORST_FIRST, Shown
from pulsemon.core.status import BlindWindow
from pulsemon.db import Database
from pulsemon.errors import FieldProblem
from pulsemon.input import monitor_forms
from pulsemon.monitors import event_log
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from pulsemon.status_pages import public as public_pages
from pulsemon.web.html import bars, rendering, schedule_words
from pulsemon.web.html.bars import Bars
from pulsemon.web.html.words import Words
from pulsemon.web.http.site import site_of
from pulsemon.web.panel import connect
from pulsemon.web.panel import log as panel_log
from pulsemon.web.panel.shared import PAGE_SIZE, done_of, form_values

STRIP_DAYS = 30
NEW_MONITOR = {"interval_seconds": "900", "grace_seconds": "180"}


@dataclass(frozen=True, slots=True)
class Line:
    """A monitor in the list: what is shown of it, and since when."""

    view: View
    shown: Shown
    changed_at: datetime | None
    strip: Bars | None = None


def list_values(request: Request) -> dict[str, Any]:
    """Return the list: what `?q=`, `?tag=` and `?state=` leave, worst first, then by name, one page of it."""
    site = site_of(request)
    now = site.now()
    views, _ = monitors.list_all(site.database)
    wanted = request.query_params.get("q", "").strip()[:200]
    state = request.query_params.get("state", "")
    tag = request.query_params.get("tag", "").strip()[:MAX_TAG_LENGTH]
    found = [(view, view.shown(now=now)) for view in views if _matches(view, wanted.casefold(), tag)]
    counts = {kind: sum(shown is kind for _, shown in found) for kind in WORST_FIRST}
    if state in counts:
        found = [(view, shown) for view, shown in found if shown == state]
    else:
        state = ""
    found.sort(key=lambda each: (WORST_FIRST.index(each[1]), each[0].name.casefold(), each[0].id))
    number, last = _page_number(request, len(found))
    part = found[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    ids = [view.id for view, _ in part]
    changed = event_log.changed_at(site.database, ids)
    strips = _strips(request, ids)
    return {
        "lines": [Line(view, shown, changed.get(view.id), strips.get(view.id)) for view, shown in part],
        "counts": counts,
        "monitor_count": len(views),
        "down_count": sum(view.shown(now=now) is Shown.DOWN for view in views),
        "found_count": len(found),
        "q": wanted,
        "state": state,
        "tag": tag,
        "page_number": number,
        "last_page": last,
        "blind": _blind_window(site.database, [shown for _, shown in part]),
        "often_blind_sec": site.readiness.often_blind_sec(),
    }


def _strips(request: Request, monitor_ids: Sequence[int]) -> dict[int, Bars]:
    """Return how the last days of each monitor went."""
    site = site_of(request)
    now, timezone = site.now(), site.settings.availability_timezone
    table = track_record.read_strips(site.database, monitor_ids, count=STRIP_DAYS, timezone=timezone, now=now)
    words = Words(rendering.locale_of(request), now)
    return {each: bars.make(table.days, parts, words, lengths=()) for each, parts in table.parts.items() if parts}


def _matches(view: View, wanted: str, tag: str) -> bool:
    placement = view.placement
    if tag and tag not in placement.tags:
        return False
    texts = (view.name, view.slug, placement.group or "", placement.environment or "", *placement.tags)
    return any(wanted in text.casefold() for text in texts)


def _page_number(request: Request, count: int) -> tuple[int, int]:
    """Return the page that was asked for, if there is such a one, and the last one."""
    last = max(1, -(-count // PAGE_SIZE))
    asked = request.query_params.get("page", "1")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 8 else 1
    return min(max(number, 1), last), last


def _blind_window(database: Database, shown: Sequence[Shown]) -> BlindWindow | None:
    """Return when PulseMon could not see, where a reader needs it to understand the grey."""
    if Shown.BLIND not in shown:
        return None
    window = public_pages.last_blind_window(database)
    return None if window is None else BlindWindow(*window)


def list_page(request: Request) -> Response:
    """Answer with the list; where there is no monitor yet, the form is the page."""
    values = list_values(request)
    if not values["monitor_count"]:
        return form_page(request, is_first=True)
    return rendering.page(request, "panel/list.html", done=done_of(request), **values)


def form_page(
    request: Request,
    *,
    typed: Mapping[str, str] = NEW_MONITOR,
    problems: Sequence[FieldProblem] = (),
    is_first: bool = False,
) -> Response:
    """Answer with the form for a new monitor: as typed, with what is wrong at each field."""
    values = form_values(request, typed, problems) | {"is_first": is_first, "done": done_of(request)}
    return rendering.page(request, "panel/new.html", status_code=422 if problems else 200, **values)


def schedule_values(request: Request) -> dict[str, Any]:
    """Return what the preview of the schedule in the address shows; nothing where there is none yet."""
    typed = request.query_params
    preview = schedule_words.preview(
        typed.get("schedule", ""),
        typed.get("timezone", ""),
        locale=rendering.locale_of(request),
        now=site_of(request).now(),
    )
    return {"preview": preview}


def _cron_of(view: View) -> str | None:
    """Return the schedule as five fields of cron, where it can be said in them."""
    calendar = view.timing.calendar
    return None if calendar is None or calendar.clock is Clock.SYSTEMD else calendar.expression


def head_values(request: Request, view: View) -> dict[str, Any]:
    """Return what the head of a monitor's page shows: its state, since when, and what comes next."""
    site = site_of(request)
    shown = view.shown(now=site.now())
    changed_at = event_log.changed_at(site.database, [view.id]).get(view.id)
    return {
        "line": Line(view, shown, changed_at),
        "view": view,
        "blind": _blind_window(site.database, [shown]),
        "lost": lost_schedules.problem(view.schedule, view.timezone),
    }


def record_values(request: Request, view: View) -> dict[str, Any]:
    """Return what lies below it: availability, outages, runs, and the part of the event log that the address names."""
    site = site_of(request)
    now, timezone = site.now(), site.settings.availability_timezone
    record = track_record.read_record(site.database, view.id, timezone=timezone, now=now)
    words = Words(rendering.locale_of(request), now)
    values = {
        "view": view,
        "record": record,
        "timezone": timezone,
        "bars": bars.make(record.recent.days, record.recent.parts, words),
    }
    return values | panel_log.run_values(request, view) | panel_log.log_values(request, view)


def monitor_page(
    request: Request,
    view: View,
    *,
    typed: Mapping[str, str] | None = None,
    problems: Sequence[FieldProblem] = (),
) -> Response:
    """Answer with one monitor's page; a failed edit comes back with the form open, as typed."""
    url = site_of(request).origin(request) + monitors.ping_path(view.slug, view.token)
    values = head_values(request, view) | record_values(request, view)
    values |= form_values(request, typed or monitor_forms.texts_of(view), problems)
    return rendering.page(
        request,
        "panel/monitor.html",
        status_code=422 if problems else 200,
        ping_url=url,
        connect_lines=connect.lines(url, interval_seconds=view.interval_seconds, cron=_cron_of(view)),
        done=done_of(request),
        **values,
    )
