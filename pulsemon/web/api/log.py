"""The API's view of what a monitor's job sent: its pings, what they brought, and its runs.

Reads only. Access stands in `web.http.routing`, bodies in `web.http.json_api`, errors in `web.api.openapi`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core.keyset import LARGEST_LONG_ID
from pulsemon.core.open_runs import Run
from pulsemon.core.status import Signal
from pulsemon.heartbeats.ping_chain import Filter, PingEvent, Stop
from pulsemon.input import log_filter
from pulsemon.input.rules import id_in
from pulsemon.monitors import event_log
from pulsemon.monitors import manage as monitors
from pulsemon.web.api import openapi
from pulsemon.web.http.json_api import HEADERS, LongPaging, instant
from pulsemon.web.http.paging import AskedPart, link
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import About

router = Router(Audience.API, about=About.MONITOR, is_described=True)

DEFAULT_LIMIT = 100

SignalName = Literal["success", "start", "fail", "log"]


class PingAnswer(BaseModel):
    """One ping, without what it brought."""

    number: int = Field(description="Counts the monitor's pings from 1.")
    received_at: AwareDatetime
    signal: SignalName = Field(description="As the monitor's rules read it.")
    exit_status: int | None
    outcome: str = Field(
        description="counted, repeat, prefetch, preview, method or unmatched; only counted moves anything."
    )
    flag: str | None = Field(
        description="early: sooner after the last one than `min_gap_seconds`. test: sent by hand from the panel."
    )
    method: str
    rid: str | None
    remote_addr: str | None
    user_agent: str | None
    duration_ms: int | None = Field(description="How long the run took that it ended; null: it ended none.")
    body_length: int = Field(description="Bytes that were kept of its body.")
    body_charset: str | None = Field(
        description="What its body is read in, where that was declared. Null: by its byte order mark, else as UTF-8, "
        "each byte that is none as Windows-1252."
    )


class RunAnswer(BaseModel):
    """One run, from a start to the success or failure that ended it."""

    state: Literal["open", "overdue", "success", "fail"] = Field(
        description="Overdue: open past its limit. Else what ended it."
    )
    rid: str | None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = Field(description="Null while it is open.")
    due_at: AwareDatetime | None = Field(description="When it has to end; null: it did.")
    duration_ms: int | None
    exit_status: int | None
    number: int | None = Field(description="Of the ping that ended it; its body is the run's output.")
    body_length: int | None


_RID = "123e4567-e89b-42d3-a456-426614174000"
EXAMPLE_PING = {
    "number": 2,
    "received_at": "2026-03-02T03:00:12.480Z",
    "signal": "success",
    "exit_status": 0,
    "outcome": "counted",
    "flag": None,
    "method": "POST",
    "rid": _RID,
    "remote_addr": "192.0.2.7",
    "user_agent": "pulsemon-run/1.0.0",
    "duration_ms": 12310,
    "body_length": 1742,
    "body_charset": None,
}
EXAMPLE_OPEN_RUN = {
    "state": "open",
    "rid": None,
    "started_at": "2026-03-02T15:00:00.170Z",
    "ended_at": None,
    "due_at": "2026-03-02T16:00:00.170Z",
    "duration_ms": None,
    "exit_status": None,
    "number": None,
    "body_length": None,
}
EXAMPLE_RUN = {
    "state": "success",
    "rid": _RID,
    "started_at": "2026-03-02T03:00:00.170Z",
    "ended_at": "2026-03-02T03:00:12.480Z",
    "due_at": None,
    "duration_ms": 12310,
    "exit_status": 0,
    "number": 2,
    "body_length": 1742,
}


def _parameter(name: str, description: str, schema: dict[str, Any], example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
        "example": example,
    }


_LIMIT = openapi.PAGING[0] | {"description": f"At most so many; {DEFAULT_LIMIT} if left out."}
_TEXT = {"type": "string", "maxLength": log_filter.MAX_TEXT}
_TIME = {"type": "string", "format": "date-time"}
_FILTERS = [
    _parameter("signal", "Only these.", {"type": "string", "enum": [each.value for each in Signal]}, "fail"),
    _parameter(
        "text", "Found in body, rid, address or user agent, upper case like lower case.", _TEXT, "No space left"
    ),
    _parameter("since", "Received then or later; without a zone UTC.", _TIME, "2026-03-01T00:00:00Z"),
    _parameter("until", "Received before that; without a zone UTC.", _TIME, "2026-03-02T00:00:00Z"),
]
_ONE = openapi.UNAUTHORIZED | openapi.NOT_FOUND | openapi.UNAVAILABLE
_BODY: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes as they came, as far as they were kept.",
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "example": "copied 4711 files",
            }
        },
    }
}


@router.reads(
    "/api/monitors/{slug}/pings",
    Action.READ,
    response_model=list[PingAnswer],
    tags=["History"],
    summary="List a monitor's pings",
    operation_id="list_pings",
    responses=openapi.answer(200, "Newest first.", [EXAMPLE_PING], openapi.PAGED) | _ONE | openapi.BAD_PAGING,
    openapi_extra={"parameters": [*_FILTERS, _LIMIT, openapi.PAGING[1]]},
)
def list_pings(request: Request, slug: str, asked: LongPaging) -> Response:
    """Return the newest pings that are stored and fit.

    One request looks at a thousand pings at most. So a page may hold fewer than `limit`, even none, and still have
    a next one: follow the `Link` header until there is none.
    """
    wanted = _read_filter(request)
    view = monitors.get(site_of(request).database, monitors.by_slug(slug))
    found, stop = _pings(request, view.id, wanted, asked)
    kept = {name: text for name, text in request.query_params.items() if name in log_filter.FIELDS}
    return _list(request, f"{quote(slug, safe='')}/pings", map(_ping_answer, found), asked, stop, kept)


@router.reads(
    "/api/monitors/{slug}/pings/{number}/body",
    Action.READ,
    response_class=Response,
    tags=["History"],
    summary="Download what a ping brought",
    operation_id="read_ping_body",
    responses=_BODY
    | openapi.UNAUTHORIZED
    | openapi.error(404, "There is no such monitor or ping, or it brought nothing.", event_log.NO_BODY)
    | openapi.UNAVAILABLE,
)
def read_ping_body(request: Request, slug: str, number: str) -> Response:
    """Return the body of one ping, by its number, as a file: whatever it holds, no browser shows it as a page."""
    database = site_of(request).database
    view = monitors.get(database, monitors.by_slug(slug))
    body = event_log.body_of_number(database, view.id, id_in(number, otherwise=event_log.NO_BODY))
    headers = HEADERS | {
        "content-disposition": f'attachment; filename="ping-{int(number)}.txt"',
        "x-content-type-options": "nosniff",
    }
    return Response(body, media_type="application/octet-stream", headers=headers)


@router.reads(
    "/api/monitors/{slug}/runs",
    Action.READ,
    response_model=list[RunAnswer],
    tags=["History"],
    summary="List a monitor's runs",
    operation_id="list_runs",
    responses=openapi.answer(
        200, "Those that are open, then those that ended; newest first.", [EXAMPLE_OPEN_RUN, EXAMPLE_RUN], openapi.PAGED
    )
    | _ONE
    | openapi.BAD_PAGING,
    openapi_extra={"parameters": [_LIMIT, openapi.PAGING[1]]},
)
def list_runs(request: Request, slug: str, asked: LongPaging) -> Response:
    """Return the runs whose start was seen. `limit` counts those that ended; the open ones stand on the first page.

    As with pings, a page may hold fewer than `limit` and still have a next one.
    """
    view = monitors.get(site_of(request).database, monitors.by_slug(slug))
    ended, stop = _pings(request, view.id, Filter(ends_run=True), asked)
    is_open = () if asked.cursor is not None else view.open_runs[::-1]
    content = [*map(_open_run_answer, is_open), *map(_ended_run_answer, ended)]
    return _list(request, f"{quote(slug, safe='')}/runs", content, asked, stop)


def _read_filter(request: Request) -> Filter:
    """Raises RequestValidationError, which names every parameter that is wrong."""
    wanted, problems = log_filter.read_filter(request.query_params)
    if problems:
        raise RequestValidationError(
            [{"loc": ("query", each.field), "msg": each.message, "type": each.code} for each in problems]
        )
    return wanted


def _pings(request: Request, monitor_id: int, wanted: Filter, asked: AskedPart) -> tuple[list[PingEvent], Stop | None]:
    part = event_log.read_pings(
        site_of(request).database,
        monitor_id,
        wanted=wanted,
        length=asked.limit or DEFAULT_LIMIT,
        start=LARGEST_LONG_ID if asked.position is None else asked.position,
    )
    return part.events, part.stop


def _list(
    request: Request,
    path: str,
    content: Iterable[dict[str, Any]],
    asked: AskedPart,
    stop: Stop | None,
    kept: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a list and, where it goes on, the address of its next part, which asks for what was *kept*."""
    following = None if stop is None else stop.next_id
    address = f"{site_of(request).origin(request)}/api/monitors/{path}"
    return JSONResponse(list(content), headers=HEADERS | link(address, asked, following, kept))


