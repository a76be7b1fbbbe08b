"""Where visitors subscribe to a public page by e-mail, and where the links of our mails lead. No script is needed.

Whether an address is known, nobody learns here: the answer is the same, and given before it is looked up. A GET never
changes anything, for mail scanners follow every link: it shows a button.
"""

from __future__ import annotations

from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pulsemon import log
from pulsemon.accounts.roles import Action
from pulsemon.channels import mailbox
from pulsemon.core.addresses import MAIN, page_path, subscribe_path
from pulsemon.errors import NO_PAGE, FieldProblem, Invalid, NotFound, Unavailable
from pulsemon.input import subscribers as subscriber_fields
from pulsemon.status_pages.directory import MAIN_DEFINITION, PageDefinition
from pulsemon.subscribers import manage as subscribers
from pulsemon.subscribers.views import Subscription
from pulsemon.web.html import rendering
from pulsemon.web.http.form_data import SmallForm
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.public import lock
from pulsemon.web.public import style as page_style
from pulsemon.web.public.board import board_of

router = Router(Audience.VISITORS)
_log = log.get(__name__)


@router.reads("/status/subscribe", Action.PUBLIC)
def form(request: Request) -> Response:
    """Answer with the form of `/status`."""
    return _form_or_question(request, MAIN)


@router.post("/status/subscribe", Action.PUBLIC)
def subscribe(request: Request, typed: SmallForm) -> Response:
    """Ask an address whether it wants to be told of `/status`."""
    return _subscribe(request, MAIN, typed)


@router.reads("/status/{slug}/subscribe", Action.PUBLIC)
def form_of(request: Request, slug: str) -> Response:
    """Answer with the form of another page."""
    return _form_or_question(request, slug)


@router.post("/status/{slug}/subscribe", Action.PUBLIC)
def subscribe_to(request: Request, slug: str, typed: SmallForm) -> Response:
    """Ask an address whether it wants to be told of another page."""
    return _subscribe(request, slug, typed)


def _form_or_question(request: Request, slug: str) -> Response:
    definition = _definition(request, slug)
    if not lock.is_open(request, definition):
        return lock.question(request, definition)
    return _form_page(request, definition)


def _subscribe(request: Request, slug: str, typed: dict[str, str]) -> Response:
    definition = _definition(request, slug)
    if not lock.is_open(request, definition):
        return lock.question(request, definition, status_code=401)
    given = typed.get("address", "")
    try:
        address = subscriber_fields.read_email(given)
    except Invalid as wrong:
        return _form_page(request, definition, status_code=422, given=given, problem=wrong.problems[0])
    site = site_of(request)
    host = request.client.host if request.client else ""
    wait_sec = site.subscriptions.take(host, now=site.now())
    if wait_sec:
        response = _form_page(request, definition, status_code=429, given=given, wait_sec=wait_sec)
        response.headers["retry-after"] = str(wait_sec)
        return response
    response = _form_page(request, definition, asked=address)
    # After the answer, so that its time says nothing of the address either.
    response.background = BackgroundTask(_ask, site, definition.slug, address, _locale(request, definition))
    return response


def _ask(site: Site, slug: str, address: str, locale: str) -> None:
    try:
        subscribers.ask(site.database, slug, address, locale=locale, now=site.now())
    except Unavailable as failed:
        _log.warning("subscription.lost", reason=str(failed))


def _definition(request: Request, slug: str) -> PageDefinition:
    """Return the page that somebody wants to subscribe to. Raises NotFound: there is none, or no mail is sent."""
    snapshot = board_of(request).snapshot()
    if snapshot is None:
        raise Unavailable("the database has not answered yet")
    definition = snapshot.directory.definitions.get(slug)
    if definition is None or site_of(request).settings.mail_server is None:
        raise NotFound(NO_PAGE)
    return definition


def _locale(request: Request, definition: PageDefinition) -> str:
    return definition.language or rendering.locale_of(request)


def _form_page(
    request: Request,
    definition: PageDefinition,
    *,
    status_code: int = 200,
    given: str = "",
    problem: FieldProblem | None = None,
    wait_sec: int = 0,
    asked: str = "",
) -> Response:
    path = page_path(definition.slug)
    return _page(
        request,
        definition,
        "public/subscribe.html",
        status_code=status_code,
        page_path=path,
        action=subscribe_path(definition.slug),
        given=given,
        problem=problem,
        wait_sec=wait_sec,
        asked=asked,
    )


@router.reads("/subscriptions/{token}/confirm", Action.LINK)
def confirmation(request: Request, token: str) -> Response:
    """Answer with the button that confirms."""
    return _with_link(request, token, "confirm")


@router.post("/subscriptions/{token}/confirm", Action.LINK)
def confirm(request: Request, token: str) -> Response:
    """Tell this address from now on."""
    site = site_of(request)
    try:
        found = subscribers.confirm(site.database, token, now=site.now())
    except NotFound:
        return _link_page(request, None, "gone", status_code=404)
    return _link_page(request, found, "confirmed")


@router.reads("/subscriptions/{token}/unsubscribe", Action.ONE_CLICK)
def farewell(request: Request, token: str) -> Response:
    """Answer with the button that unsubscribes."""
    return _with_link(request, token, "unsubscribe")


@router.post("/subscriptions/{token}/unsubscribe", Action.ONE_CLICK)
def unsubscribe(request: Request, token: str) -> Response:
    """Forget this address. Repeatable; what the body says is not read."""
    subscribers.unsubscribe(site_of(request).database, token)
    return _link_page(request, None, "unsubscribed")


def _with_link(request: Request, token: str, what: str) -> Response:
    try:
        return _link_page(request, subscribers.find(site_of(request).database, token), what)
    except NotFound:
        return _link_page(request, None, "gone", status_code=404)


def _link_page(request: Request, found: Subscription | None, what: str, *, status_code: int = 200) -> Response:
    site = site_of(request)
    slug = MAIN if found is None else found.page_slug
    return _page(
        request,
        MAIN_DEFINITION,
        "public/subscription.html",
        status_code=status_code,
        what=what,
        address="" if found is None else mailbox.masked(found.address),
        page_title="" if found is None else found.page_title or site.settings.public_status_title,
        page_path=page_path(slug),
    )


def _page(request: Request, definition: PageDefinition, template: str, *, status_code: int, **values: Any) -> Response:
    """Answer with a page that looks like the public page it belongs to, and that nobody keeps."""
    site = site_of(request)
    locale = _locale(request, definition)
    style = page_style.style_of(definition.accent)
    html = rendering.render(
        template,
        locale=locale,
        now=site.now(),
        style=style,
        title=definition.title or site.settings.public_status_title,
        **values,
    )
    headers = {"content-security-policy": page_style.policy_of(style), "cache-control": "no-store"}
    response = HTMLResponse(html, status_code=status_code, headers=headers)
    rendering.set_language(request, response, locale)
    return response
