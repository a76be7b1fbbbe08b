"""What paths say by themselves, before a route is found or where there is none: read once from what routes declare."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.routing import BaseRoute

from pulsemon.accounts.roles import OPEN, Action
from pulsemon.web.http.routing import Audience, Route

API_ROOT = "/api/"
PING_ROOT = "/h/"


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a path says by itself, before a route is found or where there is none."""

    # Names below /api/ that are closed with all that is below them.
    closed_names: frozenset[str]
    # Paths that may be asked for from other origins.
    one_click_paths: tuple[re.Pattern[str], ...]
    # First names of paths where errors are told in JSON.
    names_of_programs: frozenset[str]
    # Paths of the panel, as routes declare them, that a login may lead to.
    pages: frozenset[str]

    def is_closed(self, path: str) -> bool:
        """Return whether nothing is told there without the token or a key, not even that there is nothing."""
        return path.startswith(API_ROOT) and _first_name(path, API_ROOT) in self.closed_names

    def is_one_click(self, path: str) -> bool:
        """Return whether a mail provider may ask for this by itself."""
        return any(each.fullmatch(path) for each in self.one_click_paths)

    def is_of_programs(self, path: str) -> bool:
        """Return whether errors are told in JSON where no route takes *path*."""
        return _first_name(path, "/") in self.names_of_programs

    def page_of(self, declared: str, path: str) -> str:
        """Return the page that a form stands on that was sent to *path*: there, or the nearest above; "" for none.

        *declared*: the same path with the names of its parameters. A Referer may be missing, and may name the answer to
        another form, which no GET brings back.
        """
        while declared and declared not in self.pages:
            declared, path = declared.rpartition("/")[0], path.rpartition("/")[0]
        return path if declared else ""


def grounds_of(routes: Iterable[BaseRoute]) -> Grounds:
    """Return what the declarations of *routes* say about paths."""
    declared = [each for each in routes if isinstance(each, Route)]
    closed = {
        _first_name(each.path, API_ROOT)
        for each in declared
        if each.audience is Audience.API and each.action not in OPEN
    }
    of_programs = {_first_name(each.path, "/") for each in declared if each.audience.is_of_programs}
    of_pages = {_first_name(each.path, "/") for each in declared if not each.audience.is_of_programs}
    return Grounds(
        closed_names=frozenset(closed),
        one_click_paths=tuple({each.path_regex for each in declared if each.action is Action.ONE_CLICK}),
        names_of_programs=frozenset({*of_programs - of_pages, _first_name(PING_ROOT, "/")}),
        pages=frozenset(each.path_format for each in declared if _is_page(each)),
    )


def _is_page(route: Route) -> bool:
    return route.audience is Audience.PANEL and route.action not in OPEN and "GET" in (route.methods or ())


def _first_name(path: str, root: str) -> str:
    return path.removeprefix(root).partition("/")[0]


def require_declarations(routes: Iterable[BaseRoute]) -> None:
    """Refuse a route that declares no access rule, or one that its path contradicts. Raises TypeError."""
    declared = []
    for route in routes:
        if not isinstance(route, Route):
            raise TypeError(f"route {route} declares no access rule")
        declared.append(route)
    grounds = grounds_of(declared)
    for route in declared:
        is_behind_a_token = route.audience is Audience.API and route.action not in OPEN
        if grounds.is_closed(route.path) != is_behind_a_token or _first_name(route.path, API_ROOT).startswith("{"):
            raise TypeError(f"route {route.path} declares another access rule than its path has")
        if route.action not in OPEN and not route.audience.is_owners:
            raise TypeError(f"route {route.path} declares an access rule, and nobody there is asked who it is")
        if route.action in (Action.LINK, Action.ONE_CLICK) and "{token}" not in route.path:
            raise TypeError(f"route {route.path} declares an access rule that asks for a token in its path")
        if route.action is not Action.ONE_CLICK and _takes_one_click(route, declared):
            raise TypeError(f"route {route.path} declares another access rule than its path has")


def _takes_one_click(route: Route, declared: Iterable[Route]) -> bool:
    """Return whether *route* would be asked for where requests from other origins are let through."""
    links = (each for each in declared if each.action is Action.ONE_CLICK)
    return any(route.path_regex.fullmatch(each.path_format) or each.path_regex.fullmatch(route.path) for each in links)
