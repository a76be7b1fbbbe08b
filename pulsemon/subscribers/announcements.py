"""What subscribers of public pages are told of incidents and maintenance: the messages, owed in the same transaction.

Each page tells its own subscribers, and names no monitor that it does not show. The words are made when a message is
sent (`channels`), in the subscriber's language.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from pulsemon.channels import registry
from pulsemon.core.deliveries import to_stored
from pulsemon.db import deliveries, placements
from pulsemon.db.deliveries import Owed
from pulsemon.db.tables.messages import Delivery, NoticeRow
from pulsemon.db.tables.monitors import Monitor, PlacementRow
from pulsemon.db.tables.status_pages import PageMonitor, StatusPage
from pulsemon.db.tables.subscribers import Subscriber


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

    `is_general`: it concerns every page of its project. `text` is Markdown, None where PulseMon's own words say it.
    `starts_at` and `ends_at` are a maintenance's; `status` is the incident's.
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
    project_id: int = field(kw_only=True)


def announce(connection: Connection, notice: Notice, *, now: datetime) -> int:
    """Owe *notice* to every confirmed subscriber of the pages of its project that show it; return how many they are."""
    pages = connection.execute(
        select(StatusPage.id, StatusPage.slug, StatusPage.title, StatusPage.is_chosen, StatusPage.timezone)
        .where(StatusPage.project_id == notice.project_id)
        .where(StatusPage.id.in_(select(Subscriber.page_id).where(*_IS_TOLD)))
        .order_by(StatusPage.id)
    ).all()
    if not pages:
        return 0
    names = _names_by_page(connection, notice)
    payloads = {}  # one page's subscribers are all told the same
    for each in pages:
        shown = names.get(each.id if each.is_chosen else 0, [])
        if shown or notice.is_general:
            payloads[each.id] = _payload(notice, each, shown)
    if payloads:
        waiting = select(Subscriber.id).where(Subscriber.page_id.in_(payloads), *_IS_TOLD)
        deliveries.hurry(connection, Delivery.subscriber_id.in_(waiting), now=now)
    kept = {page_id: _keep(connection, payload, now) for page_id, payload in payloads.items()}
    return sum(_owe(connection, kind, kept, now) for kind in registry.KINDS)


_IS_TOLD = (Subscriber.confirmed_at.is_not(None), Subscriber.switched_off_at.is_(None))


def _keep(connection: Connection, payload: str, now: datetime) -> int:
    """Keep what a page's subscribers are told, and return its id: ten thousand copies of it would hold up pings."""
    keep = insert(NoticeRow).values(payload=payload, created_at=now)
    return connection.execute(keep.returning(NoticeRow.id)).scalar_one()


def _owe(connection: Connection, kind: str, kept: Mapping[int, int], now: datetime) -> int:
    """Owe each page's notice to its subscribers by this kind of channel; return how many they are."""
    receiver = registry.KINDS[kind].shared_receiver
    if receiver is None:
        return _owe_one_by_one(connection, kind, kept, now)
    count = 0
    for page_id, notice_id in kept.items():
        owed = Owed(kind=kind, receiver=receiver, notice_id=notice_id)
        theirs = (Subscriber.page_id == page_id, Subscriber.kind == kind, *_IS_TOLD)
        count += deliveries.owe_to_subscribers(connection, owed, *theirs, now=now)
    return count


def _owe_one_by_one(connection: Connection, kind: str, kept: Mapping[int, int], now: datetime) -> int:
    query = select(Subscriber.id, Subscriber.page_id, Subscriber.address).where(
        Subscriber.page_id.in_(kept), Subscriber.kind == kind, *_IS_TOLD
    )
    owed = [
        Owed(
            kind=kind,
            receiver=registry.receiver(kind, each.address),
            subscriber_id=each.id,
            notice_id=kept[each.page_id],
        )
        for each in connection.execute(query.order_by(Subscriber.id))
    ]
    deliveries.owe(connection, owed, now=now)
    return len(owed)


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
    """Return a message as it is kept. *page*: slug, title and timezone; *more*: what else `Announcement` holds."""
    nothing = dict.fromkeys(("title", "text", "status", "starts_at", "ends_at"))
    told = {"event": event, "id": "", "at": _text(at), "page": dict(page), "monitors": []} | nothing
    return to_stored(kind, told | more)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.strftime("%Y-%m-%dT%H:%M:%SZ")
