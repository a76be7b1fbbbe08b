"""Who may do what. Pure: who asks is found out by `web.http.principals`, what a route does is declared by the route."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What a route does, as far as access is concerned. A form is of the action that sending it takes."""

    # What everybody may have; a public page asks for its own password.
    PUBLIC = "public"
    # The secret in the address is all that is asked, by the use case itself: of a monitor's ping, of a mail's link,
    # and of the link by which a mail provider unsubscribes its user, from whatever origin (RFC 8058).
    PING = "ping"
    LINK = "link"
    ONE_CLICK = "one-click"
    # Look at monitors and at all that belongs to them.
    READ = "read"
    # Deal with what happens: pause, resume, send a message again, incidents, maintenance.
    RESPOND = "respond"
    # Set up monitors, public pages, subscribers and corrections.
    EDIT = "edit"
    # Delete what cannot be brought back.
    ADMINISTER = "administer"


# What is asked of nobody here.
OPEN = frozenset({Action.PUBLIC, Action.PING, Action.LINK, Action.ONE_CLICK})


class Proof(StrEnum):
    """By what a principal showed who it is."""

    NONE = "none"
    TOKEN = "token"  # noqa: S105 - a word
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    is_owner: bool
    proof: Proof


NOBODY = Principal(is_owner=False, proof=Proof.NONE)
OWNER_BY_TOKEN = Principal(is_owner=True, proof=Proof.TOKEN)
OWNER_BY_SESSION = Principal(is_owner=True, proof=Proof.SESSION)


def allowed(principal: Principal, action: Action) -> bool:
    """Return whether *principal* may do *action*: the owner everything, everybody else what is open."""
    return action in OPEN or principal.is_owner
