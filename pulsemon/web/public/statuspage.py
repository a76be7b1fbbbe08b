"""Public pages in the format of Atlassian Statuspage, version 2, for programs that read that.

A monitor is a component, a group of monitors a component with `group` true. Ids are made of slugs and names, and tell
no number of ours. An outage by itself is no incident.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pulsemon.accounts.roles import Action
from pulsemon.core.addresses import MAIN, incident_path, page_path
from pulsemon.core.incidents import Impact, IncidentStatus
from pulsemon.core.overall import Overall, severity
from pulsemon.core.shown import Shown
from pulsemon.incidents.rows import Incident, Update
from pulsemon.locale import translator
from pulsemon.maintenance.public import PublicWindow
from pulsemon.settings import Settings
from pulsemon.status_pages.public import PublicMonitor, PublicPage
from pulsemon.web.html.words import Words
from pulsemon.web.http.json_api import instant
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.public import incidents as public_incidents
from pulsemon.web.public.answers import MachineRoute, answer_of_page
from pulsemon.web.public.board import board_of
from pulsemon.web.public.headlines import SENTENCES, headline_of, overall_of

router = Router(Audience.PROGRAMS, route_class=MachineRoute)

MEDIA_TYPE = "application/json"
# The format knows no "unknown": what is not watched is no outage, and what cannot be seen is not all right.
_STATUSES = {
    Shown.UP: "operational",
    Shown.LATE: "operational",
    Shown.DOWN: "major_outage",
    Shown.BLIND: "degraded_performance",
    Shown.PAUSED: "under_maintenance",
    Shown.WAITING: "under_maintenance",
    Shown.MAINTENANCE: "under_maintenance",
}
# Of a group: the first that one of its monitors has. A part of it that is down makes it partial.
_WORST_FIRST = ("major_outage", "degraded_performance", "operational", "under_maintenance")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a document is made of; `archive`: incidents, those that are long over too."""

    page: PublicPage
    archive: Sequence[Incident]
    settings: Settings

    @property
    def locale(self) -> str:
        return self.page.definition.language or self.settings.default_locale.value


def _incidents(told: _Told) -> dict[str, Any]:
    return _list(told, told.archive)


def _unresolved(told: _Told) -> dict[str, Any]:
    return _list(told, told.page.open_incidents)


def _list(told: _Told, incidents: Sequence[Incident]) -> dict[str, Any]:
    by_id = {each["id"]: each for each in components(told.page)} if incidents else {}
    known = {each.id: by_id[_id("monitor", each.slug)] for each in told.page.monitors} if incidents else {}
    return {"incidents": [_incident(each, told, known) for each in incidents]}


def _maintenances(told: _Told) -> dict[str, Any]:
    """What is running or coming next goes before what comes later, and that before what is over."""
    windows, at = told.page.windows, told.page.at
    over = [each for each in reversed(windows) if each.ends_at <= at]
    first = [*(each for each in windows if each.ends_at > at), *over][: public_incidents.ARCHIVE_COUNT]
    ids = {each.id for each in first}
    return _windows(told.page, [each for each in reversed(windows) if each.id in ids])


def _upcoming(told: _Told) -> dict[str, Any]:
    return _windows(told.page, [each for each in told.page.windows if each.starts_at > told.page.at])


def _active(told: _Told) -> dict[str, Any]:
    return _windows(told.page, [each for each in told.page.windows if each.is_running(told.page.at)])


def _current(told: _Told) -> dict[str, Any]:
    return _windows(told.page, [each for each in told.page.windows if each.ends_at > told.page.at])


def _windows(page: PublicPage, windows: Sequence[PublicWindow]) -> dict[str, Any]:
    known = {each["id"]: each for each in components(page)} if windows else {}
    ids = {each.id: _id("monitor", each.slug) for each in page.monitors}
    told = []
    for window in windows:
        concerned = [ids[each] for each in (ids if window.is_general else window.monitor_ids)]
        told.append(_window(window, page, [known[each] for each in concerned]))
    return {"scheduled_maintenances": told}