def _ping_answer(ping: PingEvent) -> dict[str, Any]:
    return {
        "number": ping.number,
        "received_at": instant(ping.at),
        "signal": ping.signal,
        "exit_status": ping.exit_status,
        "outcome": ping.outcome,
        "flag": ping.flag,
        "method": ping.method,
        "rid": ping.rid,
        "remote_addr": ping.remote_addr,
        "user_agent": ping.user_agent,
        "duration_ms": ping.duration_ms,
        "body_length": ping.body_length,
        "body_charset": ping.charset,
    }


def _open_run_answer(run: Run) -> dict[str, Any]:
    return {
        "state": "overdue" if run.is_overdue else "open",
        "rid": run.rid or None,
        "started_at": instant(run.started_at),
        "ended_at": None,
        "due_at": instant(run.due_at),
        "duration_ms": None,
        "exit_status": None,
        "number": None,
        "body_length": None,
    }


def _ended_run_answer(run: PingEvent) -> dict[str, Any]:
    return {
        "state": run.signal,
        "rid": run.rid,
        "started_at": instant(run.started_at),
        "ended_at": instant(run.at),
        "due_at": None,
        "duration_ms": run.duration_ms,
        "exit_status": run.exit_status,
        "number": run.number,
        "body_length": run.body_length,
    }
