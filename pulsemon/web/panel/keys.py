"""The panel's keys: of programs, of wall screens, and the project's ping key. What was made is shown once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts import keys, ping_keys
from pulsemon.accounts.keys import KeyView, Kind, MadeKey, NewKey
from pulsemon.accounts.roles import Action, Scope
from pulsemon.core.texts import N_
from pulsemon.errors import Conflict, FieldProblem, Invalid
from pulsemon.input import keys as key_fields
from pulsemon.input.rules import Lists, first_of
from pulsemon.web.api.keys import SCREEN_PATH
from pulsemon.web.html import rendering, role_words, viewpoint
from pulsemon.web.http.form_data import Form, FormLists
from pulsemon.web.http.paging import read_position
from pulsemon.web.http.principals import actor_of, principal_of
from pulsemon.web.http.proofs import require_proof
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import the_project_of
from pulsemon.web.panel import shared

router = Router(Audience.PANEL)

PAGE_SIZE = 100
_DONE = {"revoked": N_("Revoked. Whoever shows it is refused from now on.")}
_LAST_DAY = FieldProblem("last_day", "key-last-day", N_("This must be a day that is not over yet, such as 2027-01-31."))
_NO_SCOPE = FieldProblem("scopes", "key-no-scope", N_("Choose at least one."))
# For so long the old key opens yet, in seconds; of these one is chosen.
OVERLAPS = (0, 3_600, 86_400, 7 * 86_400)


@router.get("/keys", Action.ADMINISTER)
def list_keys(request: Request) -> Response:
    """Answer with the keys of the project, or to an owner with all, and the forms for more."""
    return _list_page(request)


@router.post("/keys", Action.ADMINISTER, redraws=True)
def create(request: Request, form: FormLists) -> Response:
    """Make a key. It is on this answer and on no other."""
    require_proof(request)
    try:
        shared.only_draw(request)
        is_whole = first_of(form, "whole") == "yes"
        new = replace(_read(request, form, Kind.KEY), project_id=None if is_whole else the_project_of(request))
        return _list_page(request, made=_make(request, new))
    except Invalid as wrong:
        return _list_page(request, wrong_kind="key", typed=form, problems=wrong.problems)
    except Conflict as refused:
        return _list_page(request, wrong_kind="key", typed=form, problems=(shared.refused("", refused),))


@router.post("/keys/screens", Action.ADMINISTER, redraws=True)
def create_screen(request: Request, form: FormLists) -> Response:
    """Make the address of a wall screen. It is on this answer and on no other."""
    require_proof(request)
    try:
        shared.only_draw(request)
        return _list_page(request, made=_make(request, _read(request, form, Kind.SCREEN)))
    except Invalid as wrong:
        return _list_page(request, wrong_kind="screen", typed=form, problems=wrong.problems)
    except Conflict as refused:
        return _list_page(request, wrong_kind="screen", typed=form, problems=(shared.refused("", refused),))


@router.post("/keys/ping-key", Action.ADMINISTER)
def show_ping_key(request: Request) -> Response:
    """Show what opens the ping URLs by slug of the project's monitors."""
    require_proof(request)
    ping_key = ping_keys.ensure(site_of(request).database, the_project_of(request))
    return _list_page(request, ping_key=ping_key)


@router.get("/keys/ping-key/renew", Action.ADMINISTER)
def confirm_renewal(request: Request) -> Response:
    """Say what a new one breaks."""
    require_proof(request)
    return rendering.page(request, "panel/ping_key.html")


@router.post("/keys/ping-key/renew", Action.ADMINISTER)
def renew_ping_key(request: Request) -> Response:
    """Make another ping key; the old one opens nothing at once."""
    require_proof(request)
    site = site_of(request)
    ping_key = ping_keys.renew(site.database, the_project_of(request), now=site.now())
    site.wake()
    return _list_page(request, ping_key=ping_key)


@router.get("/keys/{key_id}/rotate", Action.ADMINISTER)
def confirm_rotation(request: Request, key_id: str) -> Response:
    """Ask how long the old one opens yet."""
    require_proof(request)
    return _question(request, key_id, "rotate")


@router.post("/keys/{key_id}/rotate", Action.ADMINISTER)
def rotate(request: Request, key_id: str, form: Form) -> Response:
    """Make a second key with the settings of this one. It is on this answer and on no other."""
    require_proof(request)
    site, chosen = site_of(request), form.get("overlap", "")
    overlap_sec = next((each for each in OVERLAPS if str(each) == chosen), int(keys.OVERLAP.total_seconds()))
    try:
        made = keys.rotate(
            site.database,
            key_id,
            project_id=_within(request),
            maker=principal_of(request),
            made_by=_maker(request),
            overlap=timedelta(seconds=overlap_sec),
            now=site.now(),
        )
    except Conflict as refused:
        return _question(request, key_id, "rotate", refused)
    return _list_page(request, made=made)


