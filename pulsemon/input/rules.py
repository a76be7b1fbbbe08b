"""Checks that the fields of monitors, pages, incidents and maintenance share, and reading a body by a model of them.

Which fields there are is said by the modules beside this one. What only the database knows is checked there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from pulsemon.core import durations, schedule
from pulsemon.core.keyset import LARGEST_ID
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem, Invalid, NotFound

MAX_NAME_LENGTH = 200
MAX_MONITORS = 1_000

# Each rule that several kinds share, and what to write instead.
MESSAGES: dict[str, str] = {
    "missing": N_("This field is required."),
    "not-text": N_("This must be text."),
    "not-whole": N_("This must be a whole number, written as a number."),
    "range": N_("This must lie between %(min)d and %(max)d."),
    "duration": N_("Write a length of time, such as 15 min, 1 h 30 min or 2 days."),
    "two-readings": N_("These two decimals could be minutes or seconds. Write 1h30 or 1.5 h, 2 min 15 s or 2.25 min."),
    "duration-range": N_("This must lie between %(least_seconds)s and %(most_seconds)s."),
    "blank": N_("This must not be blank."),
    "too-long": N_("This may hold at most %(max)d characters."),
    "characters": N_("This must not hold control characters or broken Unicode."),
    "long-text": N_("This may hold at most %(max)d characters, and no control characters."),
    "not-bool": N_("This must be true or false."),
    "not-list": N_("This must be a list of texts."),
    "monitors": N_("This must be a list of slugs of monitors, at most %(max)d."),
    "too-many-chosen": N_("These are more than %(max)d monitors. Choose fewer of them, or everything."),
    "language": N_("This must be en or pt-BR."),
    "unknown-field": N_("There is no such field. The fields are %(fields)s."),
    "not-object": N_("This must be a JSON object."),
} | schedule.MESSAGES
# Pydantic's names for the rules that it checks itself; ours have the names of MESSAGES.
CODES = {
    "missing": "missing",
    "string_type": "not-text",
    "string_unicode": "characters",
    "string_too_long": "too-long",
    "int_type": "not-whole",
    "bool_type": "not-bool",
    "list_type": "not-list",
    "greater_than_equal": "range",
    "less_than_equal": "range",
}

# Parts of character classes, readable for Python's expressions and for those of a JSON schema.
CONTROL = r"\u0000-\u001f\u007f-\u009f"
# Lines are a long text's own; nothing else that cannot be seen is.
_CONTROL_IN_LINES = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
INVISIBLE = r"\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
UNPRINTABLE = re.compile(rf"[{CONTROL}\ud800-\udfff]")
UNPRINTABLE_IN_LINES = re.compile(rf"[{_CONTROL_IN_LINES}\ud800-\udfff]")
# At least one character that leaves a mark: zero-width ones alone make a name that nobody sees.
VISIBLE = re.compile(rf"[^\s{INVISIBLE}]")
VISIBLE_TEXT = rf"^[^{CONTROL}]*[^\s{CONTROL}{INVISIBLE}][^{CONTROL}]*$"
PRINTABLE_LINES = rf"^[^{_CONTROL_IN_LINES}]*$"
VISIBLE_LINES = rf"^[^{_CONTROL_IN_LINES}]*[^\s{CONTROL}{INVISIBLE}][^{_CONTROL_IN_LINES}]*$"
_SHOWABLE_NAME = re.compile(r"[a-z_]{1,40}")
# Longer ones are outside every limit, and int() takes seconds for a number of a million digits.
_MAX_DIGITS = 18
_BEYOND_LIMITS: int = 10**_MAX_DIGITS
_WHOLE = re.compile(r"-?[0-9]+")

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

Limits = tuple[tuple[str, object], ...]
# The fields of a form, each with all its values.
Lists = Mapping[str, Sequence[str]]


def documented(**schema: Any) -> Any:
    """Tell API readers a rule that a validator of ours checks, because it has a message of its own."""
    return Field(json_schema_extra=schema)


def printable(text: str) -> str:
    """Refuse control characters and broken Unicode."""
    if UNPRINTABLE.search(text):
        raise PydanticCustomError("characters", "")
    return text


def lines_up_to(max_length: int) -> AfterValidator:
    """Refuse a text with lines in it, such as Markdown, that is longer or holds other control characters."""

    def check(text: str) -> str:
        if len(text) > max_length or UNPRINTABLE_IN_LINES.search(text):
            raise PydanticCustomError("long-text", "")
        return text

    return AfterValidator(check)


def not_blank(text: str) -> str:
    """Refuse a text that leaves no mark."""
    if not VISIBLE.search(text):
        raise PydanticCustomError("blank", "")
    return text


def _timezone(name: str) -> str:
    if name not in schedule.zone_names():
        raise PydanticCustomError("timezone", "")
    return name


def _few(slugs: list[str]) -> list[str]:
    if len(slugs) > MAX_MONITORS:
        raise PydanticCustomError("monitors", "")
    return slugs


Title = Annotated[
    str,
    Field(max_length=MAX_NAME_LENGTH),
    AfterValidator(printable),
    AfterValidator(not_blank),
    documented(minLength=1, pattern=VISIBLE_TEXT),
]
Timezone = Annotated[str, AfterValidator(_timezone)]
Slugs = Annotated[list[str], AfterValidator(_few), documented(maxItems=MAX_MONITORS)]


def limits_in_words(limits: Limits, in_words: Callable[[int], str] = durations.in_words) -> dict[str, object]:
    """Return what fills a message: lengths of time, whose names end in `_seconds`, in words; the rest as it is."""
    return {
        name: in_words(value) if name.endswith("_seconds") and isinstance(value, int) else value
        for name, value in limits
    }


@dataclass(frozen=True, slots=True)
class FieldRules:
    """What is said where a field breaks a rule.

    `messages`: of the rules that are its own, beside `MESSAGES`. `codes`: (field, Pydantic's name) -> ours, where
    `CODES` has another one. `limits`: (field, code) -> what fills the message.
    """

    messages: Mapping[str, str]
    codes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    limits: Mapping[tuple[str, str], Limits] = field(default_factory=dict)

    def problem(self, name: str, code: str, limits: Limits | None = None) -> FieldProblem:
        """Return what is wrong with the field *name*."""
        found = self.limits.get((name, code), ()) if limits is None else limits
        message = self.messages.get(code) or MESSAGES[code]
        return FieldProblem(name, code, message % limits_in_words(found), found)

    @contextmanager
    def telling_lengths(self, units: Mapping[str, int], values: Mapping[str, object]) -> Iterator[None]:
        """Say of lengths of time what forms take: *units*, name of a field -> seconds of what a bare number counts.

        *values* are those that are checked inside of this; a length that could not be read is the text that was typed.
        """
        try:
            yield
        except Invalid as wrong:
            told = (self._of_length(each, units.get(each.field), values.get(each.field)) for each in wrong.problems)
            raise Invalid(tuple(told)) from None

    def _of_length(self, found: FieldProblem, unit: int | None, value: object) -> FieldProblem:
        if unit is None or found.code not in ("not-whole", "range"):
            return found
        if found.code == "not-whole":
            is_unclear = isinstance(value, str) and durations.has_two_readings(value)
            return self.problem(found.field, "two-readings" if is_unclear else "duration")
        least, most = (int(str(value)) * unit for _, value in found.limits)
        return self.problem(found.field, "duration-range", (("least_seconds", least), ("most_seconds", most)))

    def read(self, model: type[BaseModel], data: object) -> dict[str, Any]:
        """Return name -> checked value of what the decoded JSON sets. Raises Invalid, with one problem a field."""
        known, unknown = self.known_of(data, tuple(model.model_fields))
        return self.check(model, known, also=unknown)

    def known_of(self, data: object, fields: Sequence[str]) -> tuple[dict[str, Any], list[FieldProblem]]:
        """Return name -> value of *fields* in the JSON, and what is wrong with others. Raises Invalid: no object."""
        if not isinstance(data, dict):
            raise Invalid((self.problem("", "not-object"),))
        limits = (("fields", ", ".join(fields)),)
        unknown = [name for name in data if name not in fields]
        found = [self.problem(_showable(name), "unknown-field", limits) for name in unknown[:10]]
        return {name: value for name, value in data.items() if name in fields}, found

    def check(
        self, model: type[BaseModel], values: Mapping[str, Any], *, also: Iterable[FieldProblem] = ()
    ) -> dict[str, Any]:
        """Return name -> checked value of what was given; *also*: problems that were found before. Raises Invalid."""
        checked: dict[str, Any] = {}
        found: list[FieldProblem] = []
        try:
            checked = model.model_validate(values).model_dump(exclude_unset=True)
        except ValidationError as wrong:
            found = [self._told(error) for error in wrong.errors(include_url=False, include_input=False)]
        found += also
        if found:
            raise Invalid(tuple(found))
        return checked

    def _told(self, error: ErrorDetails) -> FieldProblem:
        name, kind = str(error["loc"][0]), error["type"]
        code = self.codes.get((name, kind)) or CODES.get(kind, kind)
        if code == "not-text" and len(error["loc"]) > 1:
            code = self.codes.get((name, "list_type"), "not-list")  # the list is one, and what it holds is no text
        return self.problem(name, code)


def _showable(name: str) -> str:
    """Return the name of an unknown field if it looks like one; anything else could be data, and is not repeated."""
    return name if _SHOWABLE_NAME.fullmatch(name) else ""


def without_defaults(schema: dict[str, Any]) -> None:
    """Take the defaults out of a schema: what is left out of an edit stays as it is."""
    for each in schema["properties"].values():
        each.pop("default", None)


def is_whole(text: str) -> bool:
    """Return whether *text* writes a whole number."""
    return _WHOLE.fullmatch(text) is not None


def whole_number(digits: str) -> int:
    """Return the number that *digits* (and a minus) write; one too long for any limit of ours is cut down to 10^18."""
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    return -_BEYOND_LIMITS if digits.startswith("-") else _BEYOND_LIMITS


def length_in(text: str, *, unit_seconds: int = 1) -> object:
    """Return how many units the text of a form's field names, whose bare numbers count units; else the text itself."""
    if is_whole(text):
        return whole_number(text)
    seconds = durations.read(text)
    return text if seconds is None or seconds % unit_seconds else seconds // unit_seconds


def id_in(text: str, *, otherwise: str) -> int:
    """Return the id that an address names. Raises NotFound with the words *otherwise*."""
    if not (text.isascii() and text.isdigit() and 0 < whole_number(text) <= LARGEST_ID):
        raise NotFound(otherwise)
    return int(text)


def read_instant(text: str, timezone: str | None = None) -> datetime | None:
    """Return the instant that ISO 8601 names, in UTC; without a zone in it, by the clock of *timezone*.

    None for anything else, for a time that this clock skips, and for what lies before 1970.
    """
    try:
        found = datetime.fromisoformat(text) if len(text) <= 40 else None
        if found is not None and found.tzinfo is None:
            found = schedule.instant_of(found, timezone) if timezone else None
        at = None if found is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if at is not None and at >= _EARLIEST else None


def first_of(lists: Lists, name: str) -> str:
    """Return the first value of a form's field, "" where it has none."""
    return (lists.get(name) or [""])[0]


def text_of(text: str) -> str:
    """Return what was typed, with line ends as we keep them and without the space around it."""
    return text.replace("\r\n", "\n").strip()
