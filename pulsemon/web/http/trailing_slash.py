"""A page that is asked for with a slash at its end is the page without it: the visitor is led there, the query kept.

308, which keeps method and body: a form is sent once more to the right place. A ping URL is none of this: its gate
answers with and without the slash.
"""

from __future__ import annotations

from urllib.parse import quote

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import Match

# What a path may hold unencoded (RFC 3986, 3.3), and the percent signs of what is encoded already.
_SAFE = "/%:@!$&'()*+,;=~-._"


def address_without(request: Request) -> str | None:
    """Return the path and query that a request for a path with a slash at its end means; None if no route has it.

    Always a path of ours: one that begins with two slashes, which browsers take for a host's name, is no route's.
    """
    scope = request.scope
    path, raw_path = scope["path"], scope.get("raw_path") or quote(scope["path"]).encode()
    raw_path = raw_path.partition(b"?")[0]
    if not (path.endswith("/") and raw_path.endswith(b"/")) or path.endswith("//"):
        return None
    shorter = {**scope, "path": path[:-1], "raw_path": raw_path[:-1]}
    is_known = any(
        isinstance(route, APIRoute) and route.matches(shorter)[0] is not Match.NONE for route in request.app.routes
    )
    address = quote(raw_path[:-1], safe=_SAFE)
    if not is_known or not address.startswith("/") or address.startswith("//"):
        return None
    query = scope["query_string"].decode("latin-1")
    return f"{address}?{quote(query, safe=_SAFE + '?[]|')}" if query else address
