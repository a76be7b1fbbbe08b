"""The API's account of a monitor's past: availability with coverage, outages, and the corrections of both.

Access stands in `web.http.routing`, bodies in `web.http.json_api`, errors in `web.api.openapi`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.availability import corrections, track_record
from pulsemon.availability.corrections import MAX_REASON_LENGTH, Corrected
from pulsemon.availability.track_record import PERIODS, Outage
from pulsemon.core.notes import describe
from pulsemon.core.schedule import MESSAGES, zone_names
from pulsemon.core.uptime import Availability
from pulsemon.errors import REFUSALS
from pulsemon.input import corrections as correction_fields
from pulsemon.input.rules import id_in
from pulsemon.monitors import manage as monitors
from pulsemon.web.api import openapi
from pulsemon.web.http.json_api import HEADERS, Body, Paging, instant
from pulsemon.web.http.paging import MAX_LIMIT, link
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import About

router = Router(Audience.API, about=About.MONITOR, is_described=True)

_DAYS = "This must be 1, 7, 30, 90 or 365."


class SecondsAnswer(BaseModel):
    """How the time of a period was spent. The parts add up to the period, to the microsecond."""

    up: float
    down: float
    paused: float
    maintenance: float
    excluded: float = Field(description="By a correction.")
    unknown: float = Field(description="No ping yet, not created yet, or PulseMon was blind.")


class SpentAnswer(BaseModel):
    """How a monitor did in a period."""

    since: AwareDatetime
    until: AwareDatetime
    availability: float | None = Field(description="up / (up + down); null where there is neither.")
    coverage: float = Field(description="(up + down) / period: the part that `availability` speaks of.")
    seconds: SecondsAnswer


class DayAnswer(SpentAnswer):
    """How a monitor did on one day."""

    date: str = Field(description="In the time zone that was asked for.")


class AvailabilityAnswer(SpentAnswer):
    """How a monitor did in all, and day by day."""

    days: int
    timezone: str
    per_day: list[DayAnswer] = Field(description="Oldest first. The last one ends now.")


class OutageAnswer(BaseModel):
    """One stretch of DOWN."""

    seq: int = Field(description="The number of the transition that began it, as the history has it.")
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = Field(description="Null while it lasts.")
    duration_seconds: float = Field(description="So far, while it lasts.")
    cause: str | None
    note: str
    excluded: bool = Field(description="Corrections take all of it out of the availability.")
    excluded_seconds: float
    reasons: list[str] = Field(description="Those of the corrections that touch it.")


class CorrectionCreate(BaseModel):
    """The body of a request that takes a span out of a monitor's availability. It is not empty and lies in the past."""

    model_config = {"extra": "forbid"}

    started_at: AwareDatetime
    ended_at: AwareDatetime
    reason: str = Field(
        min_length=1,
        max_length=MAX_REASON_LENGTH,
        description="Not blank, on one line.",
        json_schema_extra={"pattern": r"^[!-~]([ -~]*[!-~])?$"},
    )


class CorrectionAnswer(BaseModel):
    """A span that was taken out of a monitor's availability."""

    id: int
    started_at: AwareDatetime
    ended_at: AwareDatetime
    reason: str
    created_at: AwareDatetime
    withdrawn_at: AwareDatetime | None = Field(description="Since when it counts again; null: it is left out.")


_EXAMPLE_SPENT = {
    "since": "2026-11-24T00:00:00.000Z",
    "until": "2026-11-25T00:00:00.000Z",
    "availability": 0.99,
    "coverage": 1.0,
    "seconds": {"up": 85536.0, "down": 864.0, "paused": 0.0, "maintenance": 0.0, "excluded": 0.0, "unknown": 0.0},
}
EXAMPLE_AVAILABILITY = _EXAMPLE_SPENT | {
    "days": 7,
    "timezone": "UTC",
    "per_day": [{"date": "2026-11-24"} | _EXAMPLE_SPENT],
}
EXAMPLE_OUTAGE = {
    "seq": 12,
    "started_at": "2026-11-24T10:15:00.480Z",
    "ended_at": "2026-11-24T10:29:24.480Z",
    "duration_seconds": 864.0,
    "cause": "silence",
    "note": "No ping within the interval of 15 min and the grace of 1 min.",
    "excluded": False,
    "excluded_seconds": 0.0,
    "reasons": [],
}
EXAMPLE_NEW_CORRECTION = {
    "started_at": "2026-11-24T10:15:00Z",
    "ended_at": "2026-11-24T10:30:00Z",
    "reason": "The network of the data centre was down, not the job.",
}
EXAMPLE_CORRECTION = {
    "id": 3,
    "started_at": "2026-11-24T10:15:00.000Z",
    "ended_at": "2026-11-24T10:30:00.000Z",
    "reason": "The network of the data centre was down, not the job.",
    "created_at": "2026-11-25T08:00:00.000Z",
    "withdrawn_at": None,
}

