"""What one field is that an owner sets: its rule, how JSON and a form write it, and where its value is kept.

Which fields there are is said by the tables of them (`input.monitors`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from pulsemon.core import durations
from pulsemon.input.rules import Limits, is_whole, length_in, text_of, whole_number

# In place of a default: the field must be given, and cannot be emptied.
REQUIRED: Any = object()


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of one kind are written; none of the functions is asked about None, which is "" in a form.

    `read` turns the text of a form, which is not empty, into what JSON would hold; what it cannot read stays text, for
    the rule to refuse. `write` is the way back. `keep` turns what JSON holds into what is kept, and `show` is the way
    back; without them it is kept as JSON holds it. `unit_seconds`: of a length of time, which forms write with units.
    """

    json_type: Any
    read: Callable[[str], object]
    write: Callable[[Any], str] = str
    keep: Callable[[Any], Any] | None = None
    show: Callable[[Any], Any] | None = None
    unit_seconds: int | None = None


def _number(text: str) -> object:
    return whole_number(text) if is_whole(text) else text


def _yes_or_no(text: str) -> object:
    return {"yes": True, "no": False}.get(text, text)


def _parts(texts: list[str]) -> list[str]:
    return [each.strip() for each in texts if each.strip()]


TEXT = Kind(str, text_of)
NUMBER = Kind(int, _number)
SECONDS = Kind(int, length_in, write=durations.write, unit_seconds=1)
MINUTES = Kind(
    int,
    lambda text: length_in(text, unit_seconds=60),
    write=lambda minutes: durations.write(minutes * 60),
    unit_seconds=60,
)
# Seconds that are kept as a length of time.
LENGTH = replace(SECONDS, keep=lambda seconds: timedelta(seconds=seconds), show=lambda kept: int(kept.total_seconds()))
SWITCH = Kind(bool, _yes_or_no, write=lambda is_on: "yes" if is_on else "no")
LINES = Kind(list[str], lambda text: _parts(text.splitlines()), write="\n".join, keep=tuple)
WORDS = Kind(list[str], lambda text: _parts(text.split(",")), write=", ".join, keep=tuple)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a field may hold: a type that Pydantic checks, and by code what fills the message when it is broken."""

    kind: Kind
    type: Any
    limits: Mapping[str, Limits] = field(default_factory=dict)


def up_to(most: int) -> Limits:
    """Return what fills a message about a length."""
    return (("max", most),)


def whole(least: int, most: int, kind: Kind = NUMBER) -> Rule:
    """Return the rule of a whole number; its bounds belong to it."""
    return Rule(kind, Annotated[int, Field(ge=least, le=most)], {"range": (("min", least), ("max", most))})


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One row of a table of fields: a field, by the name that it has in JSON and in forms.

    `about` tells API readers what it is for, and `about_in_answer` says it of answers, where that is something else.
    `default` holds where nothing was said, and where a form's field was emptied. Where it is None the field may be
    null, and is so in answers too, unless `type_in_answer` names the type that it has there.
    `path`: the attribute that keeps it, such as `placement.group`, where it is no attribute of its own name.
    """

    name: str
    rule: Rule
    about: str
    _: KW_ONLY
    about_in_answer: str | None = None
    default: Any = REQUIRED
    path: str = ""
    type_in_answer: Any = None

    @property
    def kind(self) -> Kind:
        """Return how its values are written."""
        return self.rule.kind

    @property
    def kept_at(self) -> str:
        """Return the path of the attribute that keeps it."""
        return self.path or self.name

    @property
    def asked(self) -> Any:
        """Return the type of what a request may hold, documented, for Pydantic."""
        of_type: Any = self.rule.type
        documented = Annotated[of_type, Field(description=self.about)]
        return documented | None if self.default is None else documented

    @property
    def answered(self) -> Any:
        """Return the type of what an answer holds, documented, for Pydantic."""
        of_type: Any = self.type_in_answer or (
            self.kind.json_type | None if self.default is None else self.kind.json_type
        )
        said = self.about if self.about_in_answer is None else self.about_in_answer
        return Annotated[of_type, Field(description=said or None)]

    def read(self, text: str) -> Any:
        """Return what JSON would hold in place of a form's text, trimmed; REQUIRED where it must not be empty."""
        return self.kind.read(text) if text else self.default

    def write(self, value: Any) -> str:
        """Return what JSON holds as the text of a form."""
        return "" if value is None else self.kind.write(value)

    def keep(self, value: Any) -> Any:
        """Return what is kept of what JSON holds."""
        return value if value is None or self.kind.keep is None else self.kind.keep(value)

    def show(self, kept: Any) -> Any:
        """Return what is kept as JSON holds it."""
        return kept if kept is None or self.kind.show is None else self.kind.show(kept)
