"""The field in which monitors are chosen: those that are, and a search for others; it grows with the choice alone.

A form posts `scope` (all, chosen), `monitor` (slugs), `slugs` (the same, typed), `group` and `tag`. Groups and tags
stand for the monitors that they have when the form is sent. `find` is the search; the button `search` asks for the
form again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from pulsemon.accounts.roles import Action
from pulsemon.db import Database
from pulsemon.errors import Invalid
from pulsemon.input.rules import MAX_MONITORS, FieldRules, Lists, first_of
from pulsemon.monitors import lookup
from pulsemon.monitors.lookup import Found, Named
from pulsemon.web.html import rendering
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.whose import the_project_of

router = Router(Audience.PANEL)

RESULTS_SHOWN = 20
_MAX_SEARCH_LENGTH = 200
_TOO_MANY = "too-many-chosen"
_RULES = FieldRules({}, limits={("monitors", _TOO_MANY): (("max", MAX_MONITORS),)})


@dataclass(frozen=True, slots=True)
class Choice:
    """What the field shows. `monitors`: slug -> the chosen one, None where there is none. `groups`, `tags`: sizes."""

    monitors: dict[str, Named | None]
    groups: dict[str, int]
    tags: dict[str, int]
    typed: str
    text: str
    found: Found

    @property
    def is_empty(self) -> bool:
        """Whether nothing is chosen."""
        return not (self.monitors or self.groups or self.tags)


def is_search(form: Lists) -> bool:
    """Return whether the form was sent to search, and not to be saved."""
    return bool(form.get("search"))


def only_search(form: Lists) -> None:
    """Where a form was sent to search, raise Invalid without a problem: nothing is done, and it is drawn again."""
    if is_search(form):
        raise Invalid(())


def names_some(form: Lists) -> bool:
    """Return whether a form names monitors, in whatever way."""
    return any(each.strip() for name in ("monitor", "slugs", "group", "tag") for each in form.get(name, ()))


def choice_of(site: Site, form: Lists, *, project_id: int) -> Choice:
    """Return what the field shows of a form, with what its search finds, in a fixed number of queries.

    Of monitors, groups and tags of the project alone: any other is shown as one that is not there.
    """
    slugs = list(dict.fromkeys(form.get("monitor", ())))[: MAX_MONITORS + 1]
    known = lookup.named(site.database, slugs, project_id=project_id)
    groups, tags = lookup.sizes(site.database, _names(form, "group"), _names(form, "tag"), project_id=project_id)
    text = first_of(form, "find")[:_MAX_SEARCH_LENGTH]
    return Choice(
        monitors={each: known.get(each) for each in slugs},
        groups=groups,
        tags=tags,
        typed=first_of(form, "slugs"),
        text=text,
        found=_found(site, text, project_id),
    )


def resolved(database: Database, form: Lists, *, project_id: int) -> Lists:
    """Return the form with all that is chosen of a project as slugs in `monitor`; whether each is there is asked later.

    Raises:
        Invalid: these are more monitors than a form takes.
    """
    named = [*form.get("monitor", ()), *first_of(form, "slugs").replace(",", " ").split()]
    groups, tags = _names(form, "group"), _names(form, "tag")
    if groups or tags:
        named += lookup.slugs_of(database, groups, tags, limit=MAX_MONITORS + 1, project_id=project_id)
    slugs = list(dict.fromkeys(named))
    if len(slugs) > MAX_MONITORS and first_of(form, "scope") != "all":
        raise Invalid((_RULES.problem("monitors", _TOO_MANY),))
    return {**form, "monitor": slugs}


def _found(site: Site, text: str, project_id: int) -> Found:
    return lookup.find(site.database, text, site.facets(project_id), limit=RESULTS_SHOWN, project_id=project_id)


def _names(form: Lists, field: str) -> Sequence[str]:
    return list(dict.fromkeys(each for each in form.get(field, ()) if each))


@router.get("/fragments/choose", Action.READ)
def found_fragment(request: Request) -> Response:
    """Answer with what a search for monitors finds."""
    text = request.query_params.get("find", "")[:_MAX_SEARCH_LENGTH]
    found = _found(site_of(request), text, the_project_of(request))
    return rendering.page(request, "parts/found.html", found=found, is_fragment=True)
