"""What the forms that put monitors in order may hold: which were ticked, and the position that they are to have."""

from __future__ import annotations

from pulsemon.core.texts import N_
from pulsemon.errors import Invalid
from pulsemon.input.rules import FieldRules, Lists, first_of, whole_number

PROBLEMS: dict[str, str] = {
    "position": N_("Write a position: a whole number, from 1 for the first place. Beyond the end means the end."),
    "two-typed": N_("A position and a group are filled in. Use the button beside the one that you mean."),
    "none-ticked": N_("Tick the monitors that are to be moved first."),
    "none-to-add": N_("Choose at least one monitor to add. A group or a tag that has none adds nothing."),
}
RULES = FieldRules(PROBLEMS)


_TYPED_FOR = {"place": "place", "to_group": "group"}


def as_meant(form: Lists) -> Lists:
    """Return a form with its action in `do`, also where Enter sent it: then it is that of the field that is filled.

    Raises Invalid: two are.
    """
    if first_of(form, "do") != "typed":
        return form
    filled = [action for name, action in _TYPED_FOR.items() if first_of(form, name).strip()]
    if len(filled) > 1:
        raise Invalid((RULES.problem("place", "two-typed"),))
    return {**form, "do": filled or ["place"]}


def position_in(text: str) -> int:
    """Return the position that was typed, in the digits of any script. Raises Invalid with the field `place`."""
    digits = text.strip()
    position = whole_number(digits) if digits.isdecimal() else 0
    if position < 1:
        raise Invalid((RULES.problem("place", "position"),))
    return position


def none_ticked() -> Invalid:
    """Return the error that says that no monitor is ticked."""
    return Invalid((RULES.problem("monitor", "none-ticked"),))


def none_to_add() -> Invalid:
    """Return the error that says that nothing was chosen that could be added."""
    return Invalid((RULES.problem("monitors", "none-to-add"),))
