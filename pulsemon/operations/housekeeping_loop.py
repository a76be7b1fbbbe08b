"""The thread that keeps house once a minute: windows ahead, sums of days that are over, what retention says.

All of it in small steps with a pause between two, so that others get the write slot in between. What a step does stands
in `maintenance.ticks`, `availability.roll_ups` and `operations.housekeeping`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from pulsemon import clock, log
from pulsemon.accounts import audit_log, keys
from pulsemon.availability import roll_ups
from pulsemon.db import Database
from pulsemon.errors import Unavailable
from pulsemon.maintenance import ticks
from pulsemon.operations import housekeeping
from pulsemon.settings import Settings
from pulsemon.status_pages import manage as status_pages

_log = log.get(__name__)

HOUSEKEEPING_SEC = 60.0
# Between two steps.
STEP_PAUSE_SEC = 0.02
ROLL_UP_PAUSE = timedelta(minutes=10)


class Housekeeping:
    """Where the last round ended."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._stopping = threading.Event()
        self._rolled: tuple[set[str], datetime] | None = None  # which zones, and when
        self._cursor = 0  # of the search for surplus pings

    def run(self) -> None:
        """Keep house until `stop`; the body of the thread."""
        while not self._stopping.wait(HOUSEKEEPING_SEC):
            try:
                self._clean_once(clock.now())
            except Unavailable as failed:
                _log.warning("housekeeping.unavailable", reason=str(failed))
            except Exception:
                _log.exception("housekeeping.failed")

    def stop(self) -> None:
        """End `run` after the step that is under way. Safe in any thread."""
        self._stopping.set()

    def _clean_once(self, now: datetime) -> None:
        """Make windows, sum up days and remove what retention says, until all is done or the process stops."""
        before = now - timedelta(days=self._settings.ping_retention_days)
        done_before = now - timedelta(days=self._settings.audit_retention_days)
        zones = {self._settings.availability_timezone} | status_pages.time_zones(self._database)
        steps: list[Callable[[], bool]] = [
            lambda: roll_ups.remove_other_zones(self._database, timezones=zones),
            lambda: housekeeping.remove_old_pings(self._database, before=before).is_more,
            lambda: housekeeping.remove_doomed_pings(self._database).is_more,
            lambda: housekeeping.remove_old_messages(self._database, now=now).is_more,
            lambda: housekeeping.remove_unconfirmed(self._database, now=now).is_more,
            lambda: housekeeping.make_missing_search_texts(self._database).is_more,
            lambda: keys.remove_old(self._database, now=now),
            lambda: audit_log.remove_old(self._database, before=done_before),
        ]
        ticks.top_up(self._database, now=now)
        self._roll_up(zones, now)
        for step in steps:
            while step() and not self._stopping.wait(STEP_PAUSE_SEC):
                pass
        housekeeping.remove_old_blind_windows(self._database, now=now)
        self._remove_surplus_pings()

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
                if self._stopping.wait(STEP_PAUSE_SEC):
                    return
        self._rolled = (set(timezones), now)

    def _remove_surplus_pings(self) -> None:
        keep = self._settings.ping_retention_count
        while not self._stopping.wait(STEP_PAUSE_SEC):
            progress = housekeeping.remove_surplus_pings(self._database, keep=keep, cursor=self._cursor)
            self._cursor = progress.cursor
            if not progress.is_more:
                return
