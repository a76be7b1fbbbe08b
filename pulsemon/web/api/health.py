"""Is PulseMon well: `/health` for the process, `/ready` for its work, `/metrics` for both in numbers.

None of them needs a login. Strangers hear whether PulseMon does its work, and how many of the monitors that public
pages show are in which state. Why it does not, what else is amiss, and every count that a private monitor takes part
in, is for whoever shows the admin token or a key with the scope `metrics`. A key of one project sees the numbers of its
monitors, and nothing of the process.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from fastapi.exceptions import RequestValidationError
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from pulsemon import clock
from pulsemon.accounts.roles import Action, Principal, Proof, allowed
from pulsemon.core.shown import Shown
from pulsemon.db import Database
from pulsemon.errors import Unavailable
from pulsemon.messages import outbox
from pulsemon.messages.outbox import Backlog
from pulsemon.monitors import census
from pulsemon.operations import metrics
from pulsemon.operations.exposition import Encode, whole
from pulsemon.status_pages import public as public_pages
from pulsemon.status_pages.directory import read_directory
from pulsemon.web.api import openapi
from pulsemon.web.http import credentials
from pulsemon.web.http.credentials import Judged
from pulsemon.web.http.json_api import HEADERS
from pulsemon.web.http.principals import TOO_MANY_TOKENS
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.whose import NOT_ALLOWED

router = Router(Audience.PROGRAMS, is_described=True)
metrics_router = Router(Audience.API, is_described=True)

_TOKEN_OR_NONE: dict[str, Any] = {"security": [{}, *openapi.CREDENTIALS, {"basic": []}]}
_WRONG = "The token is wrong."
_Totals = tuple[dict[Shown, int], Backlog]
_YES_OR_NO = "This must be yes or no."
_MONITORS_OR_NOT: dict[str, Any] = {
    "parameters": [
        {
            "name": "monitors",
            "in": "query",
            "required": False,
            "description": "`no` leaves out what there is of each monitor.",
            "schema": {"type": "string", "enum": ["yes", "no"], "default": "yes"},
        }
    ]
}
_METRICS_EXAMPLE = '# TYPE pulsemon_monitors gauge\npulsemon_monitors{state="up"} 3.0\n'
_METRICS_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The metrics, in Prometheus' text format or, where asked for, as OpenMetrics.",
        "content": {"text/plain": {"schema": {"type": "string"}, "example": _METRICS_EXAMPLE}},
    }
}


@router.reads(
    "/health",
    Action.PUBLIC,
    response_model=openapi.HealthAnswer,
    tags=["Health"],
    summary="Does the process answer",
    operation_id="health",
    responses=openapi.answer(200, "It does.", {"status": "ok"}),
)
async def health() -> Response:
    """Say that the process answers; asks neither the database nor anything else."""
    return JSONResponse({"status": "ok"}, headers=HEADERS)


@router.reads(
    "/ready",
    Action.PUBLIC,
    response_model=openapi.ReadyAnswer,
    tags=["Health"],
    summary="Does PulseMon do its work",
    operation_id="ready",
    responses=openapi.answer(200, "It does.", {"status": "ready"})
    | {
        503: {
            "model": openapi.ReadyAnswer,
            "description": "It does not.",
            "content": {"application/json": {"example": {"status": "not ready"}}},
        }
    },
    openapi_extra=_TOKEN_OR_NONE,
)
def ready(request: Request) -> Response:
    """Say whether pings can be stored and deadlines are watched; to the owner also why not, and what else is amiss.

    The admin token or a key comes as for `/metrics`. Without it, and with a wrong one, there are neither reasons nor
    warnings, and the status code is the same: whoever looks for it here is a load balancer.
    """
    site = site_of(request)
    reasons = site.readiness.reasons()
    answer: dict[str, Any] = {"status": "not ready" if reasons else "ready"}
    if _may_see_reasons(site, request):
        answer |= {"reasons": list(reasons), "warnings": list(site.readiness.warnings())}
    return JSONResponse(answer, status_code=503 if reasons else 200, headers=HEADERS)


@metrics_router.reads(
    "/metrics",
    Action.PUBLIC,
    response_class=Response,
    tags=["Health"],
    summary="Prometheus metrics",
    operation_id="metrics",
    responses=_METRICS_ANSWER
    | openapi.error(401, "A token or a key was shown, and it is wrong.", _WRONG)
    | openapi.error(403, "The key does not open the metrics.", NOT_ALLOWED)
    | openapi.TOO_MANY_TOKENS
    | openapi.UNAVAILABLE
    | openapi.invalid("query", "monitors", msg=_YES_OR_NO, rule="yes-or-no"),
    openapi_extra=_TOKEN_OR_NONE | _MONITORS_OR_NOT,
)
def scrape(request: Request) -> Response:
    """Give totals of what is public to anybody; all totals and every monitor to whoever shows the admin token or a key.

    It comes in `X-Admin-Token`, `X-Api-Key`, as `Authorization: Bearer`, or as the password of Basic authentication.
    `?monitors=no` leaves out what there is of each monitor.
    """
    site = site_of(request)
    wants_monitors = _wants_monitors(request)
    encode, content_type = _encoder(request.headers.get("accept", ""))
    principal = _who_sees_all(site, request)
    if principal is None:
        return Response(b"".join(whole(encode, _read_public(site))), media_type=content_type, headers=HEADERS)
    project_id = principal.project_id
    totals = _read_totals(site, project_id)
    text, end = whole(encode, _read_all(site, totals, project_id))
    if totals is None or not wants_monitors:
        return Response(text + end, media_type=content_type, headers=HEADERS)
    is_head = request.method == "HEAD"  # which is sent no body: nobody is read for it
    parts = iter(()) if is_head else metrics.of_monitors(site.database, encode, now=site.now(), project_id=project_id)
    return StreamingResponse(_at_leisure(text, parts, end), media_type=content_type, headers=HEADERS)


# Between two parts, so that pings do not wait for one after the other.
_REST_SEC = 0.001


def _at_leisure(begin: bytes, parts: Iterator[bytes], end: bytes) -> Iterator[bytes]:
    """Yield the parts one after the other; what asks for them is a thread that may sleep."""
    yield begin
    for part in parts:
        yield part
        time.sleep(_REST_SEC)
    yield end


def _wants_monitors(request: Request) -> bool:
    """Raises RequestValidationError: it is neither yes nor no."""
    said = request.query_params.get("monitors", "yes")
    if said not in ("yes", "no"):
        raise RequestValidationError([{"loc": ("query", "monitors"), "msg": _YES_OR_NO, "type": "yes-or-no"}])
    return said == "yes"


def _encoder(accept: str) -> tuple[Encode, str]:
    """Return how to write the metrics, and what to call that; the plain text where *accept* cannot be read."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # prometheus_client compares versions without asking whether they are any
        return choose_encoder("")


