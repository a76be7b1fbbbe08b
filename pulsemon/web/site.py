"""What every handler needs, made once by `server` and reached through `site_of(request)`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from starlette.requests import HTTPConnection

from pulsemon.db import Database
from pulsemon.pings import Answer, Ping
from pulsemon.settings import Settings
from pulsemon.web.live import Live
from pulsemon.web.throttle import Allowance, Throttle
from pulsemon.web.turns import Pool


class PingLane(Protocol):
    """The group-commit writer, as the web sees it."""

    def submit(self, ping: Ping) -> asyncio.Future[Answer]:
        """Queue a ping; the result is its answer, given after it is on disk."""
        ...

    def submit_for(self, ping: Ping, tell: Callable[[Answer], None]) -> None:
        """Do the same; *tell* is called with the answer."""
        ...


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether PulseMon does its work, and what stands against it."""

    reasons: tuple[str, ...]


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
    readiness: Callable[[], Readiness]
    # Name, help and value of every counter and gauge of the process (`pulsemon_*`).
    figures: Callable[[], list[tuple[str, str, str, dict[str, str], float]]]
    live: Live = field(default_factory=Live)
    # Two, so that a script with an old token does not close the login form for whoever shares its address.
    logins: Throttle = field(default_factory=lambda: Throttle("login"))
    tokens: Throttle = field(default_factory=lambda: Throttle("header"))
    # Of public pages.
    passwords: Throttle = field(default_factory=lambda: Throttle("page"))
    # Where bodies are read that cost something to read.
    reading: Pool = field(default_factory=Pool)
    # Of visitors who subscribe.
    subscriptions: Allowance = field(default_factory=lambda: Allowance("10/hour"))

    def origin(self, connection: HTTPConnection) -> str:
        """Return `scheme://host` for display: BASE_URL, else what the request says, if it has that form, else ''."""
        if self.settings.base_url:
            return self.settings.base_url
        host = connection.headers.get("host", "")
        return f"{connection.url.scheme}://{host}" if is_host(host) else ""


def is_host(text: str) -> bool:
    """Return whether *text* has the form host[:port] and nothing else in it."""
    name, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "")
    if text.startswith("["):
        name, _, port = text.partition("]")
        name, port = name[1:], port.removeprefix(":")
        return bool(name) and set(name.lower()) <= set("0123456789abcdef:.") and (not port or port.isdigit())
    is_name = bool(name) and name.isascii() and all(each.isalnum() or each in "-._" for each in name)
    return is_name and len(text) <= 260 and (":" not in text or port.isdigit())


def host_of(connection: HTTPConnection) -> str:
    """Return the host name that was asked for, in lower case and without its port."""
    host = connection.headers.get("host", "").lower()
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def site_of(connection: HTTPConnection) -> Site:
    """Return the site that the request came to."""
    site: Site = connection.app.state.site
    return site
