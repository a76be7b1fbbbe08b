"""The panel's account of who did what: newest first, in parts, filtered by what the address says, and as a table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pulsemon.accounts import audit_log, audit_table
from pulsemon.accounts.audit_log import Entry, Filter
from pulsemon.accounts.roles import Action
from pulsemon.core.keyset import LARGEST_LONG_ID
from pulsemon.core.schedule import zone_names
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem
from pulsemon.input.rules import read_instant
from pulsemon.web.html import audit_words, rendering
from pulsemon.web.html.words import Words
from pulsemon.web.http.principals import principal_of
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.whose import the_project_of
from pulsemon.web.panel.shared import Problems

router = Router(Audience.PANEL)

PAGE_SIZE = 100
_TEXTS, _TIMES = ("actor", "action", "object"), ("since", "until")
# Longer than all that is ever written there.
_MAX_TEXT = 320
_NOT_A_TIME = N_("This must be a date and a time, such as 2026-03-02T14:30.")
# Between two parts of a table, so that pings do not wait for one after the other.
_REST_SEC = 0.001


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for. `typed`: its filters as texts of the form; `problems`: what is wrong in them."""

    wanted: Filter
    typed: Mapping[str, str]
    problems: tuple[FieldProblem, ...]
    shows_all: bool
    zone: str


@router.get("/audit", Action.ADMINISTER)
def list_entries(request: Request) -> Response:
    """Answer with what was done in the project, or to an owner everywhere. What makes no sense filters nothing."""
    site, asked = site_of(request), _read(request)
    words, said = Words(rendering.locale_of(request), site.now()), Problems()
    for each in asked.problems:
        said.setdefault(each.field, words.problem(each))
    before = _position(request.query_params.get("before", ""))
    entries, following = audit_log.list_of(site.database, asked.wanted, limit=PAGE_SIZE, after=before)
    return rendering.page(
        request,
        "panel/audit.html",
        entries=entries,
        before=before,
        following=following,
        typed=asked.typed,
        problems=said,
        zone=asked.zone,
        shows_all=asked.shows_all,
        has_several=site.projects().has_several,
        kinds=[(code, words.translate(each)) for code, each in audit_words.KIND_WORDS.items()],
        link=_links(request, asked),
        action_in_words=lambda action: audit_words.action_in_words(words, action),
        actor_in_words=lambda actor: audit_words.actor_in_words(words, actor),
        changes_of=lambda entry: audit_words.changes_of(words, entry.before, entry.after),
        title_of=lambda entry: audit_words.title_of(entry.action, entry.before, entry.after),
        project_of=_project_names(site),
    )


@router.get("/audit.csv", Action.ADMINISTER)
def table(request: Request) -> Response:
    """Answer with all that fits, as a table for spreadsheets."""
    site, asked = site_of(request), _read(request)
    headers = {"content-disposition": 'attachment; filename="audit.csv"', "cache-control": "no-store"}
    slugs = {each.id: each.slug for each in site.projects().entries}
    # A part is read when it is sent: whoever reads slowly holds no snapshot.
    lines = audit_table.to_lines(_at_leisure(audit_log.in_parts(site.database, asked.wanted)), slugs)
    return StreamingResponse((each.encode() for each in lines), media_type="text/csv; charset=utf-8", headers=headers)


def _at_leisure(parts: Iterator[list[Entry]]) -> Iterator[list[Entry]]:
    for part in parts:
        yield part
        time.sleep(_REST_SEC)  # in a thread


def _read(request: Request) -> Asked:
    site, query = site_of(request), request.query_params
    is_owner, has_several = principal_of(request).is_owner, site.projects().has_several
    shows_all = is_owner and (not has_several or query.get("all") == "yes")
    zone = query.get("zone", "") if query.get("zone") in zone_names() else rendering.zone_of(request)
    typed = {name: query.get(name, "").strip()[:_MAX_TEXT] for name in (*_TEXTS, *_TIMES)}
    times = {name: _time(typed[name], zone) for name in _TIMES}
    wrong = tuple(FieldProblem(name, "instant", _NOT_A_TIME) for name in _TIMES if typed[name] and times[name] is None)
    actor, action, about = (typed[name] or None for name in _TEXTS)
    wanted = Filter(
        None if shows_all else the_project_of(request), actor, action, about, since=times["since"], until=times["until"]
    )
    has_times = any(typed[name] for name in _TIMES)
    kept = {name: text for name, text in typed.items() if text} | ({"zone": zone} if has_times else {})
    return Asked(wanted, kept, wrong, shows_all, zone)


def _time(text: str, zone: str) -> datetime | None:
    return read_instant(text, zone) if text else None


def _position(text: str) -> int | None:
    is_one = text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST_LONG_ID
    return int(text) if is_one else None


def _links(request: Request, asked: Asked) -> Any:
    """Return what makes addresses of this log with other filters; `path`: of the page, or of the table."""
    whole = {"all": "yes"} if asked.shows_all and site_of(request).projects().has_several else {}
    here = {} if whole else _project_in(request)

    def link(path: str = "/audit", **changes: str) -> str:
        """Return the address with *changes*; what is empty is left out."""
        query = urlencode({name: text for name, text in ({**here, **whole, **asked.typed} | changes).items() if text})
        return f"{path}?{query}" if query else path

    return link


def _project_in(request: Request) -> dict[str, str]:
    known = site_of(request).projects()
    project = known.of_id(the_project_of(request))
    return {"project": project.slug} if known.has_several and project else {}


def _project_names(site: Site) -> Any:
    known = site.projects()

    def name_of(entry: Entry) -> str:
        """Return the name of the project that an entry is of; "" where it is of none, or of one that is gone."""
        project = None if entry.project_id is None else known.of_id(entry.project_id)
        return project.name if project else ""

    return name_of
