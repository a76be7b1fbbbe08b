"""The errors of PulseMon. Each is mapped to HTTP once, in `web.app`; everything else that goes wrong is a bug."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pulsemon.core.texts import N_

# What `NotFound` says of what several features and rooms look for.
NO_MONITOR = "There is no such monitor."
NO_PAGE = "There is no such page."
NO_MESSAGE = "This monitor has no such message."
NO_OUTAGE = "This monitor has no such outage."
NO_INCIDENT = "There is no such incident."
NO_MAINTENANCE = "There is no such maintenance."
NO_PROJECT = "There is no such project."
NO_USER = "There is no such user."
NO_SESSION = "There is no such session, or it is over."
NO_MEMBER = "This project has no such member."

# Why something cannot be done, by the code that `Conflict` bears; limits fill the placeholders.
REFUSALS: Mapping[str, str] = {
    "monitor-slug-taken": N_("A monitor with this slug exists already."),
    "monitor-slugs-taken": N_(
        "These slugs exist already, or stand twice in what was sent: %(slugs)s. Nothing was changed."
    ),
    "edited-meanwhile": N_("Somebody else edited this at the same time. Look again, and try once more."),
    "goes-by-schedule": N_(
        "This monitor goes by its schedule. Send schedule null with the interval to go by that again."
    ),
    "no-webhook": N_("This monitor has no webhook to send it to."),
    "message-pending": N_("This message is still being tried."),
    "message-held": N_("This message is held back until the maintenance ends."),
    "too-many-tags": N_(
        "A monitor may have at most %(max)d tags, and one of these would have more. Nothing was changed."
    ),
    "too-many-at-once": N_("These are more than %(max)d. Narrow the list down, and go on in parts."),
    "others-fit": N_("By now %(count)d monitors fit. Nothing was changed: look at the list, and do it again."),
    "unreadable-filter": N_(
        "What this list was asked for makes no sense, so it is not clear which monitors fit. Nothing was changed."
    ),
    "unusable-tags": N_(
        "Write the tags to add: at most %(max)d, of 1 to %(max_length)d characters each, with commas between them."
    ),
    "too-many-corrections": N_("This monitor has too many corrections."),
    "page-slug-taken": N_("Another page has this slug. Choose one that is free."),
    "page-host-taken": N_("Another page has this host name."),
    "main-page-stays": N_("The page at /status can be edited, but neither deleted nor moved."),
    "too-many-plans": N_("There are a thousand plans of maintenance already. Remove some first."),
    "maintenance-begun": N_("This maintenance has begun: its beginning and its monitors stay. Its end can be changed."),
    "maintenance-over": N_("This maintenance is over and stays as it was."),
    "maintenance-not-running": N_("There is no maintenance of this plan at the moment."),
    "maintenance-not-coming": N_("Only maintenance that has not begun yet can be skipped."),
    "subscriber-known": N_("This subscriber is on the list already."),
    "subscriber-asked-lately": N_(
        "This address was asked within the last hour. It has to answer before it is told anything."
    ),
    "subscriber-inactive": N_("Only an active subscriber can be sent a test message."),
    "too-many-subscribers": N_("This page has as many subscribers as it may have."),
    "project-slug-taken": N_("Another project has this slug. Choose one that is free."),
    "project-not-empty": N_("Something belongs to this project yet. Move or delete that first; nothing was changed."),
    "first-project-stays": N_("The first project stays: what was there before there were projects belongs to it."),
    "email-taken": N_("There is a user with this e-mail address already."),
    "last-owner": N_("This is the last owner. Make somebody else an owner first; nothing was changed."),
    "user-disabled": N_("This user is disabled. Enable him first; nothing was changed."),
    "too-many-keys": N_("There are a thousand keys already. Revoke some first."),
    "key-expired": N_("This key has expired: it opens nothing any more. Make a new one."),
    "factor-there": N_("There is a second factor already. Switch it off first; nothing was changed."),
    "no-factor": N_("There is no second factor. Nothing was changed."),
    "admin-token-needed": N_(
        "The admin token can be switched off once an owner has a second factor. Nothing was changed."
    ),
    "no-secrets-key": N_(
        "PulseMon has no key to keep a secret with. Its owner finds the reason in the log, and in what /ready warns of."
    ),
    "no-mail": N_("Mail is not set up: SMTP_HOST, MAIL_FROM and BASE_URL are needed."),
}


class PulseMonError(Exception):
    """What every error of ours has in common: a message that says what happened, to what, and what to do."""


class NotFound(PulseMonError):
    """The thing that was asked for does not exist."""


class Conflict(PulseMonError):
    """The request is well formed, but what exists already stands against it.

    `code` names the reason in `REFUSALS`, so that the panel can say it in the reader's language; `limits` fills its
    placeholders. The message is the same in English.
    """

    def __init__(self, code: str, **limits: object) -> None:
        super().__init__(REFUSALS[code] % limits)
        self.code = code
        self.limits = tuple(limits.items())


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong with one field of an input.

    `code` names the rule, so that the panel can say it in the reader's language; `limits` fills its placeholders.
    The offending value is never part of it, save slugs: an error must not echo its input, which could be a secret.
    """

    field: str
    code: str
    message: str
    limits: tuple[tuple[str, object], ...] = ()


class Invalid(PulseMonError):
    """The input breaks a rule; nothing was changed."""

    def __init__(self, problems: tuple[FieldProblem, ...]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = problems

    def at(self, index: int) -> list[FieldProblem]:
        """Return the problems as those of one element of a list: `slug` is `3.slug`."""
        return [replace(problem, field=f"{index}.{problem.field}") for problem in self.problems]


class Forbidden(PulseMonError):
    """The caller may not do this."""


class Unavailable(PulseMonError):
    """The database did not answer in time, or could not write: nothing is known to be stored. Trying again is safe."""


class Contended(Unavailable):
    """Somebody else holds a row that this write needs: the database works, other rows can be written."""


class StartRefused(PulseMonError):
    """PulseMon will not start like this. The message is the one line that the person at the terminal reads."""


class InUse(StartRefused):
    """The database belongs to another process that runs."""
