"""What must not leave the process in a line of the log, an error, a reason or a metric: one place that takes it out.

It knows secrets in two ways. By their *shape*: the paths of SECRET_PATHS, passwords in URLs, what stands behind the
host of a web address, headers and cookies that let somebody in, `whsec_...`, `pm_...`. And by their *value*: what
`know` was told, in whichever spelling. A secret that has neither a shape nor was told is not seen: do not log it.

It is asked for lines of the log and for errors, never for a ping that is stored. Below `log`; everybody may import it.
"""

from __future__ import annotations

import re
import threading
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

MASK = "***"

# Every path of ours with a secret in it, `***` in its place: one line here hides it everywhere.
SECRET_PATHS = (f"/h/*/{MASK}", f"/subscriptions/{MASK}", f"/join/{MASK}", f"/reset/{MASK}", f"/screen/{MASK}")

# Each pattern below is bounded: it costs a line of 8,000 characters a few milliseconds, whatever stands in it.
# Whatever stands for a character of a path: itself, or its code, which may be encoded once more.
_SLASH = r"(?:\\{0,4}/|%(?:25){0,3}2f)"
_SEGMENT = r"(?:(?!%(?:25){0,3}2f)[^/\\\s?#\"'<>])+"
# A slug of old may hold a space, but the end of a request line is none: "GET /h/job HTTP/1.1".
_ANY_SEGMENT = r"(?:(?!%(?:25){0,3}2f)[^/\n]){1,500}(?<! HTTP)"
# As long as tokens are, and longer than most of what else stands in a path.
_LONG_SEGMENT = re.compile(rf"({_SLASH})(?:(?!%(?:25){{0,3}}2f)[^/]){{20,}}", re.IGNORECASE)

_SECRET_HEADERS = (
    "authorization|proxy-authorization|x-admin-token|x-api-key|x-pulsemon-machine|cookie|set-cookie|webhook-signature"  # noqa: S105 - names
)
_HEADER_MARKS = "authorization|token|api-key|machine|cookie|signature"
_SECRET_FIELDS = "password|passwd|pwd|token|secret|sig|signature|api_?key|access_token|key|code|auth"  # noqa: S105 - names
_WEB_SCHEMES = "https?|wss?"
_SECRET_NAMES = re.compile(rf"{_SECRET_HEADERS}|(?:\w+_)?(?:password|token|secret)", re.IGNORECASE)


def _spelled(text: str) -> str:
    """Return a pattern for *text* in which each character may be percent-encoded, once or several times over."""
    return "".join(_character(each) for each in text)


def _character(each: str) -> str:
    codes = "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in each.encode("utf-8", "surrogatepass"))
    plain = re.escape(each)
    if each in "\"'\\/":
        plain = rf"\\{{0,8}}{plain}"  # as a repr or JSON writes it
    elif not each.isascii():
        # As latin-1 reads its bytes, as a repr of them and as JSON write it.
        wrong = re.escape(each.encode("utf-8", "surrogatepass").decode("latin-1"))
        units = each.encode("utf-16-be", "surrogatepass").hex()
        escaped = "".join(rf"\\{{1,8}}u{units[at : at + 4]}" for at in range(0, len(units), 4))
        quoted = "".join(rf"\\{{1,8}}x{byte:02x}" for byte in each.encode("utf-8", "surrogatepass"))
        plain = f"{plain}|{wrong}|{quoted}|{escaped}"
    return f"(?:{plain}|{codes})"


