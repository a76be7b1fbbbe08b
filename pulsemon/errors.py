"""The errors of PulseMon. Each is mapped to HTTP once, in `web.app`; everything else that goes wrong is a bug."""

from __future__ import annotations

from dataclasses import dataclass


class PulseMonError(Exception):
    """What every error of ours has in common: a message that says what happened, to what, and what to do."""


class NotFound(PulseMonError):
    """The thing that was asked for does not exist."""


class Conflict(PulseMonError):
    """The request is well formed, but what exists already stands against it."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong with one field of an input.

    `code` names the rule, so that the panel can say it in the reader's language; `limits` fills its placeholders.
    The offending value is never part of it: an error must not echo its input.
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
