"""The API's second thoughts on a monitor's settings: what is proposed, and what other ones would have told.

Reads only. Access stands in `web.http.routing`, bodies in `web.http.json_api`, errors in `web.api.openapi`.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core.replay import Alert, Past
from pulsemon.core.suggestion import Rhythm
from pulsemon.core.timing import Timing
from pulsemon.errors import Invalid
from pulsemon.input import what_if
from pulsemon.input.monitor_rules import MAX_SECONDS
from pulsemon.input.monitors import problem
from pulsemon.monitors import manage as monitors
from pulsemon.monitors import suggestions
from pulsemon.monitors.suggestions import Verdict
from pulsemon.web.api import openapi
from pulsemon.web.http.json_api import HEADERS, instant
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import About

router = Router(Audience.API, about=About.MONITOR, is_described=True)

# More say nothing that their number does not.
ALERTS_LISTED = 100


class AlertAnswer(BaseModel):
    """One time that DOWN would have been told."""

    occurred_at: AwareDatetime
    cause: str = Field(description="silence, failure or run-limit.")
    ended_at: AwareDatetime | None = Field(description="When it was UP again or paused; null: it would still be DOWN.")


class SettingsAnswer(BaseModel):
    """Settings, and what they would have told."""

    interval_seconds: int
    grace_seconds: int
    max_run_seconds: int | None
    alert_count: int
    alerts: list[AlertAnswer] = Field(description=f"The newest {ALERTS_LISTED}, newest first.")


class ObservedAnswer(BaseModel):
    """The rhythm that was seen. Gaps lie between successes and failures."""

    gap_count: int
    outage_count: int = Field(description="Gaps left out because they are outages.")
    usual_gap_seconds: float = Field(description="The median.")
    spread_seconds: float = Field(description="Nineteen of twenty regular gaps stray from the usual one by no more.")
    longest_gap_seconds: float = Field(description="Of the regular ones.")
    run_count: int
    longest_run_seconds: float | None = Field(description="Of those that did not hang; null: no run was seen to end.")


class SuggestionAnswer(BaseModel):
    """What is proposed for a monitor, beside what it has."""

    since: AwareDatetime | None = Field(description="The oldest ping that was looked at.")
    until: AwareDatetime
    ping_count: int
    reason: Literal["too-few-pings", "too-irregular"] | None = Field(description="Why nothing is proposed.")
    observed: ObservedAnswer | None
    present: SettingsAnswer
    proposed: SettingsAnswer | None


class WhatIfAnswer(SettingsAnswer):
    """What the settings of the query would have told."""

    since: AwareDatetime | None = Field(description="The oldest ping that was looked at.")
    until: AwareDatetime
    ping_count: int


_EXAMPLE_ALERT = {
    "occurred_at": "2026-03-02T10:15:00.480Z",
    "cause": "silence",
    "ended_at": "2026-03-02T10:15:09.120Z",
}
_EXAMPLE_PRESENT = {
    "interval_seconds": 900,
    "grace_seconds": 0,
    "max_run_seconds": None,
    "alert_count": 1,
    "alerts": [_EXAMPLE_ALERT],
}
_EXAMPLE_PAST = {"since": "2026-02-01T12:00:00.310Z", "until": "2026-03-02T12:00:00.000Z", "ping_count": 2786}
EXAMPLE_SUGGESTION = _EXAMPLE_PAST | {
    "reason": None,
    "observed": {
        "gap_count": 2785,
        "outage_count": 0,
        "usual_gap_seconds": 900.004,
        "spread_seconds": 8.2,
        "longest_gap_seconds": 919.7,
        "run_count": 0,
        "longest_run_seconds": None,
    },
    "present": _EXAMPLE_PRESENT,
    "proposed": _EXAMPLE_PRESENT | {"grace_seconds": 60, "alert_count": 0, "alerts": []},
}
EXAMPLE_WHAT_IF = _EXAMPLE_PRESENT | _EXAMPLE_PAST


def _parameter(name: str, description: str, least: int, example: int) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": f"{description} Left out: as it is.",
        "schema": {"type": "integer", "minimum": least, "maximum": MAX_SECONDS},
        "example": example,
    }


_PARAMETERS = [
    _parameter("interval_seconds", "Seconds within which a ping is expected.", 1, 900),
    _parameter("grace_seconds", "Seconds it may be late before it is DOWN.", 0, 0),
    _parameter("max_run_seconds", "Seconds a started run may take; empty: the grace, else the interval.", 1, 600),
]
_ONE = openapi.UNAUTHORIZED | openapi.NOT_FOUND | openapi.UNAVAILABLE
_BAD_QUERY = openapi.invalid(
    "query", "grace_seconds", msg=problem("grace_seconds", "not-whole").message, rule="not-whole"
)


@router.reads(
    "/api/monitors/{slug}/suggestion",
    Action.READ,
    response_model=SuggestionAnswer,
    tags=["Monitors"],
    summary="Propose settings for a monitor",
    operation_id="suggest_settings",
    responses=openapi.answer(200, "What was seen, and what fits it.", EXAMPLE_SUGGESTION) | _ONE,
)
def suggestion(request: Request, slug: str) -> Response:
    """Propose interval, grace and run limit from the pings of the last 30 days, at most the newest 10,000.

    `present` and `proposed` say how often either would have told DOWN. Nothing is changed: PATCH takes what you like.
    """
    site = site_of(request)
    view = monitors.get(site.database, monitors.by_slug(slug))
    past = suggestions.read_past(site.database, view.id, view.timing, now=site.now())
    advice = suggestions.advise(past, view.timing)
    content = _past_answer(past) | {
        "reason": None if advice.reason is None else advice.reason.value,
        "observed": None if advice.rhythm is None else _observed_answer(advice.rhythm),
        "present": _settings_answer(advice.present),
        "proposed": None if advice.proposed is None else _settings_answer(advice.proposed),
    }
    return JSONResponse(content, headers=HEADERS)


@router.reads(
    "/api/monitors/{slug}/what-if",
    Action.READ,
    response_model=WhatIfAnswer,
    tags=["Monitors"],
    summary="Try other settings on a monitor's past",
    operation_id="what_if",
    responses=openapi.answer(200, "What they would have told.", EXAMPLE_WHAT_IF) | _ONE | _BAD_QUERY,
    openapi_extra={"parameters": _PARAMETERS},
)
def try_settings(request: Request, slug: str) -> Response:
    """Judge the pings of the last 30 days, at most the newest 10,000, once more under the settings of the query.

    Time in which PulseMon was blind or the monitor was paused gives no alerts. Nothing is changed.
    """
    site = site_of(request)
    view = monitors.get(site.database, monitors.by_slug(slug))
    timing = _read_query(request, view.timing)
    past = suggestions.read_past(site.database, view.id, view.timing, now=site.now())
    content = _settings_answer(suggestions.judge(past, timing)) | _past_answer(past)
    return JSONResponse(content, headers=HEADERS)


def _read_query(request: Request, present: Timing) -> Timing:
    """Raises RequestValidationError, which names the fields of the query as those of a body are named."""
    try:
        return what_if.read_timing(request.query_params, present)
    except Invalid as wrong:
        raise RequestValidationError(
            [{"loc": ("query", each.field), "msg": each.message, "type": each.code} for each in wrong.problems]
        ) from None


def _past_answer(past: Past) -> dict[str, Any]:
    return {"since": instant(past.since), "until": instant(past.until), "ping_count": len(past.pings)}


def _settings_answer(verdict: Verdict) -> dict[str, Any]:
    timing, alerts = verdict.timing, verdict.alerts
    return {
        "interval_seconds": what_if.whole_seconds(timing.interval),
        "grace_seconds": what_if.whole_seconds(timing.grace),
        "max_run_seconds": None if timing.max_run is None else what_if.whole_seconds(timing.max_run),
        "alert_count": len(alerts),
        "alerts": [_alert_answer(alert) for alert in alerts[: -ALERTS_LISTED - 1 : -1]],
    }


def _alert_answer(alert: Alert) -> dict[str, Any]:
    return {"occurred_at": instant(alert.at), "cause": alert.cause.value, "ended_at": instant(alert.ended_at)}


def _observed_answer(rhythm: Rhythm) -> dict[str, Any]:
    return {
        "gap_count": rhythm.gap_count,
        "outage_count": rhythm.outage_count,
        "usual_gap_seconds": rhythm.usual.total_seconds(),
        "spread_seconds": rhythm.spread.total_seconds(),
        "longest_gap_seconds": rhythm.longest_gap.total_seconds(),
        "run_count": rhythm.run_count,
        "longest_run_seconds": None if rhythm.longest_run is None else rhythm.longest_run.total_seconds(),
    }
