"""What the panel's pages have in common: the monitor that an address names, and what is said after an action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from pulsemon.accounts.projects import Entry
from pulsemon.accounts.roles import Action
from pulsemon.core import durations
from pulsemon.core.keyset import LARGEST_ID
from pulsemon.core.texts import N_
from pulsemon.errors import NO_MONITOR, Conflict, FieldProblem, Invalid, NotFound
from pulsemon.input import meanwhile, monitor_forms, projects
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from pulsemon.web.html import rendering, schedule_words
from pulsemon.web.html.words import Words
from pulsemon.web.http import whose
from pulsemon.web.http.after_login import DRAW
from pulsemon.web.http.principals import principal_of
from pulsemon.web.http.proofs import require_proof
from pulsemon.web.http.site import Site, site_of

PAGE_SIZE = 100
# The seconds behind the buttons beside the interval's field.
PRESETS = (60, 300, 900, 3_600, 6 * 3_600, 86_400, 7 * 86_400)
DRAWN = N_("You are logged in again. Nothing was saved yet: here is what you typed.")
SAVED = N_("Saved.")
# What `?done=` says on the pages of monitors; other features have theirs beside their routes.
DONE = {
    "created": N_("Created. Now connect your job."),
    "saved": SAVED,
    "paused": N_("Paused. Pings are kept, and nothing is judged."),
    "resumed": N_("Resumed. The next ping turns it green."),
    "rotated": N_("The token was replaced. The old ping URL is unknown from now on."),
    "deleted": N_("Deleted. Its slug is free again."),
    "moved": N_("Moved. It is in the other project now, with its ping URL and its past."),
    "own-role": N_("You have another role in this project now."),
    "pinged": N_("A test ping was stored."),
    "queued": N_("A test message is on its way; the event log shows what comes of it."),
    "again": N_("The message is on its way again."),
    "excluded": N_("The outage counts for nothing from now on. The history stays as it is."),
    "counted": N_("That time counts again."),
    "paused-several": N_("Paused those that you selected. Pings are kept, and nothing is judged."),
    "resumed-several": N_("Resumed those that you selected. Their next pings turn them green."),
    "tagged": N_("Tagged those that you selected."),
    "deleted-several": N_("Deleted those that you selected. Their slugs are free again."),
    "none-selected": N_("Nothing was selected, so nothing was changed."),
    "gone": N_("None of those that you selected is there any more, so nothing was changed."),
}


class Problems(dict[str, str]):
    """What is wrong with a form: name of a field -> words; "" stands for the form as a whole.

    The macro of each field says at once what it is called there and where it stands (`place`), for the list on top of
    the form (`told`), which is written last.
    """

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, str]] = {}

    def place(self, field: str, label: str, element_id: str) -> str:
        """Remember where a field stands; "", because templates have expressions only."""
        self._places[field] = (label, element_id)
        return ""

    def told(self) -> list[tuple[str, str, str]]:
        """Return (label, id of the element, words) in the order of the form; what has no place in it comes last."""
        placed = [(*self._places[name], self[name]) for name in self._places if name in self]
        return placed + [("", "", words) for name, words in self.items() if name not in self._places]

    @property
    def only(self) -> str:
        """Return the one field that is wrong, which gets the focus; "" where several are, and the list gets it."""
        return next(iter(self)) if len(self) == 1 else ""


def find(site: Site, monitor_id: int) -> View:
    """Return the monitor that an address names. Raises NotFound."""
    if not 0 < monitor_id <= LARGEST_ID:
        raise NotFound(NO_MONITOR)
    return monitors.get(site.database, monitors.by_id(monitor_id))


def only_draw(request: Request) -> None:
    """Where a form was sent to be drawn again, after a login, raise Invalid without a problem: nothing is done."""
    if DRAW in request.query_params:
        raise Invalid(())


def require_proof_of_user(request: Request) -> None:
    """Have a user prove that the session is his own before something is lost for good. Raises ProofNeeded.

    Whoever came in by the admin token deletes as before there were users.
    """
    if principal_of(request).user_id is not None:
        require_proof(request)


def done_of(request: Request, said: Mapping[str, str] = DONE) -> str:
    """Return what is *said* of the action that led here, in English; empty if there was none, or none of these."""
    if DRAW in request.query_params:
        return DRAWN
    return said.get(request.query_params.get("done", ""), "")


def refused(field: str, conflict: Conflict) -> FieldProblem:
    """Return a refusal as what is wrong with one field; with "", with the form as a whole."""
    return FieldProblem(field, conflict.code, str(conflict), conflict.limits)


def status_of(problems: Sequence[FieldProblem]) -> int:
    """Return the status of an answer that draws a form: 409, somebody else changed what was changed in it; 422, 200."""
    if any(each.code in meanwhile.MESSAGES for each in problems):
        return 409
    return 422 if problems else 200


def form_values(request: Request, typed: Mapping[str, str], problems: Sequence[FieldProblem]) -> dict[str, Any]:
    """Return what templates of forms read: `typed` as it is, `problems` in words, `preview` of a schedule, choices."""
    locale, now = rendering.locale_of(request), site_of(request).now()
    words, said = Words(locale, now), Problems()
    for each in problems:
        said.setdefault(each.field, words.problem(each))
    is_readable = not said.keys() & {"schedule", "timezone"}
    expression = typed.get("schedule", "") if is_readable else ""
    return {
        "typed": typed,
        "problems": said,
        "presets": PRESETS,
        "units": durations.UNITS,
        "preview": schedule_words.preview(expression, typed.get("timezone", ""), locale=locale, now=now),
    }


def settings_values(
    request: Request, view: View, typed: Mapping[str, str] | None = None, problems: Sequence[FieldProblem] = ()
) -> dict[str, Any]:
    """Return what the form of a monitor's settings shows: as it is, or as typed with what is wrong at each field."""
    its_project = {projects.NAME: site_of(request).project_slug(view.project_id)}
    values = form_values(request, its_project | dict(typed or monitor_forms.texts_of(view)), problems)
    choice = [(each.slug, each.name) for each in projects_to_edit(request)]
    return values | {"stamp": monitor_forms.stamp(view), "projects": choice if len(choice) > 1 else []}


def projects_to_edit(request: Request) -> list[Entry]:
    """Return the projects in which whoever asks may edit monitors."""
    return [each for each in site_of(request).projects().entries if whose.may(request, Action.EDIT, each.id)]
