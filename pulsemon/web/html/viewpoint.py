"""What pages say of whoever looks at them: what may be done there, which project is shown, and which others could be.

Templates ask by these names; a page that does not ask costs nothing. Where there is one project, nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from pulsemon.accounts.projects import Entry
from pulsemon.accounts.roles import Action, Principal, Proof, allowed
from pulsemon.web.http.principals import principal_of
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import PARAMETER, found_project, visible_projects


def names_of(request: Request) -> dict[str, Any]:
    """Return what templates may ask, by name."""
    asked = (may, other_projects, project_here, in_project, back_to_list, who_looks)
    return {each.__name__: partial(each, request) for each in asked}


def may(request: Request, action: str) -> bool:
    """Return whether whoever asks may do *action* in the project of the request, as the route of a form would say.

    Templates ask it (`may("edit")`) of every button, link and form.
    """
    return allowed(principal_of(request), Action(action), found_project(request))


def who_looks(request: Request) -> Principal:
    """Return whoever asks."""
    return principal_of(request)


def project_here(request: Request) -> Entry | None:
    """Return the project that a page shows; None where nobody needs to know that there are any."""
    principal, shown = principal_of(request), found_project(request)
    known = site_of(request).projects() if principal.proof is Proof.SESSION else None
    return known.of_id(shown) if known is not None and shown is not None and known.has_several else None


def other_projects(request: Request) -> Sequence[Entry]:
    """Return the projects that whoever looks can go to from here."""
    here = project_here(request)
    found = visible_projects(site_of(request), principal_of(request)) if here is not None else ()
    return [each for each in found if each != here]


def in_project(request: Request, **more: str) -> str:
    """Return the end of an address of what belongs to no thing but to the project of this page: `?project=shop`.

    A form that was opened in one project is sent there, whatever other pages show by then. *more*: what else it asks.
    """
    here = project_here(request)
    asked = more if here is None else {PARAMETER: here.slug} | more
    return f"?{urlencode(asked)}" if asked else ""


def back_to_list(request: Request) -> str:
    """Return the address of the list that this page belongs to, where another project has a page too."""
    first = request.url.path.strip("/").partition("/")[0]
    return f"/{first}" if f"/{first}" in request.app.state.grounds.pages else "/"
