"""The API of who did what: the log, newest first, as JSON or as a table for spreadsheets.

Access stands in `web.http.routing`, errors in `web.api.openapi`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from pulsemon.accounts import audit_log, audit_table
from pulsemon.accounts.audit_log import Entry, Filter
from pulsemon.accounts.roles import Action
from pulsemon.web.api import openapi
from pulsemon.web.http.json_api import HEADERS, LongPaging, instant
from pulsemon.web.http.paging import AskedPart, link
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.whose import PARAMETER, project_of

router = Router(Audience.API, is_described=True)

DEFAULT_LIMIT = 100
# Longer than all that is ever written there.
_MAX_TEXT = 320
_TEXTS, _TIMES = ("actor", "action", "object"), ("since", "until")
_NOT_A_TIME = "This must be a date and a time in UTC, written like 2026-03-02T14:30."
_TOO_LONG = f"This may hold at most {_MAX_TEXT} characters."
_NO_FORMAT = "This must be json or csv."
# Between two parts of a table, so that pings do not wait for one after the other.
_REST_SEC = 0.001


class EntryAnswer(BaseModel):
    """One thing that somebody did, as the API shows it."""

    id: str
    at: AwareDatetime
    actor: str = Field(description="A user's address or a key's name, as it was then; else as `actor_kind`.")
    actor_kind: Literal["user", "key", "admin-token", "machine"] = Field(
        description="`admin-token`: an owner without a name. `machine`: a command of whoever has the machine."
    )
    actor_id: str | None = Field(description="The user's or the key's.")
    action: str = Field(description="What to, a full stop, and what: `monitor.edit`.")
    object: str = Field(description="A slug, an id or an address.")
    project: str | None = Field(description="The slug. Null: it concerns the whole installation, or is gone.")
    before: dict[str, Any] | None = Field(description="What was otherwise before; secrets are `set`.")
    after: dict[str, Any] | None = Field(description="What it is now; secrets are `changed`.")
    remote_addr: str | None
    hash: str = Field(description="Of this entry and the one before it: `pulsemon audit verify` finds a hole.")


EXAMPLE_ENTRY = {
    "id": "17",
    "at": "2026-03-02T03:00:12.480Z",
    "actor": "ana@example.org",
    "actor_kind": "user",
    "actor_id": "5d41402abc4b2a76",
    "action": "monitor.edit",
    "object": "backup-noturno",
    "project": "default",
    "before": {"grace_seconds": 300},
    "after": {"grace_seconds": 3600},
    "remote_addr": "192.0.2.7",
    "hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
}
_TABLE_EXAMPLE = "at,actor,action,object\r\n2026-03-02T03:00:12.480Z,ana@example.org,monitor.edit,backup-noturno\r\n"


def _parameter(name: str, description: str, example: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": {"type": "string"} | schema,
        "example": example,
    }


_PARAMETERS = [
    _parameter("actor", "By name, by id or by kind.", "ana@example.org", maxLength=_MAX_TEXT),
    _parameter("action", "By its whole name, or `monitor` for all to monitors.", "monitor", maxLength=_MAX_TEXT),
    _parameter("object", "What it was done to.", "backup-noturno", maxLength=_MAX_TEXT),
    _parameter("since", "Then or later; without a zone UTC.", "2026-03-01T00:00:00Z", format="date-time"),
    _parameter("until", "Before that; without a zone UTC.", "2026-03-02T00:00:00Z", format="date-time"),
    _parameter("format", "`csv`: all that fit, as a table, whatever `limit` says.", "json", enum=["json", "csv"]),
    *openapi.OF_PROJECT,
    openapi.PAGING[0] | {"description": f"At most so many; {DEFAULT_LIMIT} if left out."},
    openapi.PAGING[1],
]
_LISTED = openapi.answer(200, "Newest first.", [EXAMPLE_ENTRY], openapi.PAGED)
_LISTED[200]["content"]["text/csv"] = {"schema": {"type": "string"}, "example": _TABLE_EXAMPLE}


@router.reads(
    "/api/audit",
    Action.ADMINISTER,
    response_model=list[EntryAnswer],
    tags=["Audit"],
    summary="List who did what",
    operation_id="list_audit",
    responses=_LISTED | openapi.UNAUTHORIZED | openapi.NO_SUCH_PROJECT | openapi.BAD_PAGING | openapi.UNAVAILABLE,
    openapi_extra={"parameters": _PARAMETERS},
)
def list_audit(request: Request, asked: LongPaging) -> Response:
    """Return what was done in a project, or to an owner everything; with `format=csv` as a table for spreadsheets."""
    site, query = site_of(request), request.query_params
    wanted = _read_filter(query, project_id=project_of(request))
    form = query.get("format", "json")
    if form not in ("json", "csv"):
        raise _bad_query("format", _NO_FORMAT, "format")
    if form == "csv":
        return _table(request, site, wanted)
    limit = asked.limit or DEFAULT_LIMIT
    entries, following = audit_log.list_of(site.database, wanted, limit=limit, after=asked.position)
    names = (*_TEXTS, *_TIMES, PARAMETER)
    kept = {name: query[name] for name in names if name in query}
    part = AskedPart(asked.limit, asked.cursor, asked.position)
    headers = link(f"{site.origin(request)}/api/audit", part, following, kept)
    return JSONResponse([entry_answer(entry, _slugs(site)) for entry in entries], headers=HEADERS | headers)


def entry_answer(entry: Entry, slugs: Mapping[int, str]) -> dict[str, Any]:
    """Return an entry as the API shows it. *slugs*: of the projects, by their ids."""
    return {
        "id": str(entry.id),
        "at": instant(entry.at),
        "actor": entry.actor,
        "actor_kind": entry.actor_kind.value,
        "actor_id": entry.actor_id,
        "action": entry.action,
        "object": entry.object,
        "project": None if entry.project_id is None else slugs.get(entry.project_id),
        "before": entry.before,
        "after": entry.after,
        "remote_addr": entry.remote_addr,
        "hash": entry.hash,
    }


def _slugs(site: Site) -> dict[int, str]:
    return {each.id: each.slug for each in site.projects().entries}


def _table(request: Request, site: Site, wanted: Filter) -> Response:
    headers = HEADERS | {"content-disposition": 'attachment; filename="audit.csv"'}
    # A part is read when it is sent: whoever reads slowly holds no snapshot.
    parts = iter(()) if request.method == "HEAD" else _at_leisure(audit_log.in_parts(site.database, wanted))
    lines = (each.encode() for each in audit_table.to_lines(parts, _slugs(site)))
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def _at_leisure(parts: Iterator[list[Entry]]) -> Iterator[list[Entry]]:
    for part in parts:
        yield part
        time.sleep(_REST_SEC)  # in a thread


def _read_filter(query: Mapping[str, str], *, project_id: int | None) -> Filter:
    """Return what an address asks for. Raises RequestValidationError, which does not repeat it."""
    texts: dict[str, str | None] = {name: query.get(name) or None for name in _TEXTS}
    for name, text in texts.items():
        if text is not None and len(text) > _MAX_TEXT:
            raise _bad_query(name, _TOO_LONG, "too-long")
    since, until = (_time(name, query.get(name)) for name in _TIMES)
    return Filter(project_id, **texts, since=since, until=until)


def _time(name: str, text: str | None) -> datetime | None:
    """Read ISO 8601 of whatever year; what names no zone is UTC."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _bad_query(name, _NOT_A_TIME, "instant") from None


def _bad_query(name: str, message: str, rule: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("query", name), "msg": message, "type": rule}])