def _components(told: _Told) -> dict[str, Any]:
    return {"components": components(told.page)}


def _nothing(_told: _Told) -> dict[str, Any]:
    return {}


def _summary(told: _Told) -> dict[str, Any]:
    return _components(told) | _unresolved(told) | _current(told)


# Each document by its name: what it holds beside the page, and whether it holds the status of the whole.
DOCUMENTS: dict[str, tuple[Callable[[_Told], dict[str, Any]], bool]] = {
    "summary": (_summary, True),
    "status": (_nothing, True),
    "components": (_components, False),
    "incidents": (_incidents, False),
    "incidents/unresolved": (_unresolved, False),
    "scheduled-maintenances": (_maintenances, False),
    "scheduled-maintenances/upcoming": (_upcoming, False),
    "scheduled-maintenances/active": (_active, False),
}


def document(name: str, page: PublicPage, settings: Settings, *, archive: Sequence[Incident] = ()) -> bytes:
    """Return one of DOCUMENTS for *page*; *archive*: its incidents, those that are long over too."""
    hold, has_status = DOCUMENTS[name]
    of = _Told(page, archive, settings)
    told = {"page": _page(page, settings)} | hold(of)
    if has_status:
        sentence = translator(of.locale).gettext(SENTENCES[headline_of(page)])
        told["status"] = {"indicator": _indicator(page), "description": sentence}
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")


def _indicator(page: PublicPage) -> str:
    overall = overall_of(page)
    worst = severity(overall, public_incidents.impact_of(page))
    is_calm = overall in (Overall.MAINTENANCE, Overall.WAITING) and worst is Impact.NONE
    return "maintenance" if is_calm else worst.value


def _page(page: PublicPage, settings: Settings) -> dict[str, Any]:
    changed = [each.since or each.created_at for each in page.monitors]
    changed += [each.told_at for each in page.incidents]
    return {
        "id": _id("page", page.definition.slug),
        "name": page.definition.title or settings.public_status_title,
        "url": settings.base_url + page_path(page.definition.slug),
        "time_zone": page.definition.timezone,
        "updated_at": instant(max(changed, default=_NEVER)),
    }


def components(page: PublicPage) -> list[dict[str, Any]]:
    """Return the page's monitors in its order, each group before its own."""
    told: list[dict[str, Any]] = []
    page_id = _id("page", page.definition.slug)
    for group, monitors in page.groups:
        group_id = None if group is None else _id("group", group)
        if group is not None:
            told.append(_group(group, monitors) | {"id": group_id})
        told += [_component(each) | {"group_id": group_id} for each in monitors]
    return [each | {"position": number, "page_id": page_id} for number, each in enumerate(told, 1)]


def _component(monitor: PublicMonitor) -> dict[str, Any]:
    made, changed = monitor.created_at, monitor.since or monitor.created_at
    return {"id": _id("monitor", monitor.slug), **_common(monitor.name, _STATUSES[monitor.shown], made, changed)}


def _group(name: str, monitors: Sequence[PublicMonitor]) -> dict[str, Any]:
    statuses = {_STATUSES[each.shown] for each in monitors}
    worst = next(each for each in _WORST_FIRST if each in statuses)
    if worst == "major_outage" and len(statuses) > 1:
        worst = "partial_outage"
    made = min(each.created_at for each in monitors)
    changed = max(each.since or each.created_at for each in monitors)
    members = [_id("monitor", each.slug) for each in monitors]
    return _common(name, worst, made, changed) | {"group": True, "group_id": None, "components": members}


def _common(name: str, status: str, made: datetime, changed: datetime) -> dict[str, Any]:
    return {
        "name": name,
        "status": status,
        "created_at": instant(made),
        "updated_at": instant(changed),
        "description": None,
        "showcase": False,
        "start_date": None,
        "group": False,
        "only_show_if_degraded": False,
    }


