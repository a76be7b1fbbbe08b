"""What subscribers of public pages are told of incidents and maintenance: the messages, owed in the same transaction.

Each page tells its own subscribers, and names no monitor that it does not show. The words are made when a message is
sent (`notify`), in the subscriber's language.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from pulsemon.db import outbox, placements
from pulsemon.db.notice_tables import Subscriber
from pulsemon.db.page_tables import PageMonitor, PlacementRow, StatusPage
from pulsemon.db.tables import Delivery, Monitor

# All mail goes through one server, so it is one lane.
MAIL_RECEIVER = "smtp"
# Fewer than a statement may have parameters, on either database.
_AT_ONCE = 500


class Event(StrEnum):
    """What happened to an incident or to a maintenance."""

    OPENED = "opened"
    UPDATED = "updated"
    RESOLVED = "resolved"
    ANNOUNCED = "announced"
    CHANGED = "changed"
    STARTED = "started"
    ENDED = "ended"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told once. `title` None: an automatic incident, named after the monitors that a page shows of it.

    `is_general`: it concerns every page. `text` is Markdown, None where PulseMon's own words say it. `starts_at` and
    `ends_at` are a maintenance's; `status` is the incident's.
    """

    kind: str  # incident, maintenance
    public_id: str
    event: Event
    at: datetime
    title: str | None
    text: str | None = None
    status: str | None = None
    is_general: bool = False
    monitor_ids: Collection[int] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None


def announce(connection: Connection, notice: Notice, *, now: datetime) -> int:
    """Owe *notice* to every confirmed subscriber of a page that shows it; return how many messages there are."""
    subscribers = connection.execute(
        select(
            Subscriber.id,
            Subscriber.page_id,
            Subscriber.kind,
            Subscriber.address,
            StatusPage.slug,
            StatusPage.title,
            StatusPage.is_chosen,
            StatusPage.timezone,
        )
        .join(StatusPage, StatusPage.id == Subscriber.page_id)
        .where(Subscriber.confirmed_at.is_not(None), Subscriber.switched_off_at.is_(None))
        .order_by(Subscriber.id)
    ).all()
    if not subscribers:
        return 0
    names = _names_by_page(connection, notice)
    rows = []
    payloads: dict[int, str | None] = {}  # one page's subscribers are all told the same
    for each in subscribers:
        if each.page_id not in payloads:
            shown = names.get(each.page_id if each.is_chosen else 0, [])
            payloads[each.page_id] = _payload(notice, each, shown) if shown or notice.is_general else None
        payload = payloads[each.page_id]
        if payload is not None:
            rows.append(_row(each, payload, now))
    _hurry_older(connection, [row["subscriber_id"] for row in rows], now)
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(insert(Delivery), rows[start : start + _AT_ONCE])
    return len(rows)


def _hurry_older(connection: Connection, subscriber_ids: Sequence[int], now: datetime) -> None:
    """A new message waits for the older ones of its subscriber, but not for the hours that these were going to rest."""
    resting = (Delivery.state == "pending", Delivery.lease_token.is_(None), Delivery.next_attempt_at > now)
    for start in range(0, len(subscriber_ids), _AT_ONCE):
        theirs = Delivery.subscriber_id.in_(subscriber_ids[start : start + _AT_ONCE])
        connection.execute(update(Delivery).where(theirs, *resting).values(next_attempt_at=now))


def _names_by_page(connection: Connection, notice: Notice) -> dict[int, list[str]]:
    """Return page id -> the names of the notice's monitors that it shows; 0: a page of all public monitors."""
    if not notice.monitor_ids:
        return {}
    query = (
        select(Monitor.id, Monitor.name)
        .outerjoin(PlacementRow, placements.OF_MONITOR)
        .where(Monitor.id.in_(notice.monitor_ids), placements.IS_PUBLIC)
        .order_by(placements.POSITION, Monitor.id)
    )
    public = {row.id: row.name for row in connection.execute(query)}
    found: dict[int, list[str]] = {0: list(public.values())}
    chosen = (
        select(PageMonitor.page_id, PageMonitor.monitor_id)
        .where(PageMonitor.monitor_id.in_(list(public)))
        .order_by(PageMonitor.page_id, PageMonitor.place, PageMonitor.monitor_id)
    )
    for page_id, monitor_id in connection.execute(chosen):
        found.setdefault(page_id, []).append(public[monitor_id])
    return found


def _row(subscriber: Row[*tuple[Any, ...]], payload: str, now: datetime) -> dict[str, Any]:
    return delivery_row(subscriber.id, kind=subscriber.kind, address=subscriber.address, payload=payload, now=now)


def delivery_row(subscriber_id: int, *, kind: str, address: str, payload: str, now: datetime) -> dict[str, Any]:
    """Return the row of one message that is owed to a subscriber from *now* on."""
    is_mail = kind == "email"
    row = outbox.delivery_row(monitor_id=None, seq=None, payload=payload, url="" if is_mail else address, now=now)
    return row | {"subscriber_id": subscriber_id} | ({"receiver": MAIL_RECEIVER} if is_mail else {})


def _payload(notice: Notice, page: Row[*tuple[Any, ...]], names: list[str]) -> str:
    return payload_of(
        notice.kind,
        notice.event.value,
        page={"slug": page.slug, "title": page.title, "timezone": page.timezone},
        at=notice.at,
        id=notice.public_id,
        title=notice.title,
        text=notice.text,
        status=notice.status,
        monitors=names,
        starts_at=_text(notice.starts_at),
        ends_at=_text(notice.ends_at),
    )


def payload_of(kind: str, event: str, *, page: Mapping[str, Any], at: datetime, **more: Any) -> str:
    """Return a message as JSON, as `notify.message.Announcement` reads it. *page*: slug, title and timezone."""
    nothing = dict.fromkeys(("title", "text", "status", "starts_at", "ends_at"))
    told = {"kind": kind, "event": event, "id": "", "at": _text(at), "page": dict(page), "monitors": []} | nothing
    # Half a surrogate pair of a damaged database would be refused by PostgreSQL, and the edit with it.
    return json.dumps(told | more, ensure_ascii=False).encode("utf-8", "replace").decode()


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.strftime("%Y-%m-%dT%H:%M:%SZ")
