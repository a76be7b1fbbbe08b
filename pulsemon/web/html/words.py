"""The words for times, lengths, states and codes, in one language."""

from __future__ import annotations

import math
import re
from datetime import date, datetime

from pulsemon.availability.track_record import Outage
from pulsemon.core import durations, incidents
from pulsemon.core.deliveries import DeliveryState
from pulsemon.core.notes import describe
from pulsemon.core.schedule import Calendar
from pulsemon.core.shown import Shown
from pulsemon.core.status import Status
from pulsemon.core.texts import N_
from pulsemon.errors import REFUSALS, Conflict, FieldProblem
from pulsemon.incidents.rows import Incident, Update
from pulsemon.input import accounts as account_fields
from pulsemon.input import meanwhile, monitor_rules
from pulsemon.input import rules as input_rules
from pulsemon.locale import times, translator
from pulsemon.monitors import lookup
from pulsemon.monitors.event_log import ChangeEvent
from pulsemon.web.html import schedule_words

STATE_WORDS: dict[Shown, str] = {
    Shown.UP: N_("Up"),
    Shown.LATE: N_("Late"),
    Shown.DOWN: N_("Down"),
    Shown.PAUSED: N_("Paused"),
    Shown.WAITING: N_("Waiting"),
    Shown.BLIND: N_("Unknown"),
    Shown.MAINTENANCE: N_("Under maintenance"),
}
_OF_STATUS = {
    Status.UP: Shown.UP,
    Status.DOWN: Shown.DOWN,
    Status.PAUSED: Shown.PAUSED,
    Status.UNKNOWN: Shown.WAITING,
}
SIGNAL_WORDS = {
    "success": N_("Ping"),
    "start": N_("Run started"),
    "fail": N_("Failure reported"),
    "log": N_("Log entry"),
}
OUTCOME_WORDS = {
    "repeat": N_("a repeat, counted once"),
    "prefetch": N_("a prefetch or link preview, not counted"),
    "preview": N_("a link preview or a search engine, not counted"),
    "method": N_("not a POST, not counted"),
    "unmatched": N_("none of the words of success, not counted"),
}
FLAG_WORDS = {"early": N_("early"), "test": N_("test ping")}
DELIVERY_WORDS: dict[str, str] = {
    DeliveryState.PENDING: N_("on its way"),
    DeliveryState.HELD: N_("held back until the maintenance ends"),
    DeliveryState.DELIVERED: N_("delivered"),
    DeliveryState.GIVEN_UP: N_("given up"),
    DeliveryState.CANCELLED: N_("cancelled"),
}
# Why an attempt failed or a message was cancelled: the bounded codes of `channels` and of the outbox.
REASON_WORDS = {
    "status": N_("the receiver refused it"),
    "redirect": N_("the receiver redirects; PulseMon does not follow"),
    "gone": N_("the receiver said 410 Gone"),
    "timeout": N_("no answer in time"),
    "unresolved": N_("the host name cannot be resolved"),
    "connect": N_("no connection"),
    "disconnected": N_("the connection was cut"),
    "tls": N_("TLS failed"),
    "protocol": N_("the answer was not HTTP"),
    "refused-address": N_("the address is not allowed"),
    "invalid-url": N_("the webhook URL cannot be used"),
    "invalid-header": N_("a header cannot be sent"),
    "invalid-secret": N_("the webhook secret cannot be used"),
    "no-webhook": N_("the webhook was removed"),
    "damaged": N_("the stored text cannot be read"),
    "recipient": N_("the mail server knows no such address"),
    "login": N_("the mail server refuses our login"),
    "no-mail": N_("mail is not set up"),
    "sealed": N_("a secret in it cannot be opened"),
    "expired": N_("the link in it is over"),
    "maintenance": N_("not told because of maintenance"),
}
_TABLES = {
    "signal": SIGNAL_WORDS,
    "outcome": OUTCOME_WORDS,
    "flag": FLAG_WORDS,
    "delivery": DELIVERY_WORDS,
    "reason": REASON_WORDS,
    "incident": {status.value: words for status, words in incidents.STATUS_WORDS.items()},
    "impact": {impact.value: words for impact, words in incidents.IMPACT_WORDS.items()},
}
# Words with room for limits; what others say of a field is whole.
_TEMPLATES = {
    **REFUSALS,
    **account_fields.PROBLEMS,
    **input_rules.MESSAGES,
    **monitor_rules.MESSAGES,
    **meanwhile.MESSAGES,
    **lookup.MESSAGES,
}


