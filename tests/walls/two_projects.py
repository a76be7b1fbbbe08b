"""Two projects whose things are alike: what the one has says "zebra", what the other has says "quokka"."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

import pytest
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from pulsemon.accounts.projects import DEFAULT_ID
from pulsemon.accounts.roles import Principal, Proof, Role, Scope
from pulsemon.core.addresses import MAIN
from pulsemon.core.incidents import IncidentStatus
from pulsemon.core.maintenance import Plan, Repeats
from pulsemon.core.placement import Placement
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.incidents import manage as incidents
from pulsemon.incidents.manage import NewIncident
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance import ticks
from pulsemon.maintenance.definition import Definition
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages.definition import NewPage, PageChanges
from pulsemon.subscribers import manage as subscribers
from pulsemon.web import app as web_app
from pulsemon.web.http import principals, routing
from pulsemon.web.http.routing import Audience, Route
from pulsemon.web.http.site import Site
from tests.arrange import a_member, a_ping, a_project, a_session, a_user, log_in, make, record, site_of
from tests.core.test_page_values import PNG

HOUR = timedelta(hours=1)


@dataclass
class Side:
    """One project, and what it has; `word` stands in every text of it."""

    word: str
    project_id: int
    monitor: str = ""
    private: str = ""
    monitor_id: int = 0
    pages: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    windows: tuple[int, ...] = ()
    subscribers: tuple[tuple[str, int], ...] = ()


@dataclass
class Two:
    """Both of them, in a running PulseMon."""

    client: TestClient
    database: Database
    now: datetime
    zebra: Side  # the project "default"
    quokka: Side


def make_two(client: TestClient) -> Two:
    """Make both projects and all that is in them, in turns: no number of the one goes before all those of the other."""
    two = two_empty_ones(client)
    fill(two, two.zebra, two.quokka)
    return two


def two_empty_ones(client: TestClient) -> Two:
    """Make both projects, with nothing in them."""
    site = site_of(client)
    database, now = site.database, site.now()
    quokka = Side("quokka", a_project(database, "quokka", name="Quokka", now=now))
    return Two(client, database, now, Side("zebra", DEFAULT_ID), quokka)


def fill(two: Two, *sides: Side) -> None:
    """Make something of everything in these projects."""
    for add in (add_monitors, add_pages, add_incidents, add_plans, add_subscribers):
        for side in sides:
            add(two.database, side, two.now)
    ticks.tick(two.database, now=two.now)  # what is due is noticed: from now on nothing happens by itself
    site_of(two.client).wake()


def add_monitors(database: Database, side: Side, now: datetime) -> None:
    for kind, is_public in (("backup", True), ("private", False)):
        placement = Placement(group="Night", tags=("prod",), is_public=is_public)
        made = make(
            database,
            f"{kind}-{side.word}",
            name=f"{kind.title()} {side.word}",
            now=now - HOUR,
            project_id=side.project_id,
            placement=placement,
        )
        # Of one project all is well, and of the other nothing is.
        record(database, a_ping(made, now, Signal.SUCCESS if side.word == "zebra" else Signal.FAIL))
        if is_public:
            side.monitor, side.monitor_id = made.slug, made.id
        else:
            side.private = made.slug


def add_pages(database: Database, side: Side, now: datetime) -> None:
    texts: dict[str, Any] = {
        "title": f"Status {side.word}",
        "description": f"About {side.word}",
        "footer": f"By {side.word}",
    }
    pages = [f"{side.word}-all", f"{side.word}-some"]
    for slug, chosen in ((pages[0], None), (pages[1], (side.monitor, side.private))):
        new = NewPage(slug, monitors=chosen, **texts)
        status_pages.create(database, new, now=now, project_id=side.project_id)
        status_pages.save_logo(database, slug, PNG + side.word.encode(), now=now)
    if side.project_id == DEFAULT_ID:
        status_pages.edit(database, MAIN, PageChanges(**texts), now=now)
        pages.append(MAIN)
    side.pages = tuple(pages)


def add_incidents(database: Database, side: Side, now: datetime) -> None:
    made = []
    for is_general, status in (
        (True, IncidentStatus.INVESTIGATING),
        (False, IncidentStatus.IDENTIFIED),
        (True, IncidentStatus.RESOLVED),
    ):
        new = NewIncident(
            title=f"Trouble of {side.word}",
            body=f"Looking at {side.word}",
            status=status,
            is_general=is_general,
            monitors=() if is_general else (side.monitor,),
            started_at=now - HOUR,
        )
        made.append(incidents.create(database, new, now=now, project_id=side.project_id).public_id)
    side.incidents = tuple(made)


def add_plans(database: Database, side: Side, now: datetime) -> None:
    made = []
    # Only in the other project a plan of everything is running: what is not, in the first one, is so for that reason.
    running = (side.private,) if side.word == "zebra" else None
    for title, monitors, begins in (
        ("Past", None, now - HOUR * 5),
        ("Running", running, now - HOUR),
        ("Coming", (side.monitor,), now + HOUR),
    ):
        definition = Definition(
            title=f"{title} works of {side.word}",
            description=f"New disks for {side.word}",
            plan=Plan(repeats=Repeats.ONCE, starts_at=begins, length=HOUR * 2, timezone="UTC"),
            monitors=monitors,
        )
        made.append(maintenance.create(database, definition, now=now, project_id=side.project_id))
    made = [view for view in made if view.windows]  # what is over shows none
    side.plans = tuple(view.id for view in made)
    side.windows = tuple(view.windows[0].id for view in made)


def add_subscribers(database: Database, side: Side, now: datetime) -> None:
    made = []
    for page in side.pages[:2]:
        url = f"https://{side.word}.example/{page}"
        view = subscribers.add_webhook(database, page, url, secret="generate", locale="en", now=now)
        made.append((page, view.id))
    side.subscribers = tuple(made)


# Who asks


def a_browser(two: Two, side: Side, role: Role) -> TestClient:
    """Return the browser of somebody who is a member of one project."""
    user_id = a_user(two.database, f"{role}-{secrets.token_hex(3)}@example.org", now=two.now)
    a_member(two.database, user_id, role, side.project_id, now=two.now)
    client = TestClient(two.client.app, base_url="http://testserver", follow_redirects=False)
    client.headers.update({"accept": "text/html", "accept-language": "en"})
    log_in_to(client, two, user_id)
    return client


def log_in_to(client: TestClient, two: Two, user_id: int) -> None:
    log_in(client, a_session(two.database, user_id, now=two.now))


@contextmanager
def a_key_of(monkeypatch: pytest.MonkeyPatch, side: Side, *scopes: Scope) -> Iterator[None]:
    """Have whoever brings the admin token be taken for the key of one project inside of this."""
    found = Principal(
        is_owner=False,
        proof=Proof.KEY,
        public_id="0123456789abcdef",
        name="A key",
        scopes=frozenset(scopes),
        project_id=side.project_id,
    )
    with monkeypatch.context() as patched:
        patched.setattr(routing, "by_token", lambda request: principals._put(request, found))
        yield


# All routes


class Way(NamedTuple):
    """A route as the application declares it."""

    method: str
    path: str
    audience: Audience

    def filled(self, **values: object) -> str:
        """Return its path with these in its braces."""
        found = self.path
        for name, value in values.items():
            found = found.replace(f"{{{name}}}", str(value))
        return found


def ways(*audiences: Audience) -> list[Way]:
    """Return every route for these that reads something or does something."""
    app = web_app.make_fastapi(cast(Site, None))
    found = []
    for route in iter_route_contexts(app.routes):
        declared, methods = route.original_route, sorted(route.methods or ())
        if isinstance(declared, Route) and declared.audience in audiences:
            found += [Way(method, str(route.path_format), declared.audience) for method in methods]
    return found


# What is the owners' of all that is made here.
OURS = ("/api/incidents", "/api/maintenance", "/api/pages", "/incidents", "/maintenance", "/pages")


def routes_of(audience: Audience) -> list[Way]:
    return [each for each in ways(audience) if each.path.startswith(OURS) and each.method != "HEAD"]


def filled(way: Way, *, incident: str, plan: str, page: str, window: int, subscriber: int) -> str:
    ids: dict[str, object] = {"incident_id": incident, "public_id": incident, "maintenance_id": plan, "slug": page}
    return way.filled(**ids, number=1, window_id=window, subscriber_id=subscriber)


def all_of(way: Way, side: Side) -> list[str]:
    """Return the addresses of a route for all that a project has."""
    found = [
        filled(way, incident=incident, plan=plan, window=window, page=page, subscriber=subscriber)
        for incident in side.incidents
        for plan, window in zip(side.plans, side.windows, strict=True)
        for page, subscriber in side.subscribers
    ]
    if side.word == "zebra" and "{slug}" in way.path:
        found.append(filled(way, incident="", plan="", window=0, page="status", subscriber=0))
    return list(dict.fromkeys(found))


PUBLIC = [
    each
    for each in ways(Audience.VISITORS, Audience.PROGRAMS)
    if each.method == "GET" and each.path.startswith(("/status", "/api/v2", "/badge"))
]
OF_A_PAGE = [each for each in PUBLIC if each.path.startswith("/status/{slug}")]
OF_THE_MAIN_PAGE = [each for each in PUBLIC if "{slug}" not in each.path and "/badge/" not in each.path]


def of_page(way: Way, page: str, side: Side) -> list[str]:
    """Return the addresses of a route for a page, with each incident of one side where it names one."""
    return [way.filled(slug=page, public_id=each) for each in (side.incidents if "{public_id}" in way.path else ("",))]
