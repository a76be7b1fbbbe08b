"""The panel's side of subscribers: a page's list, adding a webhook, inviting an address, a test message, removing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core.addresses import MAIN, page_path
from pulsemon.core.keyset import LARGEST_ID
from pulsemon.core.texts import N_
from pulsemon.errors import Conflict, FieldProblem, Invalid, NotFound
from pulsemon.input import subscribers as subscriber_fields
from pulsemon.status_pages import manage as status_pages
from pulsemon.subscribers import manage as subscribers
from pulsemon.subscribers.views import SubscriberView
from pulsemon.web.html import rendering
from pulsemon.web.http.form_data import Form
from pulsemon.web.http.paging import read_position
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import About, may
from pulsemon.web.panel import shared

router = Router(Audience.PANEL, about=About.PAGE)

PAGE_SIZE = 100
_DONE = {
    "asked": N_("A mail that asks for confirmation is on its way."),
    "told": N_("The webhook is told from now on."),
    "untold": N_("The subscriber is off the list."),
    "tested": N_("A test message is on its way. Reload in a moment to see what came of it."),
}


@router.get("/pages/{slug}/subscribers", Action.READ)
def list_subscribers(request: Request, slug: str) -> Response:
    """Answer with a page's subscribers and the forms for more."""
    return _list_page(request, slug)


@router.post("/pages/{slug}/subscribers", Action.EDIT, redraws=True)
def add_subscriber(request: Request, slug: str, form: Form) -> Response:
    """Add a webhook or invite an address. A secret that was made is on this answer and on no other."""
    site = site_of(request)
    kind = "email" if form.get("kind") == "email" else "webhook"
    try:
        shared.only_draw(request)
        made = subscribers.add(
            site.database,
            slug,
            subscriber_fields.from_form(form, kind=kind),
            default_locale=site.settings.default_locale.value,
            has_mail=site.settings.mail_server is not None,
            now=site.now(),
        )
    except Invalid as wrong:
        return _list_page(request, slug, wrong_kind=kind, typed=form, problems=wrong.problems)
    except Conflict as refused:
        found = (shared.refused("address", refused),)
        return _list_page(request, slug, wrong_kind=kind, typed=form, problems=found)
    site.wake()
    if made.secret is not None:
        return _list_page(request, slug, secret=made.secret)
    return _to(slug, "asked" if kind == "email" else "told")


@router.get("/pages/{slug}/subscribers/{subscriber_id:id}/remove", Action.EDIT)
def confirm_removal(request: Request, slug: str, subscriber_id: int) -> Response:
    """Say what is lost."""
    view = status_pages.get(site_of(request).database, slug)
    found = _find(request, slug, subscriber_id)
    return rendering.page(request, "panel/subscriber_remove.html", holds_secret=True, view=view, subscriber=found)


@router.post("/pages/{slug}/subscribers/{subscriber_id:id}/remove", Action.EDIT)
def remove_subscriber(request: Request, slug: str, subscriber_id: int) -> Response:
    """Take a subscriber off the list."""
    site = site_of(request)
    subscribers.remove(site.database, slug, _find(request, slug, subscriber_id).id)
    site.wake()
    return _to(slug, "untold")


@router.post("/pages/{slug}/subscribers/{subscriber_id:id}/test", Action.EDIT)
def test_subscriber(request: Request, slug: str, subscriber_id: int) -> Response:
    """Queue a message that says nothing new."""
    site = site_of(request)
    found = _find(request, slug, subscriber_id)
    subscribers.send_test_message(site.database, slug, found.id, now=site.now())
    site.wake()
    return _to(slug, "tested")


def _find(request: Request, slug: str, subscriber_id: int) -> SubscriberView:
    if not 0 < subscriber_id <= LARGEST_ID:
        raise NotFound(subscribers.NO_SUBSCRIBER)
    return subscribers.get(site_of(request).database, slug, subscriber_id)


def _list_page(
    request: Request,
    slug: str,
    *,
    secret: str | None = None,
    wrong_kind: str = "",
    typed: Mapping[str, str] | None = None,
    problems: Sequence[FieldProblem] = (),
) -> Response:
    site = site_of(request)
    view = status_pages.get(site.database, slug)
    values = shared.form_values(request, dict(typed or {}), problems)
    wanted = "".join(each for each in request.query_params.get("q", "").strip()[:200] if each.isprintable())
    after = read_position(request, "after")
    sees_secrets = may(request, Action.SEE_SECRETS)
    found, following = subscribers.list_of(
        site.database, slug, containing=wanted, sees_secrets=sees_secrets, limit=PAGE_SIZE, after=after
    )
    return rendering.page(
        request,
        "panel/subscribers.html",
        status_code=422 if problems else 200,
        holds_secret=True,  # a webhook's address is one
        view=view,
        path=page_path(view.slug),
        main=MAIN,
        subscribers=found if sees_secrets else [each.masked() for each in found],
        after=after,
        following=following,
        q=wanted,
        has_mail=site.settings.mail_server is not None,
        default_locale=view.language or site.settings.default_locale.value,
        secret=secret,
        wrong_kind=wrong_kind,
        done=shared.done_of(request, _DONE),
        **values,
    )


def _to(slug: str, done: str) -> Response:
    return RedirectResponse(f"/pages/{slug}/subscribers?done={done}", status_code=303)
