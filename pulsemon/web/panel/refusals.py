"""Pages for whoever may not do what was asked for: what he is here, what it takes, and who can give it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pulsemon.accounts.roles import LEAST_ROLE
from pulsemon.web.html import rendering, role_words
from pulsemon.web.html.words import Words
from pulsemon.web.http.principals import principal_of
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import NotAllowed, found_project


def page(request: Request, refused: NotAllowed) -> Response:
    """Answer whoever has a session, and a role that does not allow it."""
    principal, project_id = principal_of(request), found_project(request)
    if project_id is None and not principal.is_owner:
        return no_project(request, status_code=403)
    words = Words(rendering.locale_of(request), site_of(request).now())
    role = principal.roles.get(project_id) if project_id is not None else None
    return rendering.page(
        request,
        "panel/not_allowed.html",
        status_code=403,
        role="" if role is None else role_words.role_word(words, role),
        need=role_words.need_of(words, refused.action),
        can_be_given=refused.action in LEAST_ROLE,
    )


def no_project(request: Request, *, status_code: int = 200) -> Response:
    """Answer whoever is a member of no project, or of none any more: who lets him in."""
    return rendering.page(request, "panel/no_project.html", status_code=status_code)