def _incident(incident: Incident, told: _Told, known: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """Source: https://metastatuspage.com/api#incidents."""
    page, words = told.page, Words(told.locale, told.page.at)
    concerned = [known[each.id] for each in incident.monitors if each.id in known]
    first_watched = [each.posted_at for each in incident.updates if each.status is IncidentStatus.MONITORING][-1:]
    return {
        "id": incident.public_id,
        "name": words.incident(incident),
        "status": incident.status.value,
        "impact": incident.impact.value,
        "created_at": instant(incident.created_at),
        "updated_at": instant(incident.told_at),
        "monitoring_at": instant(first_watched[0]) if first_watched else None,
        "resolved_at": instant(incident.resolved_at),
        "started_at": instant(incident.started_at),
        "shortlink": told.settings.base_url + incident_path(page.definition.slug, incident.public_id),
        "page_id": _id("page", page.definition.slug),
        "incident_updates": [_update(each, incident, concerned, words) for each in incident.updates],
        "components": concerned,
    }


def _update(update: Update, incident: Incident, concerned: Sequence[dict[str, Any]], words: Words) -> dict[str, Any]:
    posted_at = instant(update.posted_at)
    return {
        "id": _id("update", f"{incident.public_id} {update.number}"),
        "status": update.status.value,
        "body": words.said(update),
        "incident_id": incident.public_id,
        "created_at": posted_at,
        "updated_at": posted_at,
        "display_at": posted_at,
        # What they were at the time is not kept.
        "affected_components": [{"code": each["id"], "name": each["name"]} for each in concerned],
    }


def _window(window: PublicWindow, page: PublicPage, concerned: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one window of maintenance of a page, as a scheduled maintenance of the components that are *concerned*."""
    has_begun, is_over = window.starts_at <= page.at, window.ends_at <= page.at
    status = "completed" if is_over else "in_progress" if has_begun else "scheduled"
    created, updated = instant(window.created_at), instant(window.updated_at)
    update = {
        "id": f"{window.id}-1",
        "incident_id": window.id,
        "status": "scheduled",
        "body": window.description or "",
        "created_at": created,
        "updated_at": updated,
        "display_at": created,
        "affected_components": None,
    }
    return {
        "id": window.id,
        "page_id": _id("page", page.definition.slug),
        "name": window.title,
        "status": status,
        "impact": "maintenance",
        "created_at": created,
        "updated_at": updated,
        "monitoring_at": None,
        "started_at": instant(window.starts_at) if has_begun else None,
        "resolved_at": instant(window.ends_at) if is_over else None,
        "scheduled_for": instant(window.starts_at),
        "scheduled_until": instant(window.ends_at),
        "shortlink": None,
        "incident_updates": [update],
        "components": list(concerned),
    }


def _id(kind: str, name: str) -> str:
    """Return twelve characters, as long as theirs; the same for ever for the same name."""
    return hashlib.sha256(f"{kind}\n{name}".encode("utf-8", "replace")).hexdigest()[:12]


def _declare(name: str) -> None:
    @router.reads(f"/api/v2/{name}.json", Action.PUBLIC, name=f"main {name}")
    def of_main(request: Request) -> Response:
        return of_page(request, MAIN)

    @router.reads(f"/status/{{slug}}/api/v2/{name}.json", Action.PUBLIC, name=name)
    def of_page(request: Request, slug: str) -> Response:
        settings, kept = site_of(request).settings, board_of(request).incidents

        def make(page: PublicPage) -> bytes:
            return document(name, page, settings, archive=kept.archive_of(page) if name == "incidents" else ())

        return answer_of_page(request, slug, ("v2", name), make, media_type=MEDIA_TYPE)


for _name in DOCUMENTS:
    _declare(_name)