_PARAMETERS = [
    {
        "name": "days",
        "in": "query",
        "required": False,
        "description": "1: the last 24 hours. Else so many calendar days, today among them; 30 if left out.",
        "schema": {"type": "integer", "enum": list(PERIODS)},
        "example": 7,
    },
    {
        "name": "timezone",
        "in": "query",
        "required": False,
        "description": "Whose days: an IANA name. Left out: `AVAILABILITY_TIMEZONE`.",
        "schema": {"type": "string", "enum": sorted(zone_names())},
        "example": "America/Sao_Paulo",
    },
]
_ONE = openapi.UNAUTHORIZED | openapi.NOT_FOUND | openapi.UNAVAILABLE
_BAD_DAYS = openapi.invalid("query", "days", msg=_DAYS, rule="days")
_BAD_REASON = openapi.invalid(
    "body", "reason", msg=correction_fields.problem("reason", "reason").message, rule="reason"
)
_FULL = openapi.error(409, "The monitor has a thousand corrections.", REFUSALS["too-many-corrections"])


@router.reads(
    "/api/monitors/{slug}/availability",
    Action.READ,
    response_model=AvailabilityAnswer,
    tags=["History"],
    summary="How available a monitor was",
    operation_id="read_availability",
    responses=openapi.answer(200, "In all, and day by day.", EXAMPLE_AVAILABILITY) | _ONE | _BAD_DAYS,
    openapi_extra={"parameters": _PARAMETERS},
)
def availability(request: Request, slug: str) -> Response:
    """Say how a monitor spent its last days, and the availability and coverage that follow from that."""
    site, now = site_of(request), site_of(request).now()
    count, timezone = _read_query(request, site.settings.availability_timezone)
    view = monitors.get(site.database, monitors.by_slug(slug))
    period = track_record.read_period(site.database, view.id, count=count, timezone=timezone, now=now)
    days = [
        {"date": day.date.isoformat(), "since": instant(day.start), "until": instant(day.end)} | spent_answer(part)
        for day, part in zip(period.days, period.parts, strict=True)
    ]
    whole = {"since": instant(period.days[0].start), "until": instant(now)} | spent_answer(period.whole)
    return JSONResponse({"days": count, "timezone": timezone} | whole | {"per_day": days}, headers=HEADERS)


def _read_query(request: Request, timezone: str) -> tuple[int, str]:
    """Raises RequestValidationError, which does not repeat what was asked."""
    wrong: list[dict[str, Any]] = []
    days = request.query_params.get("days", "30")
    if days not in map(str, PERIODS):
        wrong.append({"loc": ("query", "days"), "msg": _DAYS, "type": "days"})
    zone = request.query_params.get("timezone", timezone)
    if zone not in zone_names():
        wrong.append({"loc": ("query", "timezone"), "msg": MESSAGES["timezone"], "type": "timezone"})
    if wrong:
        raise RequestValidationError(wrong)
    return int(days), zone


def spent_answer(part: Availability) -> dict[str, Any]:
    """Return how a period was spent: the fields of its answer without the borders."""
    return {
        "availability": part.ratio,
        "coverage": part.coverage or 0.0,
        "seconds": {name: length / 1_000_000 for name, length in part._asdict().items()},
    }


