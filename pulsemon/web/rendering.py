"""Pages: the reader's language, the templates, and the words for times and states.

Templates escape everything; a text of a user never becomes markup. Every string goes through gettext.
"""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pulsemon.availability.record import Outage
from pulsemon.core import incidents
from pulsemon.core.notes import describe
from pulsemon.core.schedule import Calendar
from pulsemon.core.shown import Shown
from pulsemon.core.status import Status
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem
from pulsemon.incidents.rows import Incident, Update
from pulsemon.input import monitors as monitor_fields
from pulsemon.input import rules as input_rules
from pulsemon.locale import LOCALES, negotiate, translator
from pulsemon.maintenance import manage as maintenance
from pulsemon.monitors.event_log import ChangeEvent
from pulsemon.monitors.order import TOO_MANY_TAGS, UNUSABLE_TAGS
from pulsemon.status_pages.manage import MAIN_STAYS
from pulsemon.subscribers.manage import NOT_ACTIVE
from pulsemon.web import markdown, public_incidents, schedule_words, wall_clock
from pulsemon.web.site import site_of

_FOLDER = Path(__file__).parent
TEMPLATES = _FOLDER / "templates"
STATIC = _FOLDER / "static"
LANGUAGE_COOKIE = "lang"
_COOKIE_SEC = 365 * 24 * 3600

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
FLAG_WORDS = {"early": N_("early")}
DELIVERY_WORDS = {
    "pending": N_("on its way"),
    "held": N_("held back until the maintenance ends"),
    "delivered": N_("delivered"),
    "given-up": N_("given up"),
    "cancelled": N_("cancelled"),
}
# Why an attempt failed or a message was cancelled: the bounded codes of notify and of the outbox.
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
    "maintenance": N_("not told because of maintenance"),
}
# Title and sentence of each error page.
_ERRORS: dict[int, tuple[str, str]] = {
    400: (N_("This request makes no sense"), N_("Something in it cannot be read. Go back and try again.")),
    401: (N_("Log in first"), N_("This page needs the admin token.")),
    403: (N_("This request came from another site"), N_("PulseMon takes changes only from its own pages.")),
    404: (N_("There is nothing here"), N_("The monitor or page does not exist, or it was deleted.")),
    405: (N_("This cannot be done here"), N_("This address does not take requests of that kind.")),
    409: (N_("That does not fit"), N_("What you asked for no longer fits what is there. Go back and look again.")),
    413: (N_("That is too much"), N_("The request is larger than PulseMon takes.")),
    422: (N_("Something in the form is wrong"), N_("Go back and check what you entered.")),
    429: (N_("Too many tries"), N_("Wait a moment before you try again.")),
    500: (N_("Something went wrong inside PulseMon"), N_("It was written to the log.")),
    503: (
        N_("The database does not answer"),
        N_("PulseMon is running and tries again by itself. Nothing is known to be changed; reload in a moment."),
    ),
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
_TEMPLATES = input_rules.MESSAGES | monitor_fields.MESSAGES
# What the use cases say when something cannot be done (Conflict); marked here because they know no languages.
_REFUSALS = (
    N_("This message is still being tried."),
    N_("This message is held back until the maintenance ends."),
    *maintenance.REFUSALS,
    N_("This monitor has no webhook to send it to."),
    N_("A monitor with this slug exists already."),
    TOO_MANY_TAGS,
    UNUSABLE_TAGS,
    MAIN_STAYS,
    N_("This monitor has too many corrections."),
    NOT_ACTIVE,
)


def locale_of(request: Request) -> str:
    """Return the reader's language: `?lang=`, then the cookie, then Accept-Language, then DEFAULT_LOCALE."""
    for wish in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if wish in LOCALES:
            return wish
    default = site_of(request).settings.default_locale.value
    return negotiate(request.headers.get("accept-language", ""), default=default)


class Words:
    """Times, durations and states in one language, true at *now*."""

    def __init__(self, locale: str, now: datetime) -> None:
        catalogue = translator(locale)
        self.locale = locale
        self.now = now
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
        zone = calendar.timezone.replace("_", " ")
        return f"{sentence} ({zone})"

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

    def percent(self, ratio: float | None) -> str:
        """Return a ratio to two places, rounded down: 99.999 % with an outage in it is not 100 %."""
        if ratio is None:
            return "–"
        if 0 < ratio < 0.0001:
            return f"<{'0,01' if self.locale == 'pt-BR' else '0.01'}\u202f%"
        text = f"{int(ratio * 10_000 + 1e-6) / 100:.2f}".removesuffix(".00")
        return f"{text.replace('.', ',') if self.locale == 'pt-BR' else text}\u202f%"

    def whole_percent(self, ratio: float) -> str:
        """Return a ratio in whole percent; "<1 %" where that is 0."""
        return f"{round(ratio * 100) or '<1'}\u202f%"

    def day(self, instant: date) -> str:
        """Return a calendar day."""
        return instant.strftime("%d/%m/%Y" if self.locale == "pt-BR" else "%Y-%m-%d")

    def moment(self, local: datetime) -> str:
        """Return a day and a time of day, as the clock of its own zone shows them."""
        return f"{self.day(local)} {local:%H:%M:%S}"

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

    def problem(self, problem: FieldProblem) -> str:
        """Return what is wrong with a field and what to write instead."""
        template = _TEMPLATES.get(problem.code)
        return self._(template) % dict(problem.limits) if template else self._(problem.message)


def iso(instant: datetime) -> str:
    """Return *instant* for a machine: ISO 8601, UTC, whole seconds."""
    return f"{instant.isoformat()[:19]}Z"


def utc(instant: datetime) -> str:
    """Return *instant* for a person without a zone of theirs."""
    return f"{instant.isoformat(' ')[:19]} UTC"


def clock_time(instant: datetime) -> str:
    """Return the time of day, in UTC."""
    return instant.strftime("%H:%M:%S UTC")


def bytes_in_words(count: int) -> str:
    """Return a size: "512 B", "9.8 kB"."""
    return f"{count} B" if count < 1_000 else f"{count / 1_000:.1f} kB"


def list_link(q: str, state: str, number: int = 1, *, tag: str = "", done: str = "") -> str:
    """Return the address of the list with these filters, on this page of it, saying what was done."""
    kept = {"q": q, "state": state, "tag": tag, "page": str(number) if number > 1 else "", "done": done}
    query = urlencode({name: value for name, value in kept.items() if value})
    return f"/?{query}" if query else "/"


def asset(path: str) -> str:
    """Return the URL of a file below static/, with a hash of its content so that it may be kept for ever."""
    return f"/static/{path}?v={_digest(path)}"


@cache
def _digest(path: str) -> str:
    return hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]


