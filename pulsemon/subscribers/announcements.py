"""What subscribers of public pages are told of incidents and maintenance: the messages, owed in the same transaction.

Each page tells its own subscribers, and names no monitor that it does not show. The words are made when a message is
sent (`channels`), in the subscriber's language.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, String, cast, func, insert, literal, select, update
from sqlalchemy.orm import InstrumentedAttribute

from pulsemon.db import outbox, placements
from pulsemon.db.tables.messages import Delivery, NoticeRow
from pulsemon.db.tables.monitors import Monitor, PlacementRow
from pulsemon.db.tables.status_pages import PageMonitor, StatusPage
from pulsemon.db.tables.subscribers import Subscriber

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
    pages = connection.execute(
        select(StatusPage.id, StatusPage.slug, StatusPage.title, StatusPage.is_chosen, StatusPage.timezone)
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
    _hurry_older(connection, payloads, now)
    kept = {page_id: _keep(connection, payload, now) for page_id, payload in payloads.items()}
    count = sum(_owe_mails(connection, page_id, notice_id, now) for page_id, notice_id in kept.items())
    return count + _owe_webhooks(connection, kept, now)


_IS_TOLD = (Subscriber.confirmed_at.is_not(None), Subscriber.switched_off_at.is_(None))


def _hurry_older(connection: Connection, page_ids: Collection[int], now: datetime) -> None:
    """A new message waits for the older ones of its subscriber, but not for the hours that these were going to rest."""
    if page_ids:
        theirs = Delivery.subscriber_id.in_(select(Subscriber.id).where(Subscriber.page_id.in_(page_ids), *_IS_TOLD))
        resting = (Delivery.state == "pending", Delivery.lease_token.is_(None), Delivery.next_attempt_at > now)
        connection.execute(update(Delivery).where(theirs, *resting).values(next_attempt_at=now))


def _keep(connection: Connection, payload: str, now: datetime) -> int:
    """Keep what a page's subscribers are told, and return its id: ten thousand copies of it would hold up pings."""
    keep = insert(NoticeRow).values(payload=payload, created_at=now)
    return connection.execute(keep.returning(NoticeRow.id)).scalar_one()


def _owe_mails(connection: Connection, page_id: int, notice_id: int, now: datetime) -> int:
    """Owe one page's mails in one statement: row by row ten thousand of them would hold up pings for seconds."""
    row = delivery_row(0, kind="email", address="", notice_id=notice_id, now=now)
    row |= {"message_id": literal("msg_").concat(_random_hex(connection)), "subscriber_id": Subscriber.id}
    columns = [
        value
        if isinstance(value, ColumnElement | InstrumentedAttribute)
        else literal(value, Delivery.__table__.c[name].type)
        for name, value in row.items()
    ]
    mails = select(*columns).where(Subscriber.page_id == page_id, Subscriber.kind == "email", *_IS_TOLD)
    owe = insert(Delivery).from_select(list(row), mails.order_by(Subscriber.id))
    return connection.execute(owe.execution_options(preserve_rowcount=True)).rowcount


def _random_hex(connection: Connection) -> ColumnElement[str]:
    """Return what makes 32 random hexadecimal digits, others for each row, as `outbox` makes them."""
    if connection.dialect.name == "sqlite":
        return func.lower(func.hex(func.randomblob(16)))
    return func.replace(cast(func.gen_random_uuid(), String), "-", "")


def _owe_webhooks(connection: Connection, kept: Mapping[int, int], now: datetime) -> int:
    """Write a message for each webhook on the pages of *kept* (page id -> the id of its notice); return how many."""
    query = select(Subscriber.id, Subscriber.page_id, Subscriber.address).where(
        Subscriber.page_id.in_(kept), Subscriber.kind == "webhook", *_IS_TOLD
    )
    rows = [
        delivery_row(each.id, kind="webhook", address=each.address, notice_id=kept[each.page_id], now=now)
        for each in connection.execute(query.order_by(Subscriber.id))
    ]
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(insert(Delivery), rows[start : start + _AT_ONCE])
    return len(rows)


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


def delivery_row(
    subscriber_id: int, *, kind: str, address: str, now: datetime, payload: str = "", notice_id: int | None = None
) -> dict[str, Any]:
    """Return the row of one message that is owed to a subscriber from *now* on: its own, or a notice."""
    is_mail = kind == "email"
    row = outbox.delivery_row(monitor_id=None, seq=None, payload=payload, url="" if is_mail else address, now=now)
    row |= {"subscriber_id": subscriber_id, "notice_id": notice_id}
    return row | ({"receiver": outbox.MAIL_RECEIVER} if is_mail else {})


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
    """Return a message as JSON, as `channels.message.Announcement` reads it. *page*: slug, title and timezone."""
    nothing = dict.fromkeys(("title", "text", "status", "starts_at", "ends_at"))
    told = {"kind": kind, "event": event, "id": "", "at": _text(at), "page": dict(page), "monitors": []} | nothing
    # Half a surrogate pair of a damaged database would be refused by PostgreSQL, and the edit with it.
    return json.dumps(told | more, ensure_ascii=False).encode("utf-8", "replace").decode()


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.strftime("%Y-%m-%dT%H:%M:%SZ")
