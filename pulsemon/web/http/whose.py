"""Which project a request is about: that of what its path names, or of the list that it asks for.

What belongs to a project that the principal knows nothing of is answered as what does not exist, by the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starlette.requests import Request

from pulsemon.accounts import access, projects
from pulsemon.accounts.projects import DEFAULT_ID, Entry
from pulsemon.accounts.roles import LEAST_ROLE, OPENED_BY, Action, Principal, Proof, Scope, allowed
from pulsemon.errors import NO_INCIDENT, NO_MAINTENANCE, NO_MONITOR, NO_PAGE, NO_PROJECT, Forbidden, NotFound
from pulsemon.incidents import rows as incident_rows
from pulsemon.input import projects as project_fields
from pulsemon.maintenance import plans
from pulsemon.monitors import lookup
from pulsemon.status_pages import directory as page_directory
from pulsemon.web.http.principals import principal_of, session_ids_of
from pulsemon.web.http.site import Site, site_of

# Where the id of that project stands in the scope of a request; None: all, for whoever may see all.
PROJECT_KEY = "pulsemon.project"
# In an address of the API: the project of a list.
PARAMETER = "project"
NOT_ALLOWED = "Your role here, or the scopes of this key, do not allow this."
# What scripts fetch of a page that stays open: it says nothing of what somebody looks at now.
_FRAGMENTS = ("/fragments/", "/events")


class NotAllowed(Forbidden):
    """Whoever asks may look at it, and not do *action*."""

    def __init__(self, action: Action) -> None:
        super().__init__(f"{NOT_ALLOWED} {_needs(action)}".rstrip())
        self.action = action


def _needs(action: Action) -> str:
    """Return what an action takes, as the API says it."""
    if action not in LEAST_ROLE:
        return "It takes an owner."
    scopes = [each.value for each in Scope if action in OPENED_BY[each]]
    return f"It takes the role {LEAST_ROLE[action].value}, or a key with one of the scopes {', '.join(scopes)}."


class About(StrEnum):
    """What the path of a route names, where it names something that belongs to a project."""

    MONITOR = "monitor"
    PAGE = "page"
    INCIDENT = "incident"
    MAINTENANCE = "maintenance"
    # The project itself.
    PROJECT = "project"


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
    About.PROJECT: _Kind(projects.project_of, ("slug",), NO_PROJECT),
}


def name_of(about: About | None, path: str) -> str | None:
    """Return what of a project *path*, as a route declares it, names; None: nothing."""
    if about is None or not any(f"{{{each}}}" in path for each in _KINDS[about].parameters):
        return None
    return about.value


def needs_database(request: Request, about: About | None) -> bool:
    """Return whether `admit` may have to read anything for a program: its path or its query names something."""
    if PARAMETER in request.query_params:
        return True
    return about is not None and any(each in request.path_params for each in _KINDS[about].parameters)


def admit(request: Request, principal: Principal, action: Action, about: About | None) -> int | None:
    """Return the id of the project that *request* is about, None for all; put it into the request.

    The pages of a session follow to what it asks for: they show the project of that from then on.

    Raises:
        NotFound: what the path names does not exist, or is of a project that *principal* knows nothing of.
        NotAllowed: he knows of it, and may not do this.
    """
    site, kind = site_of(request), None if about is None else _KINDS[about]
    named = None if kind is None else next((each for each in kind.parameters if each in request.path_params), None)
    if kind is None or named is None:
        found = _of_list(site, request, principal)
    elif principal.is_owner and about is not About.PROJECT and not site.projects().has_several:
        found = DEFAULT_ID
    else:
        with site.database.read() as connection:
            found = kind.find(connection, request.path_params[named])
        if found is None or not _is_within(principal, found):
            raise NotFound(kind.nothing)
    request.scope[PROJECT_KEY] = found
    if principal.proof is Proof.SESSION and about is not About.PROJECT:
        _follow(site, request, principal, found)
    if not allowed(principal, action, found):
        raise NotAllowed(action)
    return found


def _follow(site: Site, request: Request, principal: Principal, project_id: int | None) -> None:
    """Have the pages of a session show what it went to."""
    is_fragment = request.url.path.startswith(_FRAGMENTS) or "hx-request" in request.headers
    if project_id is not None and not is_fragment and project_id != shown_project(site, principal):
        choose(site, request, project_id)


def choose(site: Site, request: Request, project_id: int) -> None:
    """Have the pages of the session that *request* came with show this project."""
    for session_id in session_ids_of(request):
        access.choose_project(site.database, session_id, project_id)


def _is_within(principal: Principal, project_id: int) -> bool:
    """Return whether the project is one that *principal* knows of, whatever he may do there."""
    if principal.is_owner:
        return True
    if principal.proof is Proof.KEY:
        return principal.project_id in (None, project_id)
    return project_id in principal.roles


def _of_list(site: Site, request: Request, principal: Principal) -> int | None:
    asked = request.query_params.get(PARAMETER)
    if asked is None:
        return shown_project(site, principal) if principal.proof is Proof.SESSION else principal.project_id
    found = site.project_of_slug(asked)
    if found is None or not _is_within(principal, found):
        raise NotFound(NO_PROJECT)
    return found


def visible_projects(site: Site, principal: Principal) -> Sequence[Entry]:
    """Return the projects that pages of a session can show."""
    known = site.projects()
    return known.entries if principal.is_owner else known.among(principal.roles)


def shown_project(site: Site, principal: Principal) -> int | None:
    """Return the id of the project that pages of a session show; None: its user is a member of none."""
    ids = [each.id for each in visible_projects(site, principal)]
    if principal.project_id in ids:
        return principal.project_id
    if principal.is_owner:
        return DEFAULT_ID
    return ids[0] if ids else None


def may(request: Request, action: Action, project_id: int | None = None) -> bool:
    """Return whether whoever asks may do this too, in the project of the request, or in another one."""
    return allowed(principal_of(request), action, project_of(request) if project_id is None else project_id)


def require(request: Request, action: Action) -> None:
    """Where it takes more than the route says: raise NotAllowed unless whoever asks may do this too."""
    if not may(request, action):
        raise NotAllowed(action)


def project_of(request: Request) -> int | None:
    """Return the id of the project that `admit` found; None: all."""
    found: int | None = request.scope[PROJECT_KEY]
    return found


def found_project(request: Request) -> int | None:
    """Return the same for a page that is shown to whoever was not let in; None, too, where nobody asked."""
    found: int | None = request.scope.get(PROJECT_KEY)
    return found


def the_project_of(request: Request) -> int:
    """Return the same where it is always one: in the panel."""
    found = project_of(request)
    if found is None:
        raise Forbidden(NOT_ALLOWED)
    return found


def project_for(request: Request, named: str | None) -> int:
    """Return the id of the project in which a request of the API makes something.

    It is the one that its body names, else that of the key, else the first one. Raises NotFound: there is none of that
    slug, or none that whoever asks may see.
    """
    within = project_of(request)
    if named is None:
        return DEFAULT_ID if within is None else within
    found = site_of(request).project_of_slug(named)
    if found is None or within not in (None, found):
        raise NotFound(NO_PROJECT)
    return found


def destination(request: Request, named: str) -> int:
    """Return the id of the project that something is to be moved to.

    Raises NotFound: there is none of that slug, or none that whoever asks may see. Raises Forbidden: he may see it, and
    not do there what the route does.
    """
    found, principal = site_of(request).project_of_slug(named), principal_of(request)
    if found is None or not _is_within(principal, found):
        raise NotFound(NO_PROJECT)
    if not allowed(principal, Action.EDIT, found):
        raise Forbidden(NOT_ALLOWED)
    return found


def refuse_move(request: Request, named: str | None) -> None:
    """Refuse the body of an edit that names another project than that of what is edited. Raises Invalid."""
    site = site_of(request)
    project_fields.refuse_move(named, site.project_slug(the_project_of(request)))


def asked_project(request: Request) -> dict[str, str]:
    """Return what the address of a list says of the project, for the address of its next part."""
    asked = request.query_params.get(PARAMETER)
    return {} if asked is None else {PARAMETER: asked}
