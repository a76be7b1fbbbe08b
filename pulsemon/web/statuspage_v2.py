"""Public pages in the format of Atlassian Statuspage, version 2, for programs that read that.

A monitor is a component, a group of monitors a component with `group` true. Ids are made of slugs and names, and tell
no number of ours. Incidents are empty lists: nobody writes them yet, and an outage by itself is none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pulsemon.core.shown import Shown
from pulsemon.locale import translator
from pulsemon.public_windows import PublicWindow
from pulsemon.settings import Settings
from pulsemon.status_page import MAIN, PublicMonitor, PublicPage
from pulsemon.web import v2_maintenance
from pulsemon.web.api import instant
from pulsemon.web.feed import page_path
from pulsemon.web.public_answer import MachineRoute, answer_of_page
from pulsemon.web.site import site_of
from pulsemon.web.status import SENTENCES, overall_of

router = APIRouter(route_class=MachineRoute, include_in_schema=False)

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
_INDICATORS = {
    "empty": "none",
    "down": "major",
    "all-down": "critical",
    "blind": "minor",
    "maintenance": "maintenance",
    "late": "none",
    "waiting": "maintenance",
    "up": "none",
}
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def _incidents(_page: PublicPage) -> dict[str, Any]:
    return {"incidents": []}


def _maintenances(page: PublicPage) -> dict[str, Any]:
    return _told(page, page.windows[::-1])


def _upcoming(page: PublicPage) -> dict[str, Any]:
    return _told(page, [each for each in page.windows if each.starts_at > page.at])


def _active(page: PublicPage) -> dict[str, Any]:
    return _told(page, [each for each in page.windows if each.is_running(page.at)])


def _current(page: PublicPage) -> dict[str, Any]:
    return _told(page, [each for each in page.windows if each.ends_at > page.at])


def _told(page: PublicPage, windows: Sequence[PublicWindow]) -> dict[str, Any]:
    known = {each["id"]: each for each in components(page)}
    ids = {each.id: _id("monitor", each.slug) for each in page.monitors}
    told = []
    for window in windows:
        concerned = [ids[each] for each in (ids if window.is_general else window.monitor_ids)]
        told.append(v2_maintenance.tell(window, page, [known[each] for each in concerned], _id("page", page.look.slug)))
    return {"scheduled_maintenances": told}


def _components(page: PublicPage) -> dict[str, Any]:
    return {"components": components(page)}


def _nothing(_page: PublicPage) -> dict[str, Any]:
    return {}


def _summary(page: PublicPage) -> dict[str, Any]:
    return _components(page) | _incidents(page) | _current(page)


# Each document by its name: what it holds beside the page, and whether it holds the status of the whole.
DOCUMENTS: dict[str, tuple[Callable[[PublicPage], dict[str, Any]], bool]] = {
    "summary": (_summary, True),
    "status": (_nothing, True),
    "components": (_components, False),
    "incidents": (_incidents, False),
    "incidents/unresolved": (_incidents, False),
    "scheduled-maintenances": (_maintenances, False),
    "scheduled-maintenances/upcoming": (_upcoming, False),
    "scheduled-maintenances/active": (_active, False),
}


def document(name: str, page: PublicPage, settings: Settings) -> bytes:
    """Return one of DOCUMENTS for *page*."""
    hold, has_status = DOCUMENTS[name]
    told = {"page": _page(page, settings)} | hold(page)
    if has_status:
        overall = overall_of(page)
        sentence = translator(page.look.language or settings.default_locale.value).gettext(SENTENCES[overall])
        told["status"] = {"indicator": _INDICATORS[overall], "description": sentence}
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")


def _page(page: PublicPage, settings: Settings) -> dict[str, Any]:
    changed = [each.since or each.created_at for each in page.monitors]
    return {
        "id": _id("page", page.look.slug),
        "name": page.look.title or settings.public_status_title,
        "url": settings.base_url + page_path(page.look),
        "time_zone": page.look.timezone,
        "updated_at": instant(max(changed, default=_NEVER)),
    }


def components(page: PublicPage) -> list[dict[str, Any]]:
    """Return the page's monitors in its order, each group before its own."""
    told: list[dict[str, Any]] = []
    page_id = _id("page", page.look.slug)
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


def _id(kind: str, name: str) -> str:
    """Return twelve characters, as long as theirs; the same for ever for the same name."""
    return hashlib.sha256(f"{kind}\n{name}".encode("utf-8", "replace")).hexdigest()[:12]


def _declare(name: str) -> None:
    @router.api_route(f"/api/v2/{name}.json", methods=["GET", "HEAD"], name=f"main {name}")
    def of_main(request: Request) -> Response:
        return of_page(request, MAIN)

    @router.api_route(f"/status/{{slug}}/api/v2/{name}.json", methods=["GET", "HEAD"], name=name)
    def of_page(request: Request, slug: str) -> Response:
        settings = site_of(request).settings
        return answer_of_page(
            request, slug, ("v2", name), lambda _, page: document(name, page, settings), media_type=MEDIA_TYPE
        )


for _name in DOCUMENTS:
    _declare(_name)
