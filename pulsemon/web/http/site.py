"""What every handler needs, made once by `server` and reached through `site_of(request)`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from pulsemon.accounts import projects
from pulsemon.accounts.projects import Directory
from pulsemon.core.hosts import Host, read_host
from pulsemon.db import Database
from pulsemon.db.versions import read_edits
from pulsemon.errors import Unavailable
from pulsemon.heartbeats.pings import Answer, Ping
from pulsemon.messages.undelivered import Overview, read_undelivered
from pulsemon.monitors import apart, facets
from pulsemon.monitors.apart import ApartByProject
from pulsemon.monitors.changes import Changes
from pulsemon.monitors.facets import Facets
from pulsemon.operations.metrics import Process
from pulsemon.operations.readiness import Readiness
from pulsemon.settings import Settings
from pulsemon.vault import NO_KEYS, Vault
from pulsemon.web.http.account_guard import AccountGuard
from pulsemon.web.http.account_passwords import AccountPasswords
from pulsemon.web.http.drawings import Drawings
from pulsemon.web.http.fair_share import FairShare
from pulsemon.web.http.kept import Kept, KeptOfEach
from pulsemon.web.http.key_uses import KeyUses
from pulsemon.web.http.known_addresses import KnownAddresses
from pulsemon.web.http.live import Live
from pulsemon.web.http.page_passwords import PagePasswords
from pulsemon.web.http.recent_keys import RecentKeys
from pulsemon.web.http.session_uses import SessionUses
from pulsemon.web.http.throttle import Throttle
from pulsemon.web.http.token_switch import TokenSwitch
from pulsemon.web.http.turns import Pool
from pulsemon.web.http.undelivered import UndeliveredReading


class PingLane(Protocol):
    """The group-commit writer, as the web sees it."""

    def submit(self, ping: Ping) -> asyncio.Future[Answer]:
        """Queue a ping; the result is its answer, given after it is on disk."""
        ...

    def submit_for(self, ping: Ping, tell: Callable[[Answer], None]) -> None:
        """Do the same; *tell* is called with the answer."""
        ...


class Source(Protocol):
    """What public pages are made of: all of a `Site` that they need, so that a command can make them too."""

    @property
    def settings(self) -> Settings:
        """What the environment says."""
        ...

    @property
    def database(self) -> Database:
        """Where everything is read."""
        ...

    @property
    def now(self) -> Callable[[], datetime]:
        """The clock."""
        ...

    @property
    def live(self) -> Live:
        """Tells that something changed."""
        ...


@dataclass(frozen=True)
class Site:
    """The running PulseMon, as the web sees it."""

    settings: Settings
    database: Database
    lane: PingLane
    session_secret: str
    # Something was edited: deadlines may be nearer, messages may be due, open panels are out of date. Any thread.
    wake: Callable[[], None]
    now: Callable[[], datetime]
    readiness: Readiness
    # What the process counts, for the metrics.
    figures: Callable[[], Process]
    live: Live = field(default_factory=Live)
    # Seals what a stolen database must not tell.
    vault: Vault = NO_KEYS
    # Where the right token came from lately.
    known: KnownAddresses = field(init=False)
    # When keys were used.
    key_uses: KeyUses = field(default_factory=KeyUses)
    # Those that were right a moment ago.
    recent_keys: RecentKeys = field(default_factory=RecentKeys)
    # Two, so that a script with an old token does not close the login form for whoever shares its address.
    logins: Throttle = field(init=False)
    tokens: Throttle = field(init=False)
    # Of public pages.
    passwords: PagePasswords = field(init=False)
    # Of users: their logins by address and by account, and the thread for their passwords.
    accounts: Throttle = field(init=False)
    guard: AccountGuard = field(default_factory=AccountGuard)
    hashing: AccountPasswords = field(default_factory=AccountPasswords)
    # Where bodies are read that cost something to read.
    reading: Pool = field(default_factory=Pool)
    # Of those who forgot their passwords.
    resets: FairShare = field(default_factory=FairShare)
    # When sessions were used.
    session_uses: SessionUses = field(default_factory=SessionUses)
    # Whether the admin token opens anything.
    token_switch: TokenSwitch = field(default_factory=TokenSwitch)
    # Of visitors who subscribe.
    subscriptions: FairShare = field(default_factory=FairShare)
    # Lists of monitors, as they were drawn for whoever looks.
    drawings: Drawings = field(default_factory=Drawings)
    # What lists ask of all monitors at once: which are shown otherwise than they are stored, and what tells them apart.
    apart: Kept[ApartByProject] = field(init=False)
    _facets: KeptOfEach[Facets] = field(init=False)
    # Which projects there are.
    _projects: Kept[Directory] = field(init=False)
    _changes: Changes = field(init=False)
    # What pages of the panel say of messages that do not arrive.
    _undelivered: UndeliveredReading = field(init=False)

    def __post_init__(self) -> None:
        """Make what counts tries; all of them know the same addresses."""
        known = KnownAddresses(self.session_secret)
        object.__setattr__(self, "known", known)
        object.__setattr__(self, "logins", Throttle("login", known))
        object.__setattr__(self, "tokens", Throttle("header", known))
        object.__setattr__(self, "accounts", Throttle("account", known))
        object.__setattr__(self, "passwords", PagePasswords(Throttle("page", known)))
        object.__setattr__(self, "apart", Kept(self._read_apart, version=self._read_edits))
        object.__setattr__(self, "_facets", KeptOfEach(self._read_facets, version=self._read_edits))
        object.__setattr__(self, "_projects", Kept(self._read_projects, version=lambda: self.live.version))
        object.__setattr__(self, "_changes", Changes(self.database))
        reading = UndeliveredReading(lambda: read_undelivered(self.database))
        object.__setattr__(self, "_undelivered", reading)

    @property
    def admin_token(self) -> str:
        """Return what opens everything; '' where nothing is set, or it is switched off."""
        return self.settings.admin_token.get_secret_value() if self.token_switch.is_on else ""

    async def changed_projects(self) -> Collection[int] | None:
        """Return in which projects something changed since this was last asked; None: perhaps in any."""
        try:
            return await asyncio.to_thread(self._look_for_changes)
        except Unavailable:
            return None

    def _look_for_changes(self) -> Collection[int] | None:
        return self._changes.look() if self.projects().has_several else None

    def _read_apart(self) -> ApartByProject:
        with self.database.read() as connection:
            return apart.read(connection, now=self.now())

    def _read_projects(self) -> Directory:
        with self.database.read() as connection:
            return projects.read(connection)

    def projects(self) -> Directory:
        """Return the projects; those of another node may be missing for some seconds, see `project_of_slug`."""
        return self._projects.get()

    def project_slug(self, project_id: int) -> str:
        """Return the slug of a project that something belongs to; one that is not known yet is looked for."""
        found = self.projects().of_id(project_id) or self._read_projects().of_id(project_id)
        return "" if found is None else found.slug

    def project_of_slug(self, slug: str) -> int | None:
        """Return the id of the project with this slug; one that is not known yet is looked for."""
        found = self.projects().of_slug(slug) or self._read_projects().of_slug(slug)
        return None if found is None else found.id

    def _read_edits(self) -> str:
        with self.database.read() as connection:
            return read_edits(connection)

    def facets(self, project_id: int) -> Facets:
        """Return by what the monitors of a project can be told apart."""
        return self._facets.of(project_id)

    def _read_facets(self, project_id: int) -> Facets:
        with self.database.read() as connection:
            # While there is one project, nobody has to be asked whose a monitor is.
            return facets.read(connection, project_id if self.projects().has_several else None)

    def undelivered(self, project_id: int) -> Overview:
        """Return what messages of a project do not arrive; up to a second old, shared by all who ask."""
        found = self._undelivered.at(self.live.version, self.now())
        return found.of(project_id) if self.projects().has_several else found

    def origin(self, connection: HTTPConnection) -> str:
        """Return `scheme://host` for display: BASE_URL, else what the request says, if it has that form, else ''."""
        if self.settings.base_url:
            return self.settings.base_url
        host = asked_host(connection.headers)
        return f"{connection.url.scheme}://{host.in_url}" if host is not None else ""


def host_of(connection: HTTPConnection) -> str:
    """Return the name of the host that was asked for, in its one spelling and without a port; '' where it is none."""
    host = asked_host(connection.headers)
    return "" if host is None else host.name


def asked_host(headers: Headers) -> Host | None:
    """Return the host that the header Host names."""
    text = headers.get("host", "")
    if not text.isascii():  # headers arrive as latin-1; who writes a name in its own script sends UTF-8
        text = text.encode("latin-1", "replace").decode("utf-8", "replace")
    return read_host(text)


def site_of(connection: HTTPConnection) -> Site:
    """Return the site that the request came to."""
    site: Site = connection.app.state.site
    return site