_CREDENTIALS = ("authorization", "x-admin-token", "x-api-key")


def _judged(site: Site, request: Request) -> Judged | None:
    """Judge the token or the key that *request* brings; None: it brings none."""
    if not any(each in request.headers for each in _CREDENTIALS):
        return None
    return credentials.judge(site, request.scope, credentials.of_metrics(request.headers))


def _may_see_reasons(site: Site, request: Request) -> bool:
    try:
        judged = _judged(site, request)
    except Unavailable:  # whoever looks for that is told by the status
        return False
    return judged is not None and allowed(judged.principal, Action.METRICS, None)


def _who_sees_all(site: Site, request: Request) -> Principal | None:
    """Return who showed the admin token, or a key that opens the metrics, of its project or of all; None: nobody.

    Raises:
        HTTPException: 401, a wrong one (a scraper must notice); 403, a key that does not open them; 429, too many wrong
            ones before it.
    """
    judged = _judged(site, request)
    if judged is None:
        return None
    if judged.wait_sec:
        raise HTTPException(429, TOO_MANY_TOKENS, headers=HEADERS | {"retry-after": str(judged.wait_sec)})
    if judged.principal.proof is Proof.NONE:
        is_closed = not site.settings.admin_token
        detail = judged.refusal or ("Administration is closed: ADMIN_TOKEN is not set." if is_closed else _WRONG)
        raise HTTPException(401, detail, headers=HEADERS | {"www-authenticate": 'Bearer, Basic realm="PulseMon"'})
    if not allowed(judged.principal, Action.METRICS, judged.principal.project_id):
        raise HTTPException(403, NOT_ALLOWED, headers=HEADERS)
    return judged.principal


def _read_all(site: Site, totals: _Totals | None, project_id: int | None = None) -> Iterator[Metric]:
    """Yield the totals of all projects; of one alone nothing in which others take part, counters of the process too."""
    yield from _wellness(site)
    if project_id is None:
        yield metrics.of_warnings(len(site.readiness.warnings()))
        yield from metrics.of_process(site.figures())
    yield metrics.of_database(is_up=totals is not None)
    # With the database away, what the process knows by itself is still worth telling, just then.
    if totals is not None:
        counts, backlog = totals
        yield metrics.of_states(counts)
        yield from metrics.of_backlog(backlog, now=site.now())


def _read_public(site: Site) -> Iterator[Metric]:
    """Yield nothing that a monitor which no open page shows takes part in, counters of the process included."""
    yield from _wellness(site)
    counts = _read_lately(site)
    yield metrics.of_database(is_up=counts is not None)
    if counts is not None:
        yield metrics.of_states(counts)


def _wellness(site: Site) -> Iterator[Metric]:
    yield metrics.of_version()
    yield metrics.of_readiness(is_ready=not site.readiness.reasons())


# Anybody may ask for totals, and each look reads every monitor: whoever asks within a second gets the same.
_FRESH_SEC = 1.0
_lately: WeakKeyDictionary[Database, tuple[float, dict[Shown, int] | None]] = WeakKeyDictionary()
_looking = Lock()


def _read_lately(site: Site) -> dict[Shown, int] | None:
    """Return state -> how many monitors of open pages are in it; None: the database did not answer."""
    with _looking:
        read_at, counts = _lately.get(site.database, (0.0, None))
        if not read_at or clock.monotonic() - read_at > _FRESH_SEC:
            counts = _count_public(site)
            _lately[site.database] = (clock.monotonic(), counts)
        return counts


def _count_public(site: Site) -> dict[Shown, int] | None:
    try:
        directory = read_directory(site.database, now=site.now())
        shown = public_pages.read_open(site.database, directory, now=site.now())
    except Unavailable:
        return None
    counts = Counter(each.shown for each in shown)
    return {state: counts[state] for state in Shown}


def _read_totals(site: Site, project_id: int | None = None) -> _Totals | None:
    """Return how many monitors are in which state, and what is owed; None: the database did not answer."""
    try:
        counts = census.counts(site.database, now=site.now(), project_id=project_id)
        return counts, outbox.backlog(site.database, project_id=project_id)
    except Unavailable:
        return None