class _Shape(NamedTuple):
    """What a kind of secret looks like; `hints`: a text without any of these, in lower case, holds none."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str = rf"\g<1>{MASK}"


def _path_shape(path: str) -> _Shape:
    parts = path.strip("/").split("/")
    head = _SLASH + _SLASH.join(_ANY_SEGMENT if each == "*" else _spelled(each) for each in parts[:-1])
    return _Shape(("/", "%2"), re.compile(rf"({head}{_SLASH}){_SEGMENT}", re.IGNORECASE))


def _shape(hints: str, pattern: str, *replacement: str) -> _Shape:
    return _Shape(tuple(hints.split("|")), re.compile(pattern, re.IGNORECASE), *replacement)


_SHAPES = (
    *(_path_shape(each) for each in SECRET_PATHS),
    _shape("whsec_", r"(whsec_)[A-Za-z0-9+/=_%-]+"),
    # API keys; how one begins is shown beside its name.
    _shape("pm_", r"(?<![A-Za-z0-9])(pm_)[A-Za-z0-9_-]{20,}"),
    # scheme://user:PASSWORD@host, the example in our own words left as it is; it may hold an @ that nobody quoted.
    _shape(
        "://", r"([a-z][a-z0-9+.-]{1,20}://[^\s:/@\"']{0,300}:)(?!(?-i:PASSWORD)@)[^\s\"']{1,300}@", rf"\g<1>{MASK}@"
    ),
    # A token may stand for the user: https://TOKEN@host.
    _shape("://", rf"((?:{_WEB_SCHEMES})://)[^\s:/@\"'?#]+@", rf"\g<1>{MASK}@"),
    # Nothing is said of a web address but its host: Discord's and Slack's are passwords from there on.
    _shape(
        "://",
        rf"((?:{_WEB_SCHEMES})://[^\s/?#\"'\\<>]+)[/?#](?=[^\s\"'<>,;)])[^\s\"'<>]*",
        rf"\g<1>/{MASK}",
    ),
    # A header, as itself, in a dict or in a list of pairs; the value ends with its quotes or the line.
    _shape(_HEADER_MARKS, rf"(\b(?:{_SECRET_HEADERS})[\"']?\s{{0,5}}[:=,]\s{{0,5}}b?[\"'])(?:[^\"'\\\n]|\\.)*"),
    _shape(_HEADER_MARKS, rf"(\b(?:{_SECRET_HEADERS})\s{{0,5}}[:=]\s{{0,5}})(?!b?[\"'])[^\n]+"),
    _shape("bearer|basic", r"(\b(?:Bearer|Basic)\s)(?=[\w+/=.~-]{6})(?!authentication\b)[\w+/=.~-]+"),
    _shape("pulsemon_", r"(\b(?:__Host-|__Secure-)?pulsemon_(?:session|page_\d+)=)[^\s;,\"']+"),
    # A query, a form's body, the words of a connection to a database.
    _shape("=", rf"((?:[?&;]|\b(?=(?:password|passwd|token|secret)=))(?:{_SECRET_FIELDS})=)[^\s&;\"',)]+"),
    # What libpq quotes of the options of a DATABASE_URL, a password that somebody wrote at a wrong place among them.
    _shape("invalid ", r"(\binvalid [\w -]{1,40}(?:value:?|option) [\"'])[^\"'\n]*"),
    # What PostgreSQL and SQLAlchemy quote of a row.
    _shape("row contains|parameters", r"(Failing row contains |\[parameters: )[^\n]*"),
    _shape("key (", r"(Key \([^)\n]{0,80}?(?:token|secret|password|session)[^)\n]{0,80}\)=\()[^\n]*"),
)

_lock = threading.Lock()
_values: set[str] = set()
_known: re.Pattern[str] | None = None
# Shorter ones, and plain words, would mask half of what the log says, and tell by it what they are.
_SHORTEST_VALUE = 6
_LONG_VALUE = 12


def know(*values: str) -> None:
    """Hide these values from now on, in every spelling: plain, percent-encoded, escaped, in either case.

    A value of fewer than 6 characters, or a plain word of fewer than 12, is not hidden by its value; its shape hides
    it in URLs, headers and queries. Of a URL its path with the query is hidden too, and its user's password.
    """
    global _known
    with _lock:
        new = {part for each in values for part in _parts_of(each) if _is_tellable(part)} - _values
        if not new:
            return
        _values.update(new)
        # The longest first, so that what is left of a longer one does not stand there.
        patterns = [_value_pattern(each) for each in sorted(_values, key=len, reverse=True)]
        _known = re.compile("|".join(patterns), re.IGNORECASE)


def _parts_of(value: str) -> list[str]:
    """Return the value, and what of it may turn up alone where it is a URL."""
    if "://" not in value:
        return [value]
    try:
        split = urlsplit(value)
        parts = [split.password or "", unquote(split.password or "")]
    except ValueError:
        return [value]
    if split.scheme.lower() in ("http", "https"):
        target = split.path + (f"?{split.query}" if split.query else "")
        alone = [each for each in (target, *split.path.split("/")) if len(each) >= _LONG_VALUE]  # not "/status"
        return [value, *alone, *parts]
    return parts


def _is_tellable(value: str) -> bool:
    return len(value) >= (_LONG_VALUE if value.isalpha() else _SHORTEST_VALUE)


def _value_pattern(value: str) -> str:
    if len(value) >= _LONG_VALUE:
        return _spelled(value)
    return rf"(?<![A-Za-z0-9]){_spelled(value)}(?![A-Za-z0-9])"


def redact(text: str) -> str:
    """Return *text* with every secret that is known, by its shape or its value, replaced by `***`."""
    lowered = text.lower()
    for hints, pattern, replacement in _SHAPES:
        if any(hint in lowered for hint in hints):
            text = pattern.sub(replacement, text)
    known = _known
    return text if known is None else known.sub(MASK, text)


def is_secret_name(name: str) -> bool:
    """Return whether what bears this name, a header or a field, is a secret whatever it is."""
    return _SECRET_NAMES.fullmatch(name) is not None


def redact_path(path: str) -> str:
    """Return the path of a request that led nowhere: it may be a ping URL with a slip in it; long segments go too."""
    return redact(_LONG_SEGMENT.sub(rf"\g<1>{MASK}", path))
