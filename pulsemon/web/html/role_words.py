"""The words for roles and scopes, and the sentence that says what each may do: shown before one is given."""

from __future__ import annotations

from collections.abc import Mapping

from pulsemon.accounts.roles import LEAST_ROLE, Action, Role, Scope
from pulsemon.core.texts import N_
from pulsemon.web.html.words import Words

ROLE_WORDS: Mapping[Role, str] = {
    Role.VIEWER: N_("viewer"),
    Role.RESPONDER: N_("responder"),
    Role.EDITOR: N_("editor"),
    Role.ADMIN: N_("admin"),
}
ROLE_SENTENCES: Mapping[Role, str] = {
    Role.VIEWER: N_("Sees everything but ping URLs and other secrets."),
    Role.RESPONDER: N_(
        "Also pauses and resumes monitors, sends messages again, writes incidents and plans maintenance."
    ),
    Role.EDITOR: N_(
        "Also sees secrets, creates and edits monitors and public pages, and decides who subscribes to them and what "
        "availability leaves out."
    ),
    Role.ADMIN: N_("Also deletes monitors and pages, and manages members, keys and the audit log of the project."),
}
SCOPE_SENTENCES: Mapping[Scope, str] = {
    Scope.PING: N_("For ping URLs that go by a monitor's slug, which this version does not have yet."),
    Scope.READ: N_("Looks at monitors, pages, incidents and maintenance, without secrets."),
    Scope.WRITE: N_("Looks at everything, secrets too, and creates, edits and pauses; deletes nothing."),
    Scope.INCIDENTS: N_("Looks at incidents and maintenance and writes them; nothing else."),
    Scope.METRICS: N_("Reads the metrics."),
    Scope.ADMIN: N_("Does everything that an admin may: deleting, members and keys too."),
}
# What takes a role, where one is missing.
_NEEDS: Mapping[Action, str] = {
    Action.RESPOND: N_("Pausing, resuming and sending messages again needs the role %(role)s."),
    Action.REPORT: N_("Incidents and maintenance are written from the role %(role)s on."),
    Action.SEE_SECRETS: N_("Ping URLs and other secrets are shown from the role %(role)s on."),
    Action.EDIT: N_("Editing needs the role %(role)s."),
    Action.ADMINISTER: N_("Deleting, members, keys and the audit log need the role %(role)s."),
}
_OWNERS = N_("This is for owners of the installation alone.")
_OWN = N_("Whoever came in with the admin token has no account here.")


def role_word(words: Words, role: Role) -> str:
    """Return what a role is called."""
    return words.translate(ROLE_WORDS[role])


def need_of(words: Words, action: Action) -> str:
    """Return the sentence that says who may do *action*."""
    if action is Action.OWN_ACCOUNT:
        return words.translate(_OWN)
    if action not in _NEEDS:
        return words.translate(_OWNERS)
    return words.translate(_NEEDS[action]) % {"role": role_word(words, LEAST_ROLE[action])}
