"""Start, stop and wake the background work; the only place that starts tasks or threads.

ping writer   thread   group_commit    batches of pings to disk
evaluation    thread   evaluation      deadlines, heartbeat, blind windows, full sweep
housekeeping  thread   housekeeping    retention and daily sums (roll_ups), in small batches
dispatching   task     messages.loop   messages out
pulse         task     here            proves that the event loop runs; 503 for pings that wait too long
watch         task     here            tells open panels what other nodes changed
incidents     task     automatic_incidents  opens and closes incidents by themselves
maintenance   task     here            windows that are due to be announced, begun or ended; messages held back
clock         task     timekeeping     how far this machine's clock is from the database's (PostgreSQL)
upstream      task     here            our own heartbeat to another monitor, while all of this works
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pulsemon import __version__, clock, log
from pulsemon.availability import roll_ups
from pulsemon.channels import registry
from pulsemon.channels.channel import Means
from pulsemon.channels.http import GuardedClient, OutboundError
from pulsemon.channels.mail import Postman
from pulsemon.channels.notices import Publisher
from pulsemon.core.status import BlindWindow
from pulsemon.db import Database, sqlite
from pulsemon.deadlines import passes
from pulsemon.deadlines.loop import LOOP_IS_STALLED_SEC, Evaluation, Surroundings
from pulsemon.errors import Unavailable
from pulsemon.heartbeats import pings
from pulsemon.heartbeats.group_commit import GroupCommit
from pulsemon.incidents import automatic as automatic_incidents
from pulsemon.maintenance import ticks as maintenance_ticks
from pulsemon.messages.loop import Dispatching
from pulsemon.monitors import manage as monitors
from pulsemon.operations import housekeeping
from pulsemon.operations.doorway import Doorway
from pulsemon.operations.readiness import Readiness
from pulsemon.operations.timekeeping import MEASURE_SEC, Timekeeping
from pulsemon.settings import Settings
from pulsemon.status_pages import manage as pages

_log = log.get(__name__)

PULSE_SEC = 0.25
WATCH_SEC = 1.0
# Edits of this node are looked at at once. Only what another one edited right before it died waits so long.
MAINTENANCE_LOOK_SEC = 10.0
# A window is noticed so soon after its time; not oftener, where another node is at it.
MAINTENANCE_MIN_SEC, MAINTENANCE_MAX_SEC = 0.1, 1.0
# In a storm of changes the mark is read at most this often; less than a panel rests between two events, so that what
# is in the mark is also in what the panel fetches next.
WATCH_PAUSE_SEC = 0.05
HOUSEKEEPING_SEC = 60.0
UPSTREAM_SEC = 60.0
INCIDENTS_SEC = 1.5
# Between two batches, so that retention never fills the write lane.
HOUSEKEEPING_PAUSE_SEC = 0.02
ROLL_UP_PAUSE = timedelta(minutes=10)
DRAIN_SEC = 5.0


@dataclass(frozen=True, slots=True)
class Panels:
    """Open panels: how many there are, and how to tell them that something changed. The loop's thread only."""

    count: Callable[[], int]
    tell: Callable[[], None]


async def repeat(name: str, step: Callable[[], Coroutine[Any, Any, None]], *, every_sec: float) -> None:
    """Take *step* again and again until cancelled; a bug in one round is logged and costs that round alone."""
    while True:
        try:
            await step()
        except Exception:
            _log.exception("loop.failed", loop=name)
        await asyncio.sleep(every_sec)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for *event* and take it back; return whether it came in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True


