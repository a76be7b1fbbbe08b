"""Write into both security pages who may ask for which route; a test holds pages and program against each other.

python scripts/access_table.py
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "docs" / "security.md", ROOT / "docs" / "pt-BR" / "security.md")
sys.path.insert(0, str(ROOT))

from starlette.routing import Mount  # noqa: E402 - the path comes first

from pulsemon.accounts.roles import LEAST_ROLE, NOBODY, OPENED_BY, Action, Scope, allowed  # noqa: E402
from pulsemon.web.api import openapi_paths  # noqa: E402
from pulsemon.web.app import make_fastapi  # noqa: E402
from pulsemon.web.http.routing import Audience, Route  # noqa: E402
from pulsemon.web.http.site import Site  # noqa: E402
from pulsemon.web.http.whose import name_of  # noqa: E402

_BLOCK = re.compile(r"(?<=^```text\n)who .*?(?=^```$)", re.MULTILINE | re.DOTALL)
_HEADINGS = ("who", "action", "may", "names", "methods", "path")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_PROOFS = {Audience.API: "token", Audience.PANEL: "session"}


_NOTHING = "-"


class Row(NamedTuple):
    """One line of the table.

    Who: everybody, an address that holds a secret, the token or a key, a session. May: the least role, or the scopes of
    keys. Names: what of a project stands in the path.
    """

    who: str
    action: str
    may: str
    names: str
    methods: tuple[str, ...]
    path: str


def rows() -> list[Row]:
    """Return every route of the program, the pings' and the static files too, by action and path."""
    taken: dict[tuple[str, str, str, str, str], set[str]] = {}
    for who, action, may, names, methods, path in _routes():
        taken.setdefault((who, action, may, names, path), set()).update(methods)
    found = [
        Row(who, action, may, names, tuple(each for each in _METHODS if each in methods), path)
        for (who, action, may, names, path), methods in taken.items()
    ]
    order = [each.value for each in Action]
    return sorted(found, key=lambda row: (order.index(row.action), row.who, row.path))


def _routes() -> Iterator[tuple[str, Action, str, str, set[str], str]]:
    for path, methods in openapi_paths.pings().items():
        yield "address", Action.PING, _NOTHING, _NOTHING, {each.upper() for each in methods}, path
    for route in make_fastapi(cast("Site", None)).routes:  # declaring routes asks nothing of the site
        if isinstance(route, Route):
            names = name_of(route.about, route.path_format) or _NOTHING
            yield _who(route), route.action, _may(route), names, set(route.methods), route.path_format
        elif isinstance(route, Mount):
            yield "everybody", Action.PUBLIC, _NOTHING, _NOTHING, {"GET", "HEAD"}, f"{route.path}/{{file}}"


def _may(route: Route) -> str:
    """Return the least role, of a page; the scopes, of the API."""
    if allowed(NOBODY, route.action, None):
        return _NOTHING
    if route.audience is Audience.API:
        scopes = [scope for scope in Scope if route.action in OPENED_BY[scope]]
        return ",".join(scopes) or "owner"
    return "user" if route.action is Action.OWN_ACCOUNT else LEAST_ROLE.get(route.action, "owner")


def _who(route: Route) -> str:
    if route.action is Action.PUBLIC:
        return "everybody"
    return "address" if allowed(NOBODY, route.action, None) else _PROOFS[route.audience]


def render() -> str:
    """Return the lines of the table."""
    lines = [_HEADINGS, *((*row[:4], " ".join(row.methods), row.path) for row in rows())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def read(page: Path) -> str:
    """Return the table as a page has it."""
    found = _BLOCK.search(page.read_text(encoding="utf-8"))
    return found[0] if found else ""


def write() -> None:
    """Put the table into both pages."""
    made = render()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(_BLOCK.sub(lambda _: made, text), encoding="utf-8")


if __name__ == "__main__":
    write()
