"""The project that a body names. Which one that is, and whether whoever asks may see it, is said where he is let in."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.input.rules import CONTROL, documented, printable

NAME = "project"
STAYS = N_("It stays in the project that it was made in.")

ProjectSlug = Annotated[
    str,
    Field(description="The slug of its project. Null: the key's, else `default`. It stays the same for ever."),
    AfterValidator(printable),
    documented(pattern=f"^[^{CONTROL}]*$"),
]


def named_in(data: object) -> str | None:
    """Return the slug of the project that a checked body names."""
    found = data.get(NAME) if isinstance(data, dict) else None
    return found if isinstance(found, str) else None


def refuse_move(named: str | None, slug: str) -> None:
    """Refuse another project than *slug*, in which a thing is, whether there is one or not. Raises Invalid."""
    if named not in (None, slug):
        raise Invalid((FieldProblem(NAME, "project-stays", STAYS),))
