"""A subscriber as it is shown: to the page's owner, and to who follows a link of our mails."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pulsemon.channels import webhook
from pulsemon.core.deliveries import WEBHOOK


@dataclass(frozen=True, slots=True)
class SubscriberView:
    """One subscriber as the page's owner sees it. `state`: waiting, active or refused.

    `outcome` and `reason`: what became of the newest message, if there was one.
    """

    id: int
    kind: str
    address: str
    locale: str
    has_secret: bool
    state: str
    created_at: datetime
    confirmed_at: datetime | None
    outcome: str | None = None
    reason: str | None = None
    # Only right after it was made.
    secret: str | None = field(default=None, repr=False)

    def masked(self) -> SubscriberView:
        """Return it as those see it who may not see secrets: a webhook's address is one."""
        return replace(self, address=webhook.masked(self.address)) if self.kind == WEBHOOK else self


@dataclass(frozen=True, slots=True)
class Subscription:
    """What somebody with the link of a mail sees."""

    address: str
    page_slug: str
    page_title: str | None
    is_confirmed: bool


def view_of(row: Any, *, secret: str | None = None) -> SubscriberView:
    """Return the row of a subscriber as the page's owner sees it; *secret*: one that was made just now."""
    state = "refused" if row.switched_off_at else "active" if row.confirmed_at else "waiting"
    return SubscriberView(
        id=row.id,
        kind=row.kind,
        address=row.address,
        locale=row.locale,
        has_secret=row.secret is not None,
        state=state,
        created_at=row.created_at,
        confirmed_at=row.confirmed_at,
        outcome=getattr(row, "outcome", None),
        reason=getattr(row, "reason", None),
        secret=secret,
    )
