"""Where public pages stand, as paths under the server's own host name."""

from __future__ import annotations

# The slug of the page at `/status`, which is always there.
MAIN = "status"


def page_path(slug: str) -> str:
    """Return where a page stands."""
    return "/status" if slug == MAIN else f"/status/{slug}"


def feed_path(slug: str) -> str:
    """Return where its Atom feed stands."""
    return f"{page_path(slug)}/feed.atom"


def calendar_path(slug: str) -> str:
    """Return where its calendar of maintenance stands."""
    return f"{page_path(slug)}/maintenance.ics"


def subscribe_path(slug: str) -> str:
    """Return where visitors subscribe to it."""
    return f"{page_path(slug)}/subscribe"


def history_path(slug: str) -> str:
    """Return where its incidents stand, however old."""
    return f"{page_path(slug)}/history"


def incident_path(slug: str, public_id: str) -> str:
    """Return where one of them stands for good."""
    return f"{history_path(slug)}/{public_id}"
