"""The API of a public page's subscribers.

Access stands in `web.http.routing`, bodies in `web.http.json_api`, errors in `web.api.openapi`.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.errors import NO_PAGE, REFUSALS
from pulsemon.input import subscribers as subscriber_fields
from pulsemon.input.monitor_rules import SECRET_MASK
from pulsemon.input.rules import id_in
from pulsemon.input.subscribers import SubscriberCreate
from pulsemon.subscribers import manage as subscribers
from pulsemon.subscribers.views import SubscriberView
from pulsemon.web.api import openapi
from pulsemon.web.http import whose
from pulsemon.web.http.json_api import HEADERS, Body, Paging, instant
from pulsemon.web.http.paging import link
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import About

router = Router(Audience.API, about=About.PAGE, is_described=True)


class SubscriberAnswer(BaseModel):
    """A subscriber, as the API shows it."""

    id: int
    kind: Literal["email", "webhook"]
    address: str = Field(description="The e-mail address, or the webhook's URL; masked for who may not see secrets.")
    locale: str = Field(description="The language of what it is told.")
    secret: str | None = Field(description="Masked, except in the answer that made it.")
    state: Literal["waiting", "active", "refused"] = Field(
        description="`waiting`: it has not confirmed yet. `refused`: it refuses for good, and is told nothing any more."
    )
    created_at: AwareDatetime
    confirmed_at: AwareDatetime | None


EXAMPLE_CREATE = {"kind": "webhook", "address": "https://hooks.example.org/status", "secret": "generate"}
EXAMPLE_SUBSCRIBER = {
    "id": 7,
    "kind": "webhook",
    "address": "https://hooks.example.org/status",
    "locale": "en",
    "secret": SECRET_MASK,
    "state": "active",
    "created_at": "2026-03-01T12:00:00.000Z",
    "confirmed_at": "2026-03-01T12:00:00.000Z",
}
_NOT_FOUND = openapi.error(404, NO_PAGE, NO_PAGE)
_NOT_ON_IT = openapi.error(404, "There is no such page, or no such subscriber.", subscribers.NO_SUBSCRIBER)
_CONFLICT = openapi.error(
    409, "It is on the list, was asked within the hour, or no mail is sent.", REFUSALS["subscriber-known"]
)
_BAD_BODY = openapi.invalid("body", "address", msg=subscriber_fields.PROBLEMS["email"], rule="email")
_ONE = openapi.UNAUTHORIZED | openapi.UNAVAILABLE


def subscriber_answer(view: SubscriberView) -> dict[str, Any]:
    """Return a subscriber as the API shows it."""
    return {
        "id": view.id,
        "kind": view.kind,
        "address": view.address,
        "locale": view.locale,
        "secret": SECRET_MASK if view.has_secret and view.secret is None else view.secret,
        "state": view.state,
        "created_at": instant(view.created_at),
        "confirmed_at": instant(view.confirmed_at),
    }


@router.post(
    "/api/pages/{slug}/subscribers",
    Action.EDIT,
    status_code=201,
    response_model=SubscriberAnswer,
    tags=["Pages"],
    summary="Add a subscriber to a public page",
    operation_id="add_subscriber",
    responses=openapi.answer(201, "Added, or asked.", EXAMPLE_SUBSCRIBER)
    | openapi.BODY_ERRORS
    | _NOT_FOUND
    | _CONFLICT
    | _BAD_BODY
    | _ONE,
    openapi_extra=openapi.body(SubscriberCreate, EXAMPLE_CREATE),
)
def add_subscriber(request: Request, slug: str, data: Body) -> Response:
    """Tell a webhook from now on; ask an e-mail address first. `"secret": "generate"` shows the secret this once."""
    site = site_of(request)
    view = subscribers.add(
        site.database,
        slug,
        subscriber_fields.from_json(data),
        default_locale=site.settings.default_locale.value,
        has_mail=site.settings.mail_server is not None,
        now=site.now(),
    )
    site.wake()
    return JSONResponse(subscriber_answer(view), status_code=201, headers=HEADERS)


@router.reads(
    "/api/pages/{slug}/subscribers",
    Action.READ,
    response_model=list[SubscriberAnswer],
    tags=["Pages"],
    summary="List the subscribers of a public page",
    operation_id="list_subscribers",
    responses=openapi.answer(200, "Oldest first.", [EXAMPLE_SUBSCRIBER], openapi.PAGED)
    | _NOT_FOUND
    | _ONE
    | openapi.BAD_PAGING,
    openapi_extra={"parameters": openapi.PAGING},
)
def list_subscribers(request: Request, slug: str, asked: Paging) -> Response:
    """Return everybody on the page's list, or with `limit` a page of them."""
    site = site_of(request)
    found, following = subscribers.list_of(site.database, slug, limit=asked.limit, after=asked.position)
    headers = link(f"{site.origin(request)}/api/pages/{quote(slug, safe='')}/subscribers", asked, following)
    shown = found if whose.may(request, Action.SEE_SECRETS) else [each.masked() for each in found]
    return JSONResponse([subscriber_answer(view) for view in shown], headers=HEADERS | headers)


@router.delete(
    "/api/pages/{slug}/subscribers/{subscriber_id}",
    Action.EDIT,
    status_code=204,
    response_class=Response,
    tags=["Pages"],
    summary="Remove a subscriber of a public page",
    operation_id="remove_subscriber",
    responses={204: {"description": "Off the list. What it was owed is not sent."}} | _NOT_ON_IT | _ONE,
)
def remove_subscriber(request: Request, slug: str, subscriber_id: str) -> Response:
    """Take a subscriber off the list. An e-mail address is forgotten."""
    site = site_of(request)
    number = id_in(subscriber_id, otherwise=subscribers.NO_SUBSCRIBER)
    subscribers.remove(site.database, slug, number)
    site.wake()
    return Response(status_code=204, headers=HEADERS)