class Loops:
    """Everything that runs beside the requests."""

    def __init__(self, database: Database, settings: Settings, panels: Panels, doorway: Doorway) -> None:
        self._database = database
        self._settings = settings
        self._panels = panels
        self._doorway = doorway
        self._loop = asyncio.get_running_loop()
        self._stop_threads = threading.Event()
        self._rolled: tuple[set[str], datetime] | None = None  # which zones, and when
        self._threads: list[threading.Thread] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._loop_beat_at = clock.monotonic()
        self._stalls: deque[BlindWindow] = deque()
        self._is_told = asyncio.Event()
        self._seen_mark: tuple[int, str] | None = None
        self._is_maintenance_edited = asyncio.Event()
        self._maintenance_at: datetime | None = None
        self.lane = GroupCommit(
            lambda batch: pings.record_pings(database, batch), monotonic=clock.monotonic, on_stored=self._on_stored
        )
        self._client = GuardedClient(private=settings.outbound_private.value, allowed=settings.outbound_allow)
        publisher = Publisher(settings.base_url, settings.public_status_title, settings.availability_timezone)
        mail_server = settings.mail_server
        self._postman = None if mail_server is None else Postman(mail_server, publisher)
        means = Means(self._client, locale=settings.default_locale.value, publisher=publisher, postman=self._postman)
        self.dispatching = Dispatching(
            database,
            registry.channels(means),
            now=clock.now,
            monotonic=clock.monotonic,
            on_settled=panels.tell,
        )
        self.timekeeping = Timekeeping(database)
        self.evaluation = Evaluation(
            database,
            node=f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(3)}",
            sweep_sec=settings.worker_interval_sec,
            around=Surroundings(
                read_clocks=clock.read,
                stored_until=self.lane.stored_until,
                take_refusals=self.lane.take_refusals,
                loop_beat_at=lambda: self._loop_beat_at,
                on_changed=self._on_expired,
                take_stalls=self._take_stalls,
                take_turned_away=doorway.take,
            ),
        )
        # The disk that fills is the database's; of a server elsewhere only the log's own can be asked about.
        folder = sqlite.file_path(settings.database_url).parent if database.is_sqlite else Path()
        self.readiness = Readiness(database, self.evaluation, self.dispatching, self.timekeeping, folder=folder)

    def start(self) -> None:
        """Start everything; what was missed while nobody ran is excused before the first deadline is judged."""
        self.timekeeping.look()
        self.evaluation.begin()
        self._loop_beat_at = clock.monotonic()
        for name, body in (
            ("ping-writer", self.lane.run),
            ("evaluation", self.evaluation.run),
            ("housekeeping", self._keep_house),
        ):
            thread = threading.Thread(target=body, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        for work in (
            repeat("pulse", self._pulse, every_sec=PULSE_SEC),
            repeat("watch", self._watch, every_sec=WATCH_PAUSE_SEC),
            repeat("incidents", self._keep_incidents, every_sec=INCIDENTS_SEC),
            repeat("upstream", self._beat_upstream, every_sec=UPSTREAM_SEC),
            repeat("maintenance", self._maintain, every_sec=MAINTENANCE_MIN_SEC),
            repeat("clock", self._keep_time, every_sec=MEASURE_SEC),
            self.dispatching.run(),
        ):
            self._tasks.append(self._loop.create_task(work))

    async def stop(self) -> None:
        """Drain the pings, let messages in flight end, stop the rest. What is stored stays due or leased."""
        await self.lane.drain(patience_sec=DRAIN_SEC)
        await self.dispatching.stop()
        if self._postman is not None:
            await self._postman.close()
        for task in self._tasks:
            task.cancel()
        self.evaluation.stop()
        self._stop_threads.set()
        for thread in self._threads:
            await asyncio.to_thread(thread.join, DRAIN_SEC)
        self.timekeeping.close()

    def wake(self) -> None:
        """Something was edited: look at deadlines, messages and panels now. Safe in any thread."""
        self.evaluation.wake()
        self._loop.call_soon_threadsafe(self._tell, 1)

    def _tell(self, message_count: int) -> None:
        if message_count:
            self.dispatching.wake()
            self._is_maintenance_edited.set()  # the message may be one that is held back
        self._panels.tell()
        self._is_told.set()

    def _on_stored(self, batch: pings.Batch) -> None:
        """In the writer's thread, after the commit."""
        if batch.earliest_due_at is not None:
            self.evaluation.wake_for(batch.earliest_due_at)
        if batch.transition_count:
            self._loop.call_soon_threadsafe(self._tell, batch.message_count)

    def _on_expired(self, changed: passes.Changed) -> None:
        """In the evaluation's thread, after the commit."""
        _log.info("monitors.changed", transitions=changed.transition_count, messages=changed.message_count)
        self._loop.call_soon_threadsafe(self._tell, changed.message_count)

    async def _pulse(self) -> None:
        before = clock.read()
        while True:
            now = clock.read()
            if now.monotonic - before.monotonic > LOOP_IS_STALLED_SEC:
                # Before the beat: whoever sees that the loop runs again finds the stall behind it.
                self._stalls.append(BlindWindow(before.wall, max(before.wall, now.wall)))
            self._doorway.look(now.wall)
            before, self._loop_beat_at = now, now.monotonic
            self.lane.give_up_on_old()
            await asyncio.sleep(PULSE_SEC)

    def _take_stalls(self) -> list[BlindWindow]:
        """In the evaluation's thread: the spans in which the event loop stood still, each told once."""
        taken = []
        while self._stalls:
            taken.append(self._stalls.popleft())
        return taken

    async def _maintain(self) -> None:
        """Sleep until the next step of a window, and take it."""
        now = clock.now()
        rest_sec = 0.0 if self._maintenance_at is None else (self._maintenance_at - now).total_seconds()
        is_edited = await _is_set_within(self._is_maintenance_edited, min(max(rest_sec, 0.0), MAINTENANCE_MAX_SEC))
        now = clock.now()
        if not is_edited and self._maintenance_at is not None and now < self._maintenance_at:
            return
        try:
            ticked = await asyncio.to_thread(maintenance_ticks.tick, self._database, now=now)
        except Unavailable as failed:
            _log.warning("maintenance.unavailable", reason=str(failed))
            self._maintenance_at = now + timedelta(seconds=MAINTENANCE_MAX_SEC)
            return
        latest = now + timedelta(seconds=MAINTENANCE_LOOK_SEC)
        self._maintenance_at = min(latest, ticked.next_at or latest)
        if ticked.step_count or ticked.message_count:
            _log.info("maintenance.changed", steps=ticked.step_count, messages=ticked.message_count)
            self.dispatching.wake()
            self._panels.tell()
            self._is_told.set()

    async def _watch(self) -> None:
        """Other nodes write too. What this one told is in the mark that is taken right after, and not told again."""
        is_told = await _is_set_within(self._is_told, WATCH_SEC)
        if not is_told and not self._panels.count():
            return
        try:
            mark = await asyncio.to_thread(monitors.change_mark, self._database)
        except Unavailable:
            return
        # The first look finds a change too: what was written before it may not be on the page that is open.
        if not is_told and mark != self._seen_mark:
            self._panels.tell()
        self._seen_mark = mark

    async def _keep_time(self) -> None:
        try:
            await asyncio.to_thread(self.timekeeping.look)
        except Unavailable as failed:
            _log.debug("clock.unavailable", reason=str(failed))

    async def _keep_incidents(self) -> None:
        """Open and close what opens and closes by itself; the outages that make it are in the database."""
        try:
            is_changed = await asyncio.to_thread(automatic_incidents.keep_up, self._database, now=clock.now())
        except Unavailable as failed:
            _log.debug("incidents.unavailable", reason=str(failed))
            return
        if is_changed:
            self._tell(1)

    async def _beat_upstream(self) -> None:
        """Tell another monitor that this one works; say nothing while it does not."""
        url = self._settings.upstream_heartbeat_url
        if not url:
            return
        reasons = await asyncio.to_thread(self.readiness.why_silent)
        if reasons:
            _log.warning("upstream.withheld", reasons=list(reasons))
        else:
            await self._ask_upstream(url)

    async def _ask_upstream(self, url: str) -> None:
        try:
            reply = await self._client.get(url, headers={"User-Agent": f"PulseMon/{__version__}"})
        except OutboundError as failed:  # never the URL: it is a secret
            _log.warning("upstream.failed", reason=failed.reason.value)
            return
        if not 200 <= reply.status_code < 300:
            _log.warning("upstream.refused", status=reply.status_code)

    def _keep_house(self) -> None:
        cursor = 0
        while not self._stop_threads.wait(HOUSEKEEPING_SEC):
            try:
                cursor = self._clean_once(cursor, clock.now())
            except Unavailable as failed:
                _log.warning("housekeeping.unavailable", reason=str(failed))
            except Exception:
                _log.exception("housekeeping.failed")

    def _roll_up(self, timezones: Collection[str], now: datetime) -> None:
        """Go through all monitors once in a while; a day that is not summed up yet is computed from its history."""
        if self._rolled is not None:
            done, at = self._rolled
            if set(timezones) <= done and timedelta(0) <= now - at < ROLL_UP_PAUSE:
                self._rolled = (set(timezones), at)  # the days of a zone that went are removed
                return
        for timezone in timezones:
            after: int | None = 0
            while after is not None:
                after = roll_ups.roll_up(self._database, timezone=timezone, now=now, after=after)
                if self._stop_threads.wait(HOUSEKEEPING_PAUSE_SEC):
                    return
        self._rolled = (set(timezones), now)

    def _clean_once(self, cursor: int, now: datetime) -> int:
        """Sum up days and remove what retention says, until all is done or the process stops; return where to go on."""
        before = now - timedelta(days=self._settings.ping_retention_days)
        zones = {self._settings.availability_timezone} | pages.time_zones(self._database)
        steps: list[Callable[[], bool]] = [
            lambda: roll_ups.remove_other_zones(self._database, timezones=zones),
            lambda: housekeeping.remove_old_pings(self._database, before=before).is_more,
            lambda: housekeeping.remove_doomed_pings(self._database).is_more,
            lambda: housekeeping.remove_old_messages(self._database, now=now).is_more,
            lambda: housekeeping.remove_unconfirmed(self._database, now=now).is_more,
        ]
        maintenance_ticks.top_up(self._database, now=now)
        self._roll_up(zones, now)
        for step in steps:
            while step() and not self._stop_threads.wait(HOUSEKEEPING_PAUSE_SEC):
                pass
        while not self._stop_threads.wait(HOUSEKEEPING_PAUSE_SEC):
            keep = self._settings.ping_retention_count
            progress = housekeeping.remove_surplus_pings(self._database, keep=keep, cursor=cursor)
            cursor = progress.cursor
            if not progress.is_more:
                break
        return cursor
