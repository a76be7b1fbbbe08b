"""What an edit says of a thing: a dataclass of all the fields that it may change, `KEPT` where one stays as it is.

None is a value like any other: it empties a field.
"""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Kept(Enum):
    """The type of `KEPT`, so that a field can say that it may be left out: `title: str | None | Kept = KEPT`."""

    KEPT = "kept"

    def __repr__(self) -> str:
        return self.name


KEPT: Final = Kept.KEPT


def given(changes: DataclassInstance) -> dict[str, Any]:
    """Return field -> value of what an edit changes, in the order of its fields; empty where it changes nothing."""
    said = {each.name: getattr(changes, each.name) for each in fields(changes)}
    return {name: value for name, value in said.items() if value is not KEPT}
