"""The composition root: settings, database, loops and web, put together when the server starts.

`app.main:app` is an instance of `PulseMon`; so it is a plain `uvicorn app.main:app` that starts everything.
"""

from __future__ import annotations

import asyncio
import base64
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from pulsemon import clock, db, log, redaction, vault
from pulsemon.accounts import access
from pulsemon.db import Database
from pulsemon.errors import PulseMonError, StartRefused
from pulsemon.loops import Loops, Panels
from pulsemon.operations import doorway, garbage, interpreter
from pulsemon.operations.doorway import Doorway
from pulsemon.operations.metrics import Process
from pulsemon.settings import Settings
from pulsemon.vault import Vault
from pulsemon.web.app import create_app
from pulsemon.web.http.live import Live
from pulsemon.web.http.site import Site
from pulsemon.web.wire.connections import CONNECTIONS_KEY, Connections
from pulsemon.web.wire.protocol import STATE_KEY
from pulsemon.web.wire.proxies import Proxies
from pulsemon.web.wire.under_uvicorn import take_connections

_log = log.get(__name__)


class PulseMon:
    """The ASGI application: starts with the server's lifespan, answers requests, stops with it."""

    def __init__(
        self, settings: Settings, *, address: str | None = None, listener: socket.socket | None = None
    ) -> None:
        log.configure(level=settings.log_level.value, form=settings.log_format.value)
        redaction.know(*settings.secrets())
        self._settings = settings
        self._address, self._listener = address, listener  # only whoever opens the socket knows them
        self._app: ASGIApp | None = None
        self._database: Database | None = None
        self._loops: Loops | None = None
        self._connections: Connections | None = None
        self._live = Live()
        self._proxies = Proxies(settings.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the server."""
        if scope["type"] == "lifespan":
            await self._live_through(scope, receive, send)
        elif self._app is not None:
            self._proxies.read(scope)
            await self._app(scope, receive, send)
        else:
            raise RuntimeError("PulseMon was asked before it started: the server must support lifespan")

    async def _live_through(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        take_connections()  # before the signals are ours, too
        try:
            await self._start()
        except PulseMonError as refused:
            await self._close()
            await send({"type": "lifespan.startup.failed", "message": str(refused)})
            return
        except db.ERRORS as failed:  # a file that is damaged, a disk that is full
            await self._close()
            await send({"type": "lifespan.startup.failed", "message": db.trouble(failed)})
            return
        except Exception:  # a bug: without this uvicorn would take it for a missing lifespan and serve nothing but 500
            _log.exception("start.failed")
            await self._close()
            await send({"type": "lifespan.startup.failed", "message": ""})
            return
        # For connections of our own protocol class; under another one nobody looks.
        state = scope.get("state", {})
        state[STATE_KEY] = self._app
        state[CONNECTIONS_KEY] = self._connections
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        settings = self._settings
        self._database = database = await asyncio.to_thread(
            Database.open, settings.database_url.get_secret_value(), allow_unsafe=settings.allow_unsafe_database
        )
        await asyncio.to_thread(database.migrate)
        secret = settings.admin_session_secret.get_secret_value()
        if not secret:
            secret = await asyncio.to_thread(access.ensure_session_secret, database)
        redaction.know(secret)
        sealing = await asyncio.to_thread(_open_vault, database, settings)
        live = self._live
        door = self._open_door()
        panels = Panels(count=lambda: live.stream_count, tell=live.bump)
        self._loops = loops = Loops(database, settings, panels, door, sealing)
        loops.start()
        site = Site(
            settings=settings,
            database=database,
            lane=loops.lane,
            session_secret=secret,
            wake=loops.wake,
            now=clock.now,
            readiness=loops.readiness,
            figures=self._figures,
            live=live,
            vault=sealing,
        )
        await asyncio.to_thread(site.token_switch.look, database)
        live.sort_by(site.changed_projects)
        self._app = create_app(site)
        _on_stop_signal(self._go_deaf)
        garbage.settle()
        if not settings.admin_token:
            _log.warning("admin.closed", reason="ADMIN_TOKEN is not set or still the placeholder; the rest runs")
        if lacking := interpreter.missing():
            wanted = f"at least Python {interpreter.least_version(lacking)}, or your distribution's mendings"
            _log.warning("python.outdated", lacks=", ".join(each.cve for each in lacking), wanted=wanted)
        where = {"address": self._address} if self._address else {}
        _log.info("started", database="sqlite" if database.is_sqlite else "postgresql", **where)

    def _open_door(self) -> Doorway:
        """See to it that many can come in, and that it is known when somebody cannot."""
        loop = asyncio.get_running_loop()
        door = Doorway(self._listener)
        doorway.hear_of_accept_failures(loop, door, clock.now)
        self._connections = Connections(
            loop,
            self._settings.trusted_proxies,
            room=doorway.connections_of(doorway.raise_limit()),
            on_turned_away=lambda: door.note(clock.now(), "there are too many connections"),
        )
        return door

    def _go_deaf(self) -> None:
        """A stop was asked for: sockets close now, requests under way may take a while yet."""
        if self._loops is not None:
            self._loops.evaluation.deafen()
        self._live.close()
        if self._connections is not None:
            self._connections.end_unfinished()

    async def _stop(self) -> None:
        self._go_deaf()
        if self._loops is not None:
            await self._loops.stop()
        await self._close()
        _log.info("stopped")

    async def _close(self) -> None:
        if self._database is not None:
            await asyncio.to_thread(self._database.close)

    def _figures(self) -> Process:
        loops, connections = self._loops, self._connections
        assert loops is not None  # noqa: S101 - asked only while running
        assert connections is not None  # noqa: S101
        return Process(
            pings=loops.lane.counts,
            expired_count=loops.evaluation.expired_count,
            attempts=loops.dispatching.outcomes,
            clock_ahead_sec=loops.timekeeping.ahead_sec(),
            stream_count=self._live.stream_count,
            connection_count=connections.count,
            refused_connections=connections.refused_counts,
            blind_sec=loops.evaluation.blind_sec,
        )


def _open_vault(database: Database, settings: Settings) -> Vault:
    opened = vault.open_vault(
        database,
        secrets_key=settings.secrets_key.get_secret_value(),
        database_url=settings.database_url.get_secret_value(),
    )
    redaction.know(*(base64.b64encode(each).decode() for each in opened.keys.values()))
    if opened.warning is not None:
        _log.warning("secrets.key", reason=opened.warning)
    return opened


def _on_stop_signal(prepare: Callable[[], None]) -> None:
    """Call *prepare* in the loop's thread as soon as the server is asked to stop.

    uvicorn waits for open connections before it ends the lifespan, and a stream never ends by itself; so its handler
    is called after ours. Only the main thread may do this; elsewhere (tests) whoever started the loop stops it.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()

    def chain(previous: Callable[..., Any]) -> Callable[..., Any]:
        def handle(number: int, frame: Any) -> None:
            loop.call_soon_threadsafe(prepare)
            previous(number, frame)

        return handle

    for number in (signal.SIGINT, signal.SIGTERM):
        previous = signal.getsignal(number)
        if callable(previous):
            signal.signal(number, chain(previous))


def make() -> PulseMon:
    """Return the application for the environment's settings; ends the process with one line if they are wrong."""
    from pulsemon.settings import load

    log.hide_what_nobody_catches()
    try:
        return PulseMon(load())
    except StartRefused as refused:
        raise SystemExit(f"PulseMon cannot start: {redaction.redact(str(refused))}") from None
