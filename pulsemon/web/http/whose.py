"""Which project a request is about: that of what its path names, or of the list that it asks for.

What belongs to a project that the principal may not look at is answered as what does not exist, by the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starlette.requests import Request

from pulsemon.accounts.projects import DEFAULT_ID
from pulsemon.accounts.roles import Action, Principal, Proof, allowed
from pulsemon.errors import NO_INCIDENT, NO_MAINTENANCE, NO_MONITOR, NO_PAGE, NO_PROJECT, Forbidden, NotFound
from pulsemon.incidents import rows as incident_rows
from pulsemon.maintenance import plans
from pulsemon.monitors import lookup
from pulsemon.status_pages import directory as page_directory
from pulsemon.web.http.site import Site, site_of

# Where the id of that project stands in the scope of a request; None: all, for whoever may see all.
PROJECT_KEY = "pulsemon.project"
# In an address of the API: the project of a list.
PARAMETER = "project"
NOT_ALLOWED = "What you are here does not allow this."


class About(StrEnum):
    """What the path of a route names, where it names something that belongs to a project."""

    MONITOR = "monitor"
    PAGE = "page"
    INCIDENT = "incident"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the project of such a thing is found, by which parameter of the path; what is said where there is none."""

    find: Callable[[Any, Any], int | None]
    parameters: tuple[str, ...]
    nothing: str


_KINDS: Mapping[About, _Kind] = {
    About.MONITOR: _Kind(lookup.project_of, ("slug", "monitor_id"), NO_MONITOR),
    About.PAGE: _Kind(page_directory.project_of, ("slug",), NO_PAGE),
    About.INCIDENT: _Kind(incident_rows.project_of, ("incident_id", "public_id"), NO_INCIDENT),
    About.MAINTENANCE: _Kind(plans.project_of, ("maintenance_id",), NO_MAINTENANCE),
}


def admit(request: Request, principal: Principal, action: Action, about: About | None) -> int | None:
    """Return the id of the project that *request* is about, None for all; put it into the request.

    Raises:
        NotFound: what the path names does not exist, or is of a project that *principal* may not look at.
        Forbidden: he may look at it, and not do this.
    """
    site, kind = site_of(request), None if about is None else _KINDS[about]
    named = None if kind is None else next((each for each in kind.parameters if each in request.path_params), None)
    if kind is None or named is None:
        found = _of_list(site, request, principal)
    elif principal.is_owner and not site.projects().has_several:
        found = DEFAULT_ID
    else:
        with site.database.read() as connection:
            found = kind.find(connection, request.path_params[named])
        if found is None or not _may_look(principal, found):
            raise NotFound(kind.nothing)
    if not allowed(principal, action, found):
        raise Forbidden(NOT_ALLOWED)
    request.scope[PROJECT_KEY] = found
    return found


def _may_look(principal: Principal, project_id: int) -> bool:
    return any(allowed(principal, each, project_id) for each in (Action.READ, Action.READ_INCIDENTS))


def _of_list(site: Site, request: Request, principal: Principal) -> int | None:
    if principal.proof is Proof.SESSION:
        return shown_project(site, principal)
    asked = request.query_params.get(PARAMETER)
    if asked is None:
        return principal.project_id
    found = site.project_of_slug(asked)
    if found is None or principal.project_id not in (None, found):
        raise NotFound(NO_PROJECT)
    return found


def shown_project(site: Site, principal: Principal) -> int | None:
    """Return the id of the project that pages of a session show; None: its user is a member of none."""
    known = site.projects()
    there = known.entries if principal.is_owner else known.among(principal.roles)
    ids = [each.id for each in there]
    if principal.project_id in ids:
        return principal.project_id
    if principal.is_owner:
        return DEFAULT_ID
    return ids[0] if ids else None


def project_of(request: Request) -> int | None:
    """Return the id of the project that `admit` found; None: all."""
    found: int | None = request.scope[PROJECT_KEY]
    return found


def the_project_of(request: Request) -> int:
    """Return the same where it is always one: in the panel."""
    found = project_of(request)
    if found is None:
        raise Forbidden(NOT_ALLOWED)
    return found
