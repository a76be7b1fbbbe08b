"""Start, stop and wake the workers; the only place that starts tasks or threads, and that knows who wakes whom.

`Loops` lists the workers. What each does stands in its feature, which tells what it found through a callable that it
is given here.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulsemon import clock, log
from pulsemon.channels import registry
from pulsemon.channels.channel import Means
from pulsemon.channels.http import GuardedClient
from pulsemon.channels.mail import Postman
from pulsemon.channels.notices import Publisher
from pulsemon.db import Database, sqlite
from pulsemon.deadlines import passes
from pulsemon.deadlines.loop import Evaluation, Surroundings
from pulsemon.heartbeats import pings
from pulsemon.heartbeats.group_commit import GroupCommit
from pulsemon.incidents import loop as incidents_loop
from pulsemon.maintenance import loop as maintenance_loop
from pulsemon.messages.loop import Dispatching
from pulsemon.monitors import watch
from pulsemon.operations import pulse, timekeeping, upstream
from pulsemon.operations.doorway import Doorway
from pulsemon.operations.housekeeping_loop import Housekeeping
from pulsemon.operations.readiness import Readiness
from pulsemon.settings import Settings
from pulsemon.vault import NO_KEYS, Vault

_log = log.get(__name__)

DRAIN_SEC = 5.0


@dataclass(frozen=True, slots=True)
class Panels:
    """Open panels: how many there are, and how to tell them that something changed. The loop's thread only."""

    count: Callable[[], int]
    tell: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Thread:
    """A worker with a thread of its own."""

    name: str
    body: Callable[[], None]
    stop: Callable[[], None] | None  # has the body return; None: it returns when its queue has been drained


@dataclass(frozen=True, slots=True)
class Task:
    """A worker in the event loop. It is stopped by being cancelled."""

    name: str
    body: Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Rounds:
    """A worker in the event loop that makes a round again and again. It is stopped by being cancelled."""

    name: str
    round: Callable[[], Coroutine[Any, Any, None]]
    pause_sec: float

    async def body(self) -> None:
        """Make rounds until cancelled; a bug in one round is logged and costs that round alone."""
        while True:
            try:
                await self.round()
            except Exception:
                _log.exception("loop.failed", loop=self.name)
            await asyncio.sleep(self.pause_sec)


