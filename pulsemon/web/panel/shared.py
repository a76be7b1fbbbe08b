"""What the panel's pages have in common: the monitor that an address names, and what is said after an action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from pulsemon.core.keyset import LARGEST_ID
from pulsemon.core.texts import N_
from pulsemon.errors import NO_MONITOR, Conflict, FieldProblem, NotFound
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from pulsemon.web.html import rendering, schedule_words
from pulsemon.web.html.words import Words
from pulsemon.web.http.site import Site, site_of

PAGE_SIZE = 100
# The seconds behind the buttons beside the interval's field.
PRESETS = (60, 300, 900, 3_600, 6 * 3_600, 86_400, 7 * 86_400)
SAVED, ARRANGED = N_("Saved."), N_("The order is saved.")
# What `?done=` says on the pages of monitors; other features have theirs beside their routes.
DONE = {
    "created": N_("Created. Now connect your job."),
    "saved": SAVED,
    "paused": N_("Paused. Pings are kept, and nothing is judged."),
    "resumed": N_("Resumed. The next ping turns it green."),
    "rotated": N_("The token was replaced. The old ping URL is unknown from now on."),
    "deleted": N_("Deleted. Its slug is free again."),
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
}


def find(site: Site, monitor_id: int) -> View:
    """Return the monitor that an address names. Raises NotFound."""
    if not 0 < monitor_id <= LARGEST_ID:
        raise NotFound(NO_MONITOR)
    return monitors.get(site.database, monitors.by_id(monitor_id))


def done_of(request: Request, said: Mapping[str, str] = DONE) -> str:
    """Return what is *said* of the action that led here, in English; empty if there was none, or none of these."""
    return said.get(request.query_params.get("done", ""), "")


def refused(field: str, conflict: Conflict) -> FieldProblem:
    """Return a refusal as what is wrong with one field; with "", with the form as a whole."""
    return FieldProblem(field, conflict.code, str(conflict), conflict.limits)


def form_values(request: Request, typed: Mapping[str, str], problems: Sequence[FieldProblem]) -> dict[str, Any]:
    """Return what templates of forms read: `typed` as it is, `problems` by field in words, `presets` and `zones`."""
    words = Words(rendering.locale_of(request), site_of(request).now())
    said: dict[str, str] = {}
    for each in problems:
        said.setdefault(each.field, words.problem(each))
    zones = schedule_words.zone_suggestions()
    return {"typed": typed, "problems": said, "presets": PRESETS, "zones": zones}
