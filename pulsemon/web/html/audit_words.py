"""What was done to what, in words: the actions of the audit log and the values that they changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pulsemon.core.texts import N_
from pulsemon.db import audit
from pulsemon.web.html.role_words import ROLE_WORDS
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
    "admin-token": N_("Admin token"),
}
DONE_WORDS: Mapping[str, str] = {
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
    "join": N_("first password"),
    "factor-on": N_("second factor set up"),
    "factor-off": N_("second factor removed"),
    "recovery-codes": N_("new recovery codes"),
    "on": N_("switched on"),
    "off": N_("switched off"),
}
# The fields that an entry names, as the panel calls them. Others are shown as they are.
FIELD_WORDS: Mapping[str, str] = {
    # of monitors
    "name": N_("Name"),
    "slug": N_("Slug"),
    "interval_seconds": N_("Interval"),
    "grace_seconds": N_("Grace"),
    "max_run_seconds": N_("Longest run"),
    "schedule": N_("Schedule"),
    "timezone": N_("Time zone"),
    "webhook_url": N_("Webhook"),
    "webhook_secret": N_("Webhook secret"),
    "failures_to_down": N_("Failures until DOWN"),
    "successes_to_up": N_("Successes until UP"),
    "is_post_only": N_("POST only"),
    "success_keywords": N_("Words of success"),
    "failure_keywords": N_("Words of failure"),
    "start_keywords": N_("Words of a start"),
    "min_gap": N_("Least time between pings"),
    "group": N_("Group"),
    "environment": N_("Environment"),
    "tags": N_("Tags"),
    "position": N_("Position"),
    "is_public": N_("On public pages"),
    "incident_after_minutes": N_("Incident after (minutes)"),
    "project": N_("Project"),
    # of pages and subscribers
    "title": N_("Title"),
    "description": N_("Description"),
    "footer": N_("Footer"),
    "accent": N_("Colour"),
    "language": N_("Language"),
    "locale": N_("Language"),
    "password": N_("Password"),
    "host": N_("Host name of its own"),
    "monitors": N_("Monitors"),
    "is_chosen": N_("Chosen monitors only"),
    "logo": N_("Logo"),
    "kind": N_("Kind"),
    "address": N_("Address"),
    # of incidents, maintenance and corrections
    "status": N_("Status"),
    "impact": N_("Impact"),
    "general": N_("Concerns all monitors"),
    "is_general": N_("Concerns all monitors"),
    "body": N_("Text"),
    "update": N_("Update"),
    "started_at": N_("It began"),
    "ended_at": N_("It ended"),
    "starts_at": N_("Begins"),
    "ends_at": N_("Ends"),
    "length_seconds": N_("How long it lasts"),
    "repeats": N_("Repeats"),
    "until": N_("Last day"),
    "announce_hours": N_("Announced (hours before)"),
    "tells_subscribers": N_("Tells subscribers"),
    "reason": N_("Because"),
    "message": N_("Message"),
    # of people and keys
    "email": N_("E-mail address"),
    "owner": N_("Owner"),
    "disabled": N_("Disabled"),
    "invited": N_("Invited"),
    "role": N_("Role"),
    "scopes": N_("Scopes"),
    "beginning": N_("Begins with"),
    "expires_at": N_("Ends"),
    "old_expires_at": N_("The old one ends"),
    "ping_key": N_("Ping key"),
}
# What says more of whatever bears an id that means nothing to a reader.
_TITLES = ("name", "title")
_HAVE_IDS = frozenset({"key", "incident", "maintenance"})
_ACTORS = {"admin-token": N_("the admin token"), "machine": N_("a command at the machine")}


def action_in_words(words: Words, action: str) -> str:
    """Return an action as people say it: "Monitor: change"."""
    kind, _, done = action.partition(".")
    said = [KIND_WORDS.get(kind, kind), DONE_WORDS.get(done, done)]
    return ": ".join(words.translate(each) for each in said if each)


def actor_in_words(words: Words, actor: str) -> str:
    """Return who did it; of whoever has no name, what that is."""
    return words.translate(_ACTORS[actor]) if actor in _ACTORS else actor


def title_of(action: str, before: Any, after: Any) -> str:
    """Return what whatever has an id for its object is called; "" where the object says it, or the entry does not."""
    if action.partition(".")[0] not in _HAVE_IDS:
        return ""
    found = (
        values[name] for values in (after, before) if isinstance(values, dict) for name in _TITLES if name in values
    )
    return next((each for each in found if isinstance(each, str)), "")


def changes_of(words: Words, before: Any, after: Any) -> list[tuple[str, str | None, str | None]]:
    """Return (field, what it was, what it became) of an entry; None: nothing is said of that."""
    old, new = (each if isinstance(each, dict) else {} for each in (before, after))
    names = [*new, *(name for name in old if name not in new)]
    # What was empty from the start is no news.
    names = [name for name in names if name in old or new[name] not in (None, "", [], {}, False)]
    return [
        (words.translate(FIELD_WORDS.get(name, name)), _text(words, old, name), _text(words, new, name))
        for name in names
    ]


def _text(words: Words, values: Mapping[str, Any], name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
    if value is None or value in ("", [], {}):
        return "–"
    if name == "role" and value in ROLE_WORDS:  # a Role is its text
        return words.translate(ROLE_WORDS[value])
    if isinstance(value, bool):
        return words.translate(N_("yes") if value else N_("no"))
    if name.endswith("_seconds") and isinstance(value, int):
        return words.duration(value)
    if name.endswith("_at") and isinstance(value, str):
        return f"{value[:16]} UTC"
    if value in (audit.CHANGED, "set"):
        return words.translate(N_("changed") if value == audit.CHANGED else N_("set"))
    if isinstance(value, list) and all(isinstance(each, str | int) for each in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
