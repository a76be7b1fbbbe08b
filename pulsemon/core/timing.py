"""When pings are expected, and for how long a run may last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pulsemon.core.schedule import Calendar

# Any shorter and a run that is started and ended by two requests would be late by the way they travel.
SHORTEST_RUN = timedelta(seconds=1)
# The clock of the machine that runs the job may go ahead of ours: a ping this much too early is not yesterday's.
EARLY = timedelta(seconds=5)
# Of the time between two pings; what is between a minute and an hour suits nearly every job (Better Stack proposes it).
USUAL_GRACE, LEAST_USUAL_GRACE, MOST_USUAL_GRACE = 0.2, timedelta(minutes=1), timedelta(hours=1)


def usual_grace(interval: timedelta) -> timedelta:
    """Return the grace that is proposed for pings so far apart, in whole seconds: 3 min for 15 min, 1 h for a day."""
    seconds = timedelta(seconds=round(interval.total_seconds() * USUAL_GRACE))
    return min(max(seconds, LEAST_USUAL_GRACE), MOST_USUAL_GRACE)


@dataclass(frozen=True, slots=True)
class Timing:
    """When pings are expected: every `interval`, or as the `calendar` says; late for at most `grace`.

    With a calendar, `interval` is its nominal one. A run may last `max_run`. `failures_to_down` failures in a row make
    a monitor DOWN, `successes_to_up` successes in a row make what is DOWN UP again. What was due before `since`, when
    the schedule was set, is not owed.
    """

    interval: timedelta
    grace: timedelta
    max_run: timedelta | None = None
    calendar: Calendar | None = None
    failures_to_down: int = 1
    successes_to_up: int = 1
    since: datetime | None = None

    @property
    def run_limit(self) -> timedelta:
        """Return how long a run may take: `max_run`, else the grace, else the interval; at least a second."""
        return max(self.max_run or self.grace or self.interval, SHORTEST_RUN)

    def owed_from(self, last_ping: datetime) -> datetime:
        """Return since when the next ping is waited for: the last one, or the moment that the schedule was set."""
        return last_ping if self.since is None else max(last_ping, self.since)

    def expected_after(self, ping: datetime) -> datetime | None:
        """Return when the ping after *ping* is expected; None where the calendar has come to its end."""
        if self.calendar is None:
            return ping + self.interval
        return self.calendar.next_after(ping + min(EARLY, self.interval / 10))

    def due_after(self, ping: datetime) -> datetime | None:
        """Return the deadline of the ping after *ping*; None where the calendar has come to its end."""
        if self.calendar is None:
            return ping + self.interval + self.grace
        expected = self.expected_after(ping)
        return None if expected is None else expected + self.grace
