"""What is said on top of a public page, in one sentence, and the sign beside it."""

from __future__ import annotations

from collections import Counter

from pulsemon.core import overall
from pulsemon.core.overall import Overall
from pulsemon.core.shown import Shown
from pulsemon.core.texts import N_
from pulsemon.status_pages.public import PublicPage
from pulsemon.web.public import incidents as public_incidents

SENTENCES = {
    Overall.UNREAD: N_("The state is not known yet: the database does not answer."),
    Overall.EMPTY: N_("Nothing is watched yet."),
    Overall.SOME_DOWN: N_("Some systems are down."),
    Overall.ALL_DOWN: N_("All systems are down."),
    Overall.BLIND: N_("The state of some systems is unknown."),
    Overall.MAINTENANCE: N_("Maintenance in progress."),
    Overall.LATE: N_("All systems operational; some are late."),
    Overall.WAITING: N_("Waiting for the first signals."),
    Overall.UP: N_("All systems operational."),
    Overall.MINOR_INCIDENT: N_("A minor incident is under way."),
    Overall.MAJOR_INCIDENT: N_("A major incident is under way."),
    Overall.CRITICAL_INCIDENT: N_("A critical incident is under way."),
}
# The colour and the sign beside the sentence: those of a monitor's state.
TONES = {
    Overall.UNREAD: Shown.WAITING,
    Overall.EMPTY: Shown.WAITING,
    Overall.SOME_DOWN: Shown.DOWN,
    Overall.ALL_DOWN: Shown.DOWN,
    Overall.BLIND: Shown.BLIND,
    Overall.MAINTENANCE: Shown.MAINTENANCE,
    Overall.LATE: Shown.LATE,
    Overall.WAITING: Shown.WAITING,
    Overall.UP: Shown.UP,
    Overall.MINOR_INCIDENT: Shown.LATE,
    Overall.MAJOR_INCIDENT: Shown.DOWN,
    Overall.CRITICAL_INCIDENT: Shown.DOWN,
}


def overall_of(page: PublicPage) -> Overall:
    """Return how the monitors of a page are together."""
    return overall.of_monitors(Counter(each.shown for each in page.monitors))


def headline_of(page: PublicPage) -> Overall:
    """Return what is said on top of a page, its open incidents considered."""
    return overall.headline(overall_of(page), public_incidents.impact_of(page))