class Words:
    """Times, durations and states in one language, true at *now*, by the clock of *timezone*.

    `has_told_times`: an instant was asked for, so that the page has to name the zone.
    """

    def __init__(self, locale: str, now: datetime, timezone: str = "UTC") -> None:
        catalogue = translator(locale)
        self.locale = locale
        self.now = now
        self.timezone = timezone
        self.has_told_times = False
        self._ = catalogue.gettext
        self._n = catalogue.ngettext
        self._every: dict[tuple[int, Calendar | None], str] = {}

    def translate(self, text: str) -> str:
        """Return a text that is marked for translation."""
        return self._(text)

    def state(self, shown: Shown | str) -> str:
        """Return the word for a state: "Up", "Late" ..."""
        return self._(STATE_WORDS[Shown(shown)])

    def status(self, status: str) -> str:
        """Return the word for a stored status; one that an old database invented is shown as it is."""
        return self.state(_OF_STATUS[Status(status)]) if status in tuple(Status) else status

    def code(self, table: str, code: str) -> str:
        """Return the words for a stored code; one of a later version is shown as it is."""
        return self._(_TABLES[table].get(code, code)) if code else ""

    def duration(self, seconds: float) -> str:
        """Return a length of time in its two largest units: "15 min", "1 h 30 min", "2 days"."""
        if 0 < seconds < 1:
            return "<1 s"
        left = max(0, int(seconds))
        parts: list[str] = []
        for size, name in ((86_400, "day"), (3_600, "h"), (60, "min"), (1, "s")):
            count, left = divmod(left, size)
            if count:
                parts.append(self._count(count, name))
            if parts and (len(parts) == 2 or not count):
                break
        return " ".join(parts) or self._count(0, "s")

    def took(self, seconds: float) -> str:
        """Return how long a run took: to the millisecond below a second, to the tenth below ten."""
        if seconds < 1:
            return f"{round(seconds * 1_000)} ms"
        if seconds < 10:
            text = f"{int(seconds * 10) / 10:.1f} s"
            return text.replace(".", ",") if self.locale == "pt-BR" else text
        return self.duration(seconds)

    def every(self, seconds: int, calendar: Calendar | None = None) -> str:
        """Return how often a ping is expected, or when by its calendar; kept, because monitors share them."""
        key = (seconds, None) if calendar is None else (0, calendar)
        found = self._every.get(key)
        if found is None:
            found = self._every[key] = self._schedule(calendar) if calendar else self._interval(seconds)
        return found

    def _interval(self, seconds: int) -> str:
        return self._("every %(time)s") % {"time": self.duration(seconds)}

    def _schedule(self, calendar: Calendar) -> str:
        sentence = schedule_words.sentence(calendar, locale=self.locale)
        return f"{sentence} ({calendar.timezone})"

    def _count(self, count: int, unit: str) -> str:
        if unit == "day":
            return self._n("%(count)d day", "%(count)d days", count) % {"count": count}
        return f"{count} {unit}"

    def _largest(self, seconds: float) -> str:
        """The largest unit alone: nobody needs "3 min 12 s ago"."""
        whole = max(0, int(seconds))
        for size, name in ((86_400, "day"), (3_600, "h"), (60, "min")):
            if whole >= size:
                return self._count(whole // size, name)
        return self._count(whole, "s")

    def ago(self, instant: datetime) -> str:
        """Return how long ago *instant* was."""
        seconds = (self.now - instant).total_seconds()
        if seconds < 2:
            return self._("just now")
        return self._("%(time)s ago") % {"time": self._largest(seconds)}

    def until(self, instant: datetime) -> str:
        """Return how long it is to *instant*."""
        return self._("in %(time)s") % {"time": self.left(instant)}

    def left(self, instant: datetime) -> str:
        """Return the time left to *instant*, as a length; rounded up, because it is said of deadlines."""
        seconds = max(0, math.ceil((instant - self.now).total_seconds()))
        return self.duration(seconds if seconds < 60 else math.ceil(seconds / 60) * 60)

    def lasted(self, instant: datetime) -> str:
        """Return the time since *instant*, as a length."""
        return self._largest((self.now - instant).total_seconds())

    def number(self, count: int) -> str:
        """Return a whole number as it is written: "12,345", "12.345"."""
        text = f"{count:,}"
        return text.replace(",", ".") if self.locale == "pt-BR" else text

    def percent(self, ratio: float | None) -> str:
        """Return a ratio to two places, rounded down: 99.999% with an outage in it is not 100%."""
        if ratio is None:
            return "–"
        if 0 < ratio < 0.0001:
            return f"<{times.percent('0.01', self.locale)}"
        text = f"{int(ratio * 10_000 + 1e-6) / 100:.2f}".removesuffix(".00")
        return times.percent(text, self.locale)

    def whole_percent(self, ratio: float) -> str:
        """Return a ratio in whole percent; "<1%" where that is 0."""
        return times.percent(str(round(ratio * 100) or "<1"), self.locale)

    def day(self, local: date) -> str:
        """Return a calendar day."""
        return times.day(local, self.locale)

    def instant(self, at: datetime, *, is_exact: bool = False) -> str:
        """Return day and time by the reader's clock, to the second where *is_exact*; the page names the zone once."""
        self.has_told_times = True
        return times.instant(at, self.timezone, self.locale, is_exact=is_exact)

    def span(self, start: datetime, end: datetime, *, is_exact: bool = False) -> str:
        """Return from when to when by the reader's clock; the day once where it is the same."""
        self.has_told_times = True
        return times.span(start, end, self.timezone, self.locale, is_exact=is_exact)

    def named(self, at: datetime) -> str:
        """Return day and time to the second with the zone's name, for what stands alone."""
        return f"{times.instant(at, self.timezone, self.locale, is_exact=True)} ({self.zone()})"

    def zone(self) -> str:
        """Return what the reader's time zone is called."""
        return times.zone(self.timezone, self.locale)

    def change(self, event: ChangeEvent | Outage) -> str:
        """Return the sentence that says why a status changed; old rows have only their note."""
        if event.cause is None:
            return event.note
        return describe(event.cause, event.detail, translate=self._)

    def incident(self, incident: Incident) -> str:
        """Return what an incident is called; an automatic one is named after the monitors that it holds here."""
        is_over = not incident.is_open
        return incidents.title(
            incident.title, incident.names, is_over=is_over, translate=self._, translate_many=self._n
        )

    def said(self, update: Update) -> str:
        """Return what an update says, as Markdown."""
        return incidents.text(update.body, update.status, translate=self._)

    def month(self, local: date) -> str:
        """Return a month as a heading: "November 2026"."""
        name = self._(schedule_words.MONTHS[local.month - 1])
        text = self._("%(month)s %(year)d") % {"month": name, "year": local.year}
        return text[:1].upper() + text[1:]

    def refusal(self, refused: Conflict) -> str:
        """Return why something cannot be done."""
        return self._(REFUSALS[refused.code]) % dict(refused.limits)

    def problem(self, problem: FieldProblem) -> str:
        """Return what is wrong with a field and what to write instead."""
        template = _TEMPLATES.get(problem.code)
        if not template:
            return self._(problem.message)
        return self._(template) % input_rules.limits_in_words(problem.limits, self.length)

    def length(self, seconds: int) -> str:
        """Return an exact length of time for a sentence: "1 h 30 min", "3,650 days"."""
        text = durations.in_words(seconds, self._n)
        thousands = re.sub(r"(?<=\d)(?=(\d{3})+\b)", ",", text)
        return thousands.replace(",", ".") if self.locale == "pt-BR" else thousands
