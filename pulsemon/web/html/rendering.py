"""Pages: the reader's language, and the templates. The words for times and states stand in `words`.

Templates escape everything; a text of a user never becomes markup. Every string goes through gettext.
"""

from __future__ import annotations

import gzip
import hashlib
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pulsemon.core import schedule
from pulsemon.core.shown import Shown
from pulsemon.core.texts import N_
from pulsemon.errors import Conflict
from pulsemon.locale import LOCALES, negotiate, times, translator
from pulsemon.web.html import markdown, viewpoint, wall_clock
from pulsemon.web.html.excerpts import excerpt
from pulsemon.web.html.words import Words
from pulsemon.web.http.codings import takes_gzip
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import found_project

_FOLDER = Path(__file__).parent.parent
TEMPLATES = _FOLDER / "templates"
STATIC = _FOLDER / "static"
LANGUAGE_COOKIE = "lang"
# Below it a page fits into one packet anyhow.
_WORTH_COMPRESSING = 1_200
# 100 kB in 1 ms; the highest level takes three times as long for a twentieth less.
_LEVEL = 5
# The name of the reader's time zone; app.js sets it.
ZONE_COOKIE = "tz"
_COOKIE_SEC = 365 * 24 * 3600

# Title and sentence of each error page.
_ERRORS: dict[int, tuple[str, str]] = {
    400: (N_("This request makes no sense"), N_("Something in it cannot be read. Go back and try again.")),
    401: (N_("Log in first"), N_("This page needs the admin token.")),
    403: (N_("This is not allowed"), N_("Nothing was changed.")),
    404: (N_("There is nothing here"), N_("What you look for does not exist, or it was deleted.")),
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


def locale_of(request: Request) -> str:
    """Return the reader's language: `?lang=`, then the cookie, then Accept-Language, then DEFAULT_LOCALE."""
    for wish in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if wish in LOCALES:
            return wish
    default = site_of(request).settings.default_locale.value
    return negotiate(request.headers.get("accept-language", ""), default=default)


def zone_of(request: Request) -> str:
    """Return the reader's time zone as the browser told it; UTC where it has not, or told none of those there are."""
    told = request.cookies.get(ZONE_COOKIE, "")
    return told if told in schedule.zone_names() else "UTC"


def iso(instant: datetime) -> str:
    """Return *instant* for a machine: ISO 8601, UTC, whole seconds."""
    return f"{instant.isoformat()[:19]}Z"


def bytes_in_words(count: int) -> str:
    """Return a size: "512 B", "9.8 kB"."""
    return f"{count} B" if count < 1_000 else f"{count / 1_000:.1f} kB"


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
    made.globals |= {"asset": asset, "locale": locale, "Shown": Shown}
    made.filters |= {"markdown": markdown.to_html, "excerpt": excerpt, "iso": iso, "size": bytes_in_words}
    made.filters["zone_name"] = partial(times.zone, locale=locale)
    told = (wall_clock.clock_in, wall_clock.moment_in, wall_clock.named_moment_in, wall_clock.span_in)
    made.filters |= {each.__name__: partial(each, locale=locale) for each in told}
    return made


def render(template: str, *, locale: str, now: datetime, reader_zone: str = "UTC", **values: Any) -> str:
    """Return a template filled in for one language, with the reader's times in *reader_zone*."""
    words = Words(locale, now, reader_zone)
    return environment(locale).get_template(template).render(words=words, now=now, **values)


def page(
    request: Request, template: str, *, status_code: int = 200, holds_secret: bool = False, **values: Any
) -> Response:
    """Answer with a page in the reader's language; `?lang=` is remembered.

    Compressed, unless it *holds_secret*, such as a ping URL: how well a page compresses tells of what stands in it
    (docs/decisions/0021-what-is-compressed.md).
    """
    locale, site = locale_of(request), site_of(request)
    now = site.now().astimezone(UTC)
    # What is shown once, in the answer to a form, is gone on any other page: nobody is led away from it by mistake.
    is_shown_once = holds_secret and request.method == "POST" and request.url.path != "/login"
    links = {} if is_shown_once else {each: language_link(request, each) for each in LOCALES}
    # A function: pages that do not say it need not know.
    values.setdefault("undelivered_count", lambda: _undelivered_count(request))
    values = viewpoint.names_of(request) | values
    html = render(template, locale=locale, now=now, reader_zone=zone_of(request), language_links=links, **values)
    response = HTMLResponse(html, status_code=status_code)
    if not holds_secret:
        _compress(request, response)
    set_language(request, response, locale)
    response.headers.setdefault("cache-control", "no-store")
    return response


def _undelivered_count(request: Request) -> int:
    """Return how many messages do not arrive of the project that the page is about."""
    project_id = found_project(request)
    return 0 if project_id is None else site_of(request).undelivered(project_id).count


def _compress(request: Request, response: Response) -> None:
    response.headers.add_vary_header("Accept-Encoding")
    if len(response.body) >= _WORTH_COMPRESSING and takes_gzip(request.headers.get("accept-encoding", "")):
        response.body = gzip.compress(response.body, _LEVEL, mtime=0)
        response.headers["content-encoding"] = "gzip"
        response.headers["content-length"] = str(len(response.body))


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


def error_page(request: Request, status_code: int, *, detail: str = "", refused: Conflict | None = None) -> Response:
    """Answer with a page that says what went wrong and where to go. Never reads the database.

    *detail* is a sentence for the reader that says more than the page: the id of a bug in the log.
    *refused*: why something cannot be done.
    """
    title, sentence = _ERRORS.get(status_code, _ERRORS[500 if status_code >= 500 else 400])
    words = Words(locale_of(request), site_of(request).now())
    values: dict[str, Any] = {
        "title": words.translate(title),
        "sentence": words.translate(sentence),
        "detail": words.refusal(refused) if refused is not None else words.translate(detail) if detail else "",
        "number": status_code,
    }
    return page(request, "error.html", status_code=status_code, **values)
