"""Windows of maintenance in the format of Atlassian Statuspage, version 2, which calls them scheduled maintenances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pulsemon.maintenance.public import PublicWindow
from pulsemon.status_pages.public import PublicPage
from pulsemon.web.http.json_api import instant


def tell(window: PublicWindow, page: PublicPage, components: Sequence[dict[str, Any]], page_id: str) -> dict[str, Any]:
    """Return one window that concerns *components* of a page."""
    has_begun, is_over = window.starts_at <= page.at, window.ends_at <= page.at
    status = "completed" if is_over else "in_progress" if has_begun else "scheduled"
    created, updated = instant(window.created_at), instant(window.updated_at)
    update = {
        "id": f"{window.id}-1",
        "incident_id": window.id,
        "status": "scheduled",
        "body": window.description or "",
        "created_at": created,
        "updated_at": updated,
        "display_at": created,
        "affected_components": None,
    }
    return {
        "id": window.id,
        "page_id": page_id,
        "name": window.title,
        "status": status,
        "impact": "maintenance",
        "created_at": created,
        "updated_at": updated,
        "monitoring_at": None,
        "started_at": instant(window.starts_at) if has_begun else None,
        "resolved_at": instant(window.ends_at) if is_over else None,
        "scheduled_for": instant(window.starts_at),
        "scheduled_until": instant(window.ends_at),
        "shortlink": None,
        "incident_updates": [update],
        "components": list(components),
    }
