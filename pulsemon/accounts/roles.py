"""Who may do what. Pure: who asks is found out by `web.http.principals`, what a route does is declared by the route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a user is in a project, the least first. Each may do what those before it may."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    EDITOR = "editor"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Return whether whoever has this role may do all that *other* may."""
        return _RANKS[self] >= _RANKS[other]


_RANKS = {role: rank for rank, role in enumerate(Role)}


class Scope(StrEnum):
    """What a key opens."""

    PING = "ping"
    READ = "read"
    WRITE = "write"
    INCIDENTS = "incidents"
    METRICS = "metrics"
    ADMIN = "admin"


class Action(StrEnum):
    """What a route does, as far as access is concerned. A form is of the action that sending it takes."""

    # What everybody may have; a public page asks for its own password.
    PUBLIC = "public"
    # The secret in the address is all that is asked, by the use case itself: of a monitor's ping, of a mail's link,
    # and of the link by which a mail provider unsubscribes its user, from whatever origin (RFC 8058).
    PING = "ping"
    LINK = "link"
    ONE_CLICK = "one-click"
    # Whoever is logged in as a user: what is his own.
    OWN_ACCOUNT = "own-account"
    # Look at monitors and at all that belongs to them; secrets are left out.
    READ = "read"
    # Look at incidents and maintenance.
    READ_INCIDENTS = "read-incidents"
    # All monitors in numbers.
    METRICS = "metrics"
    # Deal with what happens: pause, resume, send a message again.
    RESPOND = "respond"
    # Tell of what happens: incidents, maintenance.
    REPORT = "report"
    # See what opens something: ping URLs, addresses of webhooks.
    SEE_SECRETS = "see-secrets"
    # Set up monitors, public pages, subscribers and corrections.
    EDIT = "edit"
    # Delete what cannot be brought back; members, keys, who did what.
    ADMINISTER = "administer"
    # What is of the whole installation: users, projects.
    OWN = "own"


# What is asked of nobody here.
OPEN = frozenset({Action.PUBLIC, Action.PING, Action.LINK, Action.ONE_CLICK})

# The least role that may do it, and the scopes of keys that open it. What stands in neither is the owners'.
LEAST_ROLE: Mapping[Action, Role] = MappingProxyType(
    {
        Action.READ: Role.VIEWER,
        Action.READ_INCIDENTS: Role.VIEWER,
        Action.METRICS: Role.VIEWER,
        Action.RESPOND: Role.RESPONDER,
        Action.REPORT: Role.RESPONDER,
        Action.SEE_SECRETS: Role.EDITOR,
        Action.EDIT: Role.EDITOR,
        Action.ADMINISTER: Role.ADMIN,
    }
)
_READING = frozenset({Action.READ, Action.READ_INCIDENTS})
_WRITING = _READING | {Action.RESPOND, Action.REPORT, Action.EDIT, Action.SEE_SECRETS}
OPENED_BY: Mapping[Scope, frozenset[Action]] = MappingProxyType(
    {
        Scope.PING: frozenset(),
        Scope.READ: _READING,
        Scope.WRITE: _WRITING,
        Scope.INCIDENTS: frozenset({Action.READ_INCIDENTS, Action.REPORT}),
        Scope.METRICS: frozenset({Action.METRICS}),
        Scope.ADMIN: _WRITING | {Action.METRICS, Action.ADMINISTER, Action.OWN},
    }
)


class Proof(StrEnum):
    """By what a principal showed who it is."""

    NONE = "none"
    TOKEN = "token"  # noqa: S105 - a word
    SESSION = "session"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: nobody, an owner, a user with roles, or a key with scopes.

    `roles`: a user's, by the id of the project. `project_id`: of a key, the only project that it opens, None for all;
    of a session, the project that its pages show. `public_id` and `name`: of the user or the key, as others are shown
    it; empty for an owner without a name, who has the admin token.
    """

    is_owner: bool
    proof: Proof
    public_id: str = ""
    name: str = ""
    user_id: int | None = None
    roles: Mapping[int, Role] = field(default_factory=dict)
    scopes: frozenset[Scope] = frozenset()
    project_id: int | None = None


NOBODY = Principal(is_owner=False, proof=Proof.NONE)
OWNER_BY_TOKEN = Principal(is_owner=True, proof=Proof.TOKEN)
OWNER_BY_SESSION = Principal(is_owner=True, proof=Proof.SESSION)


def allowed(principal: Principal, action: Action, project_id: int | None) -> bool:
    """Return whether *principal* may do *action* to what belongs to a project; None: to the whole installation.

    An owner may do everything that is not a user's own, a user what its role in the project allows, a key what its
    scopes open within its project, everybody else what is open.
    """
    if action in OPEN:
        return True
    if action is Action.OWN_ACCOUNT:
        return principal.user_id is not None and principal.proof is Proof.SESSION
    if principal.is_owner:
        return True
    if principal.proof is Proof.KEY:
        if action is Action.OWN and principal.project_id is not None:
            return False
        is_within = principal.project_id is None or principal.project_id == project_id
        return is_within and any(action in OPENED_BY[scope] for scope in principal.scopes)
    role, least = principal.roles.get(project_id) if project_id is not None else None, LEAST_ROLE.get(action)
    return role is not None and least is not None and role.includes(least)
