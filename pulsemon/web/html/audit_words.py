"""What was done to what, in words: the actions of the audit log and the values that they changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pulsemon.core.texts import N_
from pulsemon.web.html.words import Words

# What something was done to, and what was done: the two parts of `monitor.edit`. Others are shown as they are.
KIND_WORDS: Mapping[str, str] = {
    "monitor": N_("Monitor"),
    "page": N_("Page"),
    "incident": N_("Incident"),
    "maintenance": N_("Maintenance"),
    "subscriber": N_("Subscriber"),
    "correction": N_("Correction"),
    "message": N_("Message"),
    "user": N_("User"),
    "member": N_("Member"),
    "key": N_("Key"),
    "session": N_("Session"),
    "project": N_("Project"),
    "login": N_("Login"),
    "factor": N_("Second factor"),
}
_DONE_WORDS: Mapping[str, str] = {
    "create": N_("creation"),
    "add": N_("addition"),
    "edit": N_("change"),
    "update": N_("update"),
    "delete": N_("deletion"),
    "remove": N_("removal"),
    "pause": N_("pause"),
    "resume": N_("resumption"),
    "rotate": N_("second key"),
    "rotate-token": N_("new token"),
    "ping-key": N_("new ping key"),
    "move": N_("move to another project"),
    "monitors": N_("choice of monitors"),
    "logo": N_("logo"),
    "end": N_("end"),
    "skip": N_("one time skipped"),
    "withdraw": N_("withdrawal"),
    "again": N_("sent again"),
    "test": N_("test"),
    "invite": N_("invitation"),
    "reset": N_("link to a new password"),
    "password": N_("new password"),
    "end-others": N_("end of the others"),
}
_ACTORS = {"admin-token": N_("the admin token"), "machine": N_("a command at the machine")}


def action_in_words(words: Words, action: str) -> str:
    """Return an action as people say it: "Monitor: change"."""
    kind, _, done = action.partition(".")
    said = [KIND_WORDS.get(kind, kind), _DONE_WORDS.get(done, done)]
    return ": ".join(words.translate(each) for each in said if each)


def actor_in_words(words: Words, actor: str) -> str:
    """Return who did it; of whoever has no name, what that is."""
    return words.translate(_ACTORS[actor]) if actor in _ACTORS else actor


def changes_of(before: Any, after: Any) -> list[tuple[str, str | None, str | None]]:
    """Return (field, what it was, what it became) of an entry; None: nothing is said of that."""
    old, new = (each if isinstance(each, dict) else {} for each in (before, after))
    names = [*new, *(name for name in old if name not in new)]
    return [(name, _text(old, name), _text(new, name)) for name in names]


def _text(values: Mapping[str, Any], name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, list) and all(isinstance(each, str | int) for each in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