class Loops:
    """Everything that runs beside the requests."""

    def __init__(
        self, database: Database, settings: Settings, panels: Panels, doorway: Doorway, vault: Vault = NO_KEYS
    ) -> None:
        self._panels = panels
        self._loop = asyncio.get_running_loop()
        self._running_threads: list[threading.Thread] = []
        self._running_tasks: list[asyncio.Task[None]] = []
        client = GuardedClient(private=settings.outbound_private.value, allowed=settings.outbound_allow)
        self.lane = GroupCommit(
            lambda batch: pings.record_pings(database, batch), monotonic=clock.monotonic, on_stored=self._on_stored
        )
        self._pulse = pulse.Pulse(doorway, give_up_on_old_pings=self.lane.give_up_on_old)
        self._postman = _postman(settings)
        means = Means(
            client, settings.default_locale.value, publisher=_publisher(settings), postman=self._postman, vault=vault
        )
        self.dispatching = Dispatching(
            database,
            registry.channels(means),
            now=clock.now,
            monotonic=clock.monotonic,
            on_settled=panels.tell,
        )
        self.evaluation = self._evaluation(database, settings, doorway)
        self._watch = watch.Watch(database, panel_count=panels.count, tell_panels=panels.tell)
        self._maintenance = maintenance_loop.MaintenanceTicks(database, now=clock.now, on_changed=self._on_window)
        self._incidents = incidents_loop.AutomaticIncidents(database, now=clock.now, on_changed=self._tell_of_messages)
        self._housekeeping = Housekeeping(database, settings)
        self.timekeeping = timekeeping.Timekeeping(database)
        # The disk that fills is the database's; of a server elsewhere only the log's own can be asked about.
        folder = sqlite.file_path(settings.database_url.get_secret_value()).parent if database.is_sqlite else Path()
        self.readiness = Readiness(
            database,
            self.evaluation,
            self.dispatching,
            self.timekeeping,
            folder=folder,
            vault_warning=vault.warning,
        )
        self._upstream = upstream.Upstream(
            client, settings.upstream_heartbeat_url.get_secret_value(), why_silent=self.readiness.why_silent
        )

    def _evaluation(self, database: Database, settings: Settings, doorway: Doorway) -> Evaluation:
        return Evaluation(
            database,
            node=f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(3)}",
            sweep_sec=settings.worker_interval_sec,
            around=Surroundings(
                read_clocks=clock.read,
                stored_until=self.lane.stored_until,
                take_refusals=self.lane.take_refusals,
                loop_pulse_at=self._pulse.last_at,
                on_changed=self._on_expired,
                take_stalls=self._pulse.take_stalls,
                take_turned_away=doorway.take,
            ),
        )

    def _threads(self) -> tuple[Thread, ...]:
        return (
            Thread("ping-writer", self.lane.run, stop=None),
            Thread("evaluation", self.evaluation.run, stop=self.evaluation.stop),
            Thread("housekeeping", self._housekeeping.run, stop=self._housekeeping.stop),
        )

    def _tasks(self) -> tuple[Task | Rounds, ...]:
        return (
            # It runs until it is cancelled; after a bug it runs again.
            Rounds("pulse", self._pulse.run, pulse.PULSE_SEC),
            Rounds("watch", self._watch.round, watch.PAUSE_SEC),
            Rounds("incidents", self._incidents.round, incidents_loop.PAUSE_SEC),
            Rounds("upstream", self._upstream.round, upstream.PAUSE_SEC),
            Rounds("maintenance", self._maintenance.round, maintenance_loop.PAUSE_SEC),
            Rounds("clock", self.timekeeping.round, timekeeping.MEASURE_SEC),
            Task("dispatching", self.dispatching.run),
        )

    def start(self) -> None:
        """Start everything; what was missed while nobody ran is excused before the first deadline is judged."""
        self.timekeeping.look()
        self.evaluation.begin()
        self._pulse.begin()
        for worker in self._threads():
            thread = threading.Thread(target=worker.body, name=worker.name, daemon=True)
            thread.start()
            self._running_threads.append(thread)
        for task in self._tasks():
            self._running_tasks.append(self._loop.create_task(task.body(), name=task.name))

    async def stop(self) -> None:
        """Drain the pings, let messages in flight end, stop the rest. What is stored stays due or leased."""
        await self.lane.drain(patience_sec=DRAIN_SEC)
        await self.dispatching.stop()
        if self._postman is not None:
            await self._postman.close()
        for task in self._running_tasks:
            task.cancel()
        for worker in self._threads():
            if worker.stop is not None:
                worker.stop()
        for thread in self._running_threads:
            await asyncio.to_thread(thread.join, DRAIN_SEC)
        self.timekeeping.close()

    # --- who wakes whom

    def wake(self) -> None:
        """Something was edited: look at deadlines, messages, maintenance and panels now. Safe in any thread."""
        self.evaluation.wake()
        self._loop.call_soon_threadsafe(self._tell_of_messages)

    def _on_stored(self, batch: pings.Batch) -> None:
        """In the writer's thread, after the commit."""
        if batch.earliest_due_at is not None:
            self.evaluation.wake_for(batch.earliest_due_at)
        if batch.transition_count:
            self._loop.call_soon_threadsafe(self._tell_of_messages if batch.message_count else self._tell)

    def _on_expired(self, changed: passes.Changed) -> None:
        """In the evaluation's thread, after the commit."""
        _log.info("monitors.changed", transitions=changed.transition_count, messages=changed.message_count)
        self._loop.call_soon_threadsafe(self._tell_of_messages if changed.message_count else self._tell)

    def _on_window(self) -> None:
        """In the event loop: a window went a step on, or messages are held back no more."""
        self.dispatching.wake()
        self._tell()

    def _tell_of_messages(self) -> None:
        """In the event loop: something changed, and messages may have been written."""
        self.dispatching.wake()
        self._maintenance.wake()  # the message may be one that is held back
        self._tell()

    def _tell(self) -> None:
        """In the event loop: what panels show has changed."""
        self._panels.tell()
        self._watch.wake()


def _publisher(settings: Settings) -> Publisher:
    return Publisher(settings.base_url, settings.public_status_title, settings.availability_timezone)


def _postman(settings: Settings) -> Postman | None:
    """Return what hands mails over; None: mail is not set up."""
    return None if settings.mail_server is None else Postman(settings.mail_server, _publisher(settings))