@cache
def environment(locale: str) -> Environment:
    """Return the templates of one language."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = translator(locale)
    # The extension adds these methods when it is loaded; the stubs do not know it.
    made.install_gettext_callables(catalogue.gettext, catalogue.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals |= {"asset": asset, "locale": locale, "Shown": Shown, "list_link": list_link}
    made.filters |= {"markdown": markdown.to_html, "clock_in": wall_clock.clock_in, "moment_in": wall_clock.moment_in}
    made.filters |= {"excerpt": public_incidents.excerpt, "span_in": wall_clock.span_in}
    made.filters |= {"iso": iso, "utc": utc, "clock_time": clock_time, "size": bytes_in_words}
    return made


def render(template: str, *, locale: str, now: datetime, **values: Any) -> str:
    """Return a template filled in for one language."""
    return environment(locale).get_template(template).render(words=Words(locale, now), now=now, **values)


def page(request: Request, template: str, *, status_code: int = 200, **values: Any) -> Response:
    """Answer with a page in the reader's language; `?lang=` is remembered."""
    locale = locale_of(request)
    now = site_of(request).now().astimezone(UTC)
    links = {each: language_link(request, each) for each in LOCALES}
    html = render(template, locale=locale, now=now, language_links=links, **values)
    response = HTMLResponse(html, status_code=status_code)
    set_language(request, response, locale)
    response.headers.setdefault("cache-control", "no-store")
    return response


def set_language(request: Request, response: Response, locale: str) -> None:
    """Say which language the answer is in and what it depends on, and keep a choice that was just made."""
    response.headers["content-language"] = locale
    response.headers.add_vary_header("Accept-Language")
    response.headers.add_vary_header("Cookie")
    if request.query_params.get("lang") in LOCALES:
        is_https = request.url.scheme == "https"
        response.set_cookie(LANGUAGE_COOKIE, locale, max_age=_COOKIE_SEC, samesite="lax", secure=is_https)


def language_link(request: Request, locale: str) -> str:
    """Return this page's address in another language; the answer to a form has none, so its list page is named."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    path = request.url.path if request.method in ("GET", "HEAD") else "/"
    # Two slashes at the beginning would name another host.
    return f"/{path.lstrip('/')}?{urlencode([*kept, ('lang', locale)])}"


def error_page(request: Request, status_code: int, *, detail: str = "") -> Response:
    """Answer with a page that says what went wrong and where to go. Never reads the database.

    *detail* is shown where it says more than the page: the id of a bug in the log, or why something cannot be done.
    """
    title, sentence = _ERRORS.get(status_code, _ERRORS[500 if status_code >= 500 else 400])
    translate = translator(locale_of(request)).gettext
    shown = ""
    if status_code == 500:
        shown = detail
    elif detail in _REFUSALS:
        shown = translate(detail)
    values = {"title": translate(title), "sentence": translate(sentence), "detail": shown, "number": status_code}
    return page(request, "error.html", status_code=status_code, **values)
