"""What somebody else changed while a form of an edit was open.

The form carries a stamp of what each of its fields held when it was made. Of what comes back only the fields count that
the reader changed; where another one changed such a field too, both values are told and nothing is done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.input.rules import Lists, first_of, text_of

# The field of the stamp. Its length is bounded by that of the form, and no form has half as many fields.
FIELD = "stamp"
_MAX_FIELDS = 100
CODE = "changed-meanwhile"
MESSAGES = {
    CODE: N_("Somebody changed this meanwhile. Now it is: %(now)s. Save again to replace it with what stands here."),
    "emptied-meanwhile": N_("Somebody emptied this meanwhile. Save again to fill it with what stands here."),
}

# What a text of a field says, for comparing.
Essence = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Merged:
    """What a form means for a thing as it is now, and what stands against it.

    `texts`: what the reader changed, and as it is now what he left alone. `clashes`: fields that both changed.
    """

    texts: dict[str, list[str]]
    clashes: tuple[str, ...] = ()

    def firsts(self) -> dict[str, str]:
        """Return the texts of a form whose fields have one each."""
        return {name: texts[0] if texts else "" for name, texts in self.texts.items()}

    def require_no_clash(self, present: Lists, *, places: Mapping[str, str] = {}) -> None:
        """Refuse what both changed, with what each field holds now.

        *places*: where a field's problem is told, if not at the field. Raises Invalid.
        """
        if self.clashes:
            raise Invalid(
                tuple(_problem(places.get(name, name), ", ".join(present.get(name, ()))) for name in self.clashes)
            )


def _problem(name: str, now: str) -> FieldProblem:
    if not now.strip():
        return FieldProblem(name, "emptied-meanwhile", MESSAGES["emptied-meanwhile"])
    return FieldProblem(name, CODE, MESSAGES[CODE] % {"now": now}, (("now", now),))


def _same(name: str, text: str) -> str:
    return text_of(text)


def stamp(shown: Lists, *, essence: Essence = _same) -> str:
    """Return what a form carries of the fields that it shows: name -> digest, as JSON."""
    return json.dumps({name: _digest(name, texts, essence) for name, texts in shown.items()}, separators=(",", ":"))


def _digest(name: str, texts: Sequence[str], essence: Essence) -> str:
    said = json.dumps(sorted(each for each in (essence(name, text) for text in texts) if each))
    return hashlib.blake2b(said.encode(), digest_size=6).hexdigest()


def merge(
    typed: Lists,
    present: Lists,
    *,
    essence: Essence = _same,
    boxes: Collection[str] = (),
    together: Collection[str] = (),
) -> Merged:
    """Return what *typed* means for a thing whose fields hold *present*.

    *boxes*: fields that are not sent where nothing is ticked. *together*: fields that say one thing, so that a change
    of one is a change of all. Without a stamp that can be read, as programs send forms, whatever was sent was meant.
    """
    stamped = _read(first_of(typed, FIELD))
    given = {name: list(texts) for name, texts in typed.items() if name in present}
    unticked = present.keys() - typed.keys() & (stamped.keys() or present.keys())
    given |= {name: [] for name in boxes if name in unticked}
    now = {name: _digest(name, texts, essence) for name, texts in present.items()}
    mine = {name: _digest(name, texts, essence) for name, texts in given.items()}
    changed = {name: given[name] for name in given if mine[name] != stamped.get(name)}
    others = {name for name in stamped.keys() & now.keys() if stamped[name] != now[name]}
    clashes = [name for name in changed if name in others and mine[name] != now[name]]
    if others & set(together) and any(mine[name] != now[name] for name in changed if name in together):
        clashes += [name for name in changed if name in together and name not in clashes]
    return Merged({name: list(texts) for name, texts in present.items()} | changed, tuple(clashes))


def _read(text: str) -> Mapping[str, str]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or len(found) > _MAX_FIELDS:
        return {}
    return {name: digest for name, digest in found.items() if isinstance(digest, str)}