@router.reads(
    "/api/monitors/{slug}/outages",
    Action.READ,
    response_model=list[OutageAnswer],
    tags=["History"],
    summary="List a monitor's outages",
    operation_id="list_outages",
    responses=openapi.answer(200, "Newest first.", [EXAMPLE_OUTAGE], openapi.PAGED) | _ONE | openapi.BAD_PAGING,
    openapi_extra={"parameters": openapi.PAGING},
)
def outages(request: Request, slug: str, asked: Paging) -> Response:
    """Return the newest 1000 outages, or with `limit` fewer, and where the older ones are."""
    site, now = site_of(request), site_of(request).now()
    view = monitors.get(site.database, monitors.by_slug(slug))
    found, following = track_record.read_outages(
        site.database, view.id, limit=asked.limit or MAX_LIMIT, before=asked.position, now=now
    )
    headers = link(f"{site.origin(request)}/api/monitors/{quote(slug, safe='')}/outages", asked, following)
    return JSONResponse([_outage_answer(each, now) for each in found], headers=HEADERS | headers)


def _outage_answer(outage: Outage, now: Any) -> dict[str, Any]:
    return {
        "seq": outage.seq,
        "started_at": instant(outage.start),
        "ended_at": instant(outage.end),
        "duration_seconds": outage.lasted(now).total_seconds(),
        "cause": None if outage.cause is None else outage.cause.value,
        "note": outage.note if outage.cause is None else describe(outage.cause, outage.detail),
        "excluded": outage.is_excluded(now),
        "excluded_seconds": outage.excluded.total_seconds(),
        "reasons": list(outage.reasons),
    }


@router.reads(
    "/api/monitors/{slug}/corrections",
    Action.READ,
    response_model=list[CorrectionAnswer],
    tags=["History"],
    summary="List what was taken out of a monitor's availability",
    operation_id="list_corrections",
    responses=openapi.answer(200, "The latest span first; withdrawn ones included.", [EXAMPLE_CORRECTION]) | _ONE,
)
def list_corrections(request: Request, slug: str) -> Response:
    """Return every correction that was ever made."""
    site = site_of(request)
    view = monitors.get(site.database, monitors.by_slug(slug))
    found = corrections.read_all(site.database, view.id)
    return JSONResponse([_correction_answer(each) for each in found], headers=HEADERS)


@router.post(
    "/api/monitors/{slug}/corrections",
    Action.EDIT,
    status_code=201,
    response_model=CorrectionAnswer,
    tags=["History"],
    summary="Take a span out of a monitor's availability",
    operation_id="create_correction",
    responses=openapi.answer(201, "It is left out from now on.", EXAMPLE_CORRECTION)
    | openapi.BODY_ERRORS
    | _ONE
    | _FULL
    | _BAD_REASON,
    openapi_extra=openapi.body(CorrectionCreate, EXAMPLE_NEW_CORRECTION),
)
def create_correction(request: Request, slug: str, data: Body) -> Response:
    """Leave a span out, and say why. The history stays as it is, and the report shows the span with its reason."""
    site, now = site_of(request), site_of(request).now()
    view = monitors.get(site.database, monitors.by_slug(slug))
    new = correction_fields.correction_from_json(data, now=now)
    made = corrections.exclude(
        site.database, view.id, started_at=new.started_at, ended_at=new.ended_at, reason=new.reason, now=now
    )
    site.wake()
    return JSONResponse(_correction_answer(made), status_code=201, headers=HEADERS)


@router.post(
    "/api/monitors/{slug}/corrections/{correction_id}/withdraw",
    Action.EDIT,
    response_model=CorrectionAnswer,
    tags=["History"],
    summary="Count a span again",
    operation_id="withdraw_correction",
    responses=openapi.answer(200, "It counts again.", EXAMPLE_CORRECTION | {"withdrawn_at": "2026-11-25T09:00:00.000Z"})
    | _ONE,
)
def withdraw_correction(request: Request, slug: str, correction_id: str) -> Response:
    """Take a correction back. It stays in the list. May be repeated."""
    site = site_of(request)
    view = monitors.get(site.database, monitors.by_slug(slug))
    wanted = id_in(correction_id, otherwise=corrections.NO_CORRECTION)
    taken_back = corrections.withdraw(site.database, view.id, wanted, now=site.now())
    site.wake()
    return JSONResponse(_correction_answer(taken_back), headers=HEADERS)


def _correction_answer(correction: Corrected) -> dict[str, Any]:
    return {
        "id": correction.id,
        "started_at": instant(correction.started_at),
        "ended_at": instant(correction.ended_at),
        "reason": correction.reason,
        "created_at": instant(correction.created_at),
        "withdrawn_at": instant(correction.withdrawn_at),
    }
