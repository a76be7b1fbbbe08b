"""One monitor's page: its head, and its sections, each at an address of its own and reading only what it shows.

Reads; what changes something stands in `monitor_forms`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.availability import track_record
from pulsemon.core import lost_schedules
from pulsemon.core.hosts import is_loopback
from pulsemon.errors import FieldProblem
from pulsemon.monitors import event_log
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.causes import read_causes
from pulsemon.monitors.views import View
from pulsemon.web.html import bars, rendering
from pulsemon.web.html.words import Words
from pulsemon.web.http import whose
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import host_of, site_of
from pulsemon.web.http.whose import About
from pulsemon.web.panel import connect, log, shared
from pulsemon.web.panel.monitor_list import Line, blind_window

router = Router(Audience.PANEL, about=About.MONITOR)


class Section(StrEnum):
    """What a monitor's page shows below its head."""

    OVERVIEW = "overview"
    RUNS = "runs"
    LOG = "log"
    CONNECT = "connect"
    SETTINGS = "settings"


# These show the ping URL, or the webhook's URL and its secret.
_SECRET = frozenset({Section.OVERVIEW, Section.CONNECT, Section.SETTINGS})


@router.get("/monitors/{monitor_id:id}", Action.READ)
def overview(request: Request, monitor_id: int) -> Response:
    """Answer with a monitor's overview; what once named a part of the log here leads there."""
    asked = {name: text for name, text in request.query_params.items() if name in log.FIELDS}
    if asked:
        kept = dict(request.query_params)
        return RedirectResponse(f"/monitors/{monitor_id}/log?{urlencode(kept)}", status_code=303)
    return _section(request, monitor_id, Section.OVERVIEW, overview_values)


@router.get("/monitors/{monitor_id:id}/runs", Action.READ)
def runs(request: Request, monitor_id: int) -> Response:
    """Answer with its runs and how long they took."""
    return _section(request, monitor_id, Section.RUNS, log.run_values)


@router.get("/monitors/{monitor_id:id}/log", Action.READ)
def event_log_section(request: Request, monitor_id: int) -> Response:
    """Answer with the part of its event log that the address names."""
    return _section(request, monitor_id, Section.LOG, log.log_values)


@router.get("/monitors/{monitor_id:id}/connect", Action.SEE_SECRETS)
def connect_section(request: Request, monitor_id: int) -> Response:
    """Answer with its ping URL and the lines that call it."""
    return _section(request, monitor_id, Section.CONNECT, connect_values)


@router.get("/monitors/{monitor_id:id}/settings", Action.EDIT)
def settings(request: Request, monitor_id: int) -> Response:
    """Answer with its settings, to be edited."""
    return settings_page(request, shared.find(site_of(request), monitor_id))


def settings_page(
    request: Request,
    view: View,
    *,
    typed: Mapping[str, str] | None = None,
    problems: Sequence[FieldProblem] = (),
) -> Response:
    """Answer with a monitor's settings; a failed edit comes back as typed, with what is wrong at each field."""
    values = shared.settings_values(request, view, typed, problems)
    return _page(request, view, Section.SETTINGS, values, status_code=shared.status_of(problems))


@router.get("/fragments/monitors/{monitor_id:id}/head", Action.READ)
def head_fragment(request: Request, monitor_id: int) -> Response:
    """Answer with the top of a monitor's page, as `?here=`, one of its sections, shows it."""
    view = shared.find(site_of(request), monitor_id)
    asked = request.query_params.get("here", "")
    here = Section(asked) if asked in tuple(Section) else Section.OVERVIEW
    return rendering.page(request, "parts/head.html", **head_values(request, view, here))


@router.get("/fragments/monitors/{monitor_id:id}/overview", Action.READ)
def overview_fragment(request: Request, monitor_id: int) -> Response:
    """Answer with what the overview shows below the state."""
    view = shared.find(site_of(request), monitor_id)
    return rendering.page(request, "parts/overview.html", **overview_values(request, view))


@router.get("/fragments/monitors/{monitor_id:id}/runs", Action.READ)
def runs_fragment(request: Request, monitor_id: int) -> Response:
    """Answer with the runs."""
    view = shared.find(site_of(request), monitor_id)
    return rendering.page(request, "parts/runs.html", **log.run_values(request, view))


@router.get("/fragments/monitors/{monitor_id:id}/log", Action.READ)
def log_fragment(request: Request, monitor_id: int) -> Response:
    """Answer with the part of the event log that the address names."""
    view = shared.find(site_of(request), monitor_id)
    return rendering.page(request, "parts/log.html", **log.log_values(request, view))


_Values = Callable[[Request, View], dict[str, Any]]


def _section(request: Request, monitor_id: int, here: Section, values_of: _Values) -> Response:
    view = shared.find(site_of(request), monitor_id)
    return _page(request, view, here, values_of(request, view))


def _page(
    request: Request, view: View, here: Section, values: Mapping[str, Any], *, status_code: int = 200
) -> Response:
    return rendering.page(
        request,
        "panel/monitor.html",
        status_code=status_code,
        holds_secret=here in _SECRET,
        done=shared.done_of(request),
        **head_values(request, view, here) | dict(values),
    )


def head_values(request: Request, view: View, here: Section) -> dict[str, Any]:
    """Return what the top of the page shows: state, since when and why, what comes next, and what is wrong."""
    site = site_of(request)
    shown = view.shown(now=site.now())
    changed_at = event_log.changed_at(site.database, [view.id]).get(view.id)
    return {
        "here": here.value,
        "line": Line(view, shown, changed_at),
        "view": view,
        "down": read_causes(site.database, [view]).get(view.id),
        "undelivered": site.undelivered(view.project_id).by_monitor.get(view.id),
        "blind": blind_window(site.database, [shown]),
        "lost": lost_schedules.problem(view.schedule, view.timezone),
    }


def _ping_url(request: Request, view: View) -> str | None:
    """Return the ping URL, None for whoever may not see it."""
    if not whose.may(request, Action.SEE_SECRETS, view.project_id):
        return None
    return site_of(request).origin(request) + monitors.ping_path(view.slug, view.token)


def overview_values(request: Request, view: View) -> dict[str, Any]:
    """Return what the overview shows below the state: availability, outages and the newest runs."""
    site = site_of(request)
    now, timezone = site.now(), site.settings.availability_timezone
    record = track_record.read_record(site.database, view.id, timezone=timezone, now=now)
    words = Words(rendering.locale_of(request), now)
    return {
        "view": view,
        "record": record,
        "timezone": timezone,
        "ping_url": _ping_url(request, view),
        "bars": bars.make(record.recent.days, record.recent.parts, words),
        **log.newest_runs(request, view),
    }


def connect_values(request: Request, view: View) -> dict[str, Any]:
    """Return what *Connect* shows: the ping URL, the ready lines, and whether other machines can use them at all."""
    site, url = site_of(request), _ping_url(request, view)
    if url is None:
        return {"ping_url": None}
    return {
        "ping_url": url,
        "connect_lines": connect.lines(url, interval_seconds=view.interval_seconds, calendar=view.timing.calendar),
        "is_only_here": not site.settings.base_url and is_loopback(host_of(request)),
    }
