"""The names under which a session's id is kept in a browser, and who could have put it there.

Under HTTPS the name begins with `__Host-`: no other host, no page without HTTPS and no other path can have set it.
Where the server stands below a path (`--root-path`) it is `__Secure-`, for that path alone. Without HTTPS browsers know
neither; then, and for whoever logged in before there were such names, it is the plain one. A stronger name wins, for a
neighbour under the same domain can set the plain one.

Source: RFC 6265bis, 4.1.3
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

PLAIN = "pulsemon_session"
# The strongest first.
NAMES = (f"__Host-{PLAIN}", f"__Secure-{PLAIN}", PLAIN)
# What `access.open_session` and `web.http.principals` make: 32 bytes, a full stop, and the 32 of the signature. Nothing
# else is tried; of these at most seven hundred fit into the headers of a request, and each costs some ten microseconds.
_SIGNED_ID = re.compile(r"[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{43}")


def values_of(headers: Headers) -> Iterator[str]:
    """Yield what the cookies of these names hold, those of the strongest name first, each once; nothing but signed ids.

    However many there are: who may set cookies for the whole domain could hide the right one behind a crowd of others.
    Read by the letter, for a reader that trims all kinds of space takes the cookie of another name for `__Host-`.
    """
    pairs = [
        (name.strip(" \t"), value.strip(" \t"))
        for line in headers.getlist("cookie")
        if PLAIN in line
        for name, _, value in (each.partition("=") for each in line.split(";") if PLAIN in each)
    ]
    signed = dict.fromkeys(pair for pair in pairs if pair[0] in NAMES and _SIGNED_ID.fullmatch(pair[1]))
    for wanted in NAMES:
        yield from (value for name, value in signed if name == wanted)


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
