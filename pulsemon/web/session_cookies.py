"""The names under which a session's id is kept in a browser, and who could have put it there.

Under HTTPS the name begins with `__Host-`: no other host, no page without HTTPS and no other path can have set it.
Where the server stands below a path (`--root-path`) it is `__Secure-`, for that path alone. Without HTTPS browsers know
neither; then, and for whoever logged in before there were such names, it is the plain one. A stronger name wins, for a
neighbour under the same domain can set the plain one.

Source: RFC 6265bis, 4.1.3
"""

from __future__ import annotations

from collections.abc import Iterator

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

PLAIN = "pulsemon_session"
# The strongest first.
NAMES = (f"__Host-{PLAIN}", f"__Secure-{PLAIN}", PLAIN)
# A browser sends one of each name, and one more for each path and domain; more is nobody's browser.
_MAX_VALUES = 10


def values_of(headers: Headers) -> Iterator[str]:
    """Yield what the cookies of these names hold, those of the strongest name first; at most ten.

    Read by the letter, for a reader that trims all kinds of space takes the cookie of another name for `__Host-`.
    """
    pairs = [
        (name.strip(" \t"), value.strip(" \t"))
        for line in headers.getlist("cookie")
        if PLAIN in line
        for name, _, value in (each.partition("=") for each in line.split(";") if PLAIN in each)
    ]
    pairs = [(name, value) for name, value in pairs if name in NAMES][:_MAX_VALUES]
    for wanted in NAMES:
        yield from (value for name, value in pairs if name == wanted)


def _place(request: Request) -> tuple[str, str]:
    """Return the name that a cookie gets now, and its path."""
    root_path = str(request.scope.get("root_path", "")).rstrip("/")
    if request.url.scheme != "https":
        return PLAIN, "/"
    return (NAMES[1], root_path) if root_path else (NAMES[0], "/")


def give(request: Request, response: Response, value: str, *, max_age_sec: int) -> None:
    """Set the cookie under the strongest name that this connection allows, and take the others away."""
    own, path = _place(request)
    is_secure = request.url.scheme == "https"
    take_away(request, response, but=own)
    response.set_cookie(own, value, max_age=max_age_sec, path=path, httponly=True, samesite="lax", secure=is_secure)


def take_away(request: Request, response: Response, *, but: str = "") -> None:
    """Have the browser forget the session's cookies under every name that it sent, *but* for one."""
    sent = ";".join(request.headers.getlist("cookie"))
    is_secure = request.url.scheme == "https"
    root_path = str(request.scope.get("root_path", "")).rstrip("/")
    for name in NAMES:
        # Without HTTPS a browser neither sends the strong ones nor lets us take them away.
        if name == but or (name != PLAIN and not is_secure) or name not in sent:
            continue
        path = root_path if name == NAMES[1] and root_path else "/"
        response.delete_cookie(name, path=path, httponly=True, samesite="lax", secure=is_secure)