@router.get("/keys/{key_id}/revoke", Action.ADMINISTER)
def confirm_revocation(request: Request, key_id: str) -> Response:
    """Say what stops."""
    require_proof(request)
    return _question(request, key_id, "revoke")


@router.post("/keys/{key_id}/revoke", Action.ADMINISTER)
def revoke(request: Request, key_id: str) -> Response:
    """Have a key open nothing from this moment on."""
    require_proof(request)
    site = site_of(request)
    keys.revoke(site.database, key_id, project_id=_within(request), now=site.now())
    return RedirectResponse(f"/keys{viewpoint.in_project(request, done='revoked')}", status_code=303)


def _within(request: Request) -> int | None:
    """Return the project whose keys whoever asks may change, None: an owner, all."""
    return None if principal_of(request).is_owner else the_project_of(request)


def _shows_all(request: Request) -> bool:
    """Return whether keys of all projects are listed: where there is one alone, an owner sees no difference."""
    has_several = site_of(request).projects().has_several
    return _within(request) is None and (not has_several or request.query_params.get("all") == "yes")


def _read(request: Request, form: Lists, kind: Kind) -> NewKey:
    """Return the key that a form asks for, of the project that is shown. Raises Invalid."""
    now, values = site_of(request).now(), {"name": first_of(form, "name"), "kind": kind.value}
    scopes = {"scopes": list(form.get("scopes", ()))} if kind is Kind.KEY else {}
    problems: list[FieldProblem] = []
    try:
        expires_at = _end_of(first_of(form, "last_day"), rendering.zone_of(request), now)
    except Invalid as wrong:
        problems, expires_at = list(wrong.problems), None
    try:
        asked = key_fields.create_from_json(values | scopes, now=now)
    except Invalid as wrong:
        problems = [_NO_SCOPE if each.field == "scopes" else each for each in wrong.problems] + problems
    if problems:
        raise Invalid(tuple(problems))
    return NewKey(asked.name, asked.scopes, the_project_of(request), expires_at, kind)


def _end_of(text: str, zone: str, now: datetime) -> datetime | None:
    """Return when the day that was typed is over by the reader's clock; None where none was. Raises Invalid."""
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip()) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise Invalid((_LAST_DAY,)) from None
    end = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    if end <= now:
        raise Invalid((_LAST_DAY,))
    return end


def _make(request: Request, new: NewKey) -> MadeKey:
    site = site_of(request)
    return keys.create(site.database, new, maker=principal_of(request), made_by=_maker(request), now=site.now())


def _maker(request: Request) -> str:
    actor = actor_of(request)
    return actor.name or actor.kind.value


def _list_page(
    request: Request,
    *,
    made: MadeKey | None = None,
    ping_key: str = "",
    wrong_kind: str = "",
    typed: Lists | None = None,
    problems: Sequence[FieldProblem] = (),
) -> Response:
    site, after, shows_all = site_of(request), read_position(request, "after"), _shows_all(request)
    project_id = None if shows_all else the_project_of(request)
    found, following = keys.list_of(site.database, project_id=project_id, limit=PAGE_SIZE, after=after)
    lists = typed or {"scopes": [Scope.READ.value]}
    firsts = {name: texts[0] if texts else "" for name, texts in lists.items() if name != "scopes"}
    return rendering.page(
        request,
        "panel/keys.html",
        status_code=shared.status_of(problems),
        holds_secret=made is not None or bool(ping_key),
        keys=found,
        after=after,
        following=following,
        shows_all=shows_all,
        made=made,
        address=_address(request, made),
        ping_key=ping_key,
        wrong_kind=wrong_kind,
        chosen_scopes=list(lists.get("scopes", ())),
        done=shared.done_of(request, _DONE),
        **_words_of(request),
        **shared.form_values(request, firsts, problems),
    )


def _address(request: Request, made: MadeKey | None) -> str:
    """Return where a wall screen stands that was made just now."""
    if made is None or made.view.kind is not Kind.SCREEN:
        return ""
    return site_of(request).origin(request) + SCREEN_PATH.format(token=made.secret)


def _words_of(request: Request) -> Mapping[str, Any]:
    """Return what templates of keys say of each."""
    known = site_of(request).projects()

    def project_of(view: KeyView) -> str:
        """Return the name of a key's project; "" where it opens all."""
        project = None if view.project_id is None else known.of_id(view.project_id)
        return project.name if project else ""

    return {
        "scopes": [(each.value, role_words.SCOPE_SENTENCES[each]) for each in Scope],
        "has_several": known.has_several,
        "project_of": project_of,
    }


def _question(request: Request, key_id: str, question: str, refused: Conflict | None = None) -> Response:
    view = keys.get(site_of(request).database, key_id, project_id=_within(request))
    return rendering.page(
        request,
        "panel/key_question.html",
        status_code=200 if refused is None else 409,
        view=view,
        question=question,
        refused=refused,
        overlaps=OVERLAPS,
        usual_overlap=int(keys.OVERLAP.total_seconds()),
    )
