"""Who is told of a public page's incidents and maintenance: ask, confirm, unsubscribe, add, remove, list.

Input arrives validated (`input.subscribers`). A webhook is added by the owner and told from then on; an e-mail
address is asked first, whoever entered it. What they are told is `subscribers.announcements`' business.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from pulsemon.channels import mailbox, registry, webhook
from pulsemon.channels.email import Email
from pulsemon.channels.webhook import Webhook
from pulsemon.core import keyset
from pulsemon.core.addresses import MAIN
from pulsemon.db import Database, audit, deliveries, page_rows
from pulsemon.db.deliveries import Owed
from pulsemon.db.tables.messages import Delivery
from pulsemon.db.tables.status_pages import StatusPage
from pulsemon.db.tables.subscribers import Subscriber
from pulsemon.db.types import is_exactly
from pulsemon.db.versions import renew_version
from pulsemon.errors import NO_PAGE, Conflict, NotFound, Unavailable
from pulsemon.subscribers import announcements
from pulsemon.subscribers.views import SubscriberView, Subscription, view_of

EMAIL, WEBHOOK = Email.kind, Webhook.kind
# One mail that asks, to one mailbox on whatever pages; a second page's waits until the hour is over.
ASK_AGAIN_AFTER = timedelta(hours=1)
MAX_PER_PAGE = 10_000
# 256 bits, in characters that a URL carries as they are.
_TOKEN_BYTES = 32

NO_SUBSCRIBER = "This page has no such subscriber."


@dataclass(frozen=True, slots=True)
class NewSubscriber:
    """Who is to be told. `address` as it is kept; `secret` may be `"generate"`; `locale` None: the installation's."""

    kind: str
    address: str
    secret: str | None = field(default=None, repr=False)
    locale: str | None = None


def list_of(
    database: Database,
    slug: str,
    *,
    containing: str = "",
    sees_secrets: bool = True,
    limit: int | None = None,
    after: int | None = None,
) -> tuple[list[SubscriberView], int | None]:
    """Return a page's subscribers whose address holds *containing*, oldest first, and after which the next part begins.

    For whoever does not see secrets no webhook is found by its address: letter by letter, that would tell it. Raises
    NotFound.
    """
    newest = (
        select(func.max(Delivery.id))
        .where(Delivery.subscriber_id == Subscriber.id)
        .correlate(Subscriber)
        .scalar_subquery()
    )
    query = (
        select(Subscriber.__table__, Delivery.state.label("outcome"), Delivery.reason)
        .outerjoin(Delivery, Delivery.id == newest)
        .where(Subscriber.address.icontains(containing, autoescape=True))
        .order_by(Subscriber.id)
        .limit(keyset.one_more(limit))
    )
    if after is not None:
        query = query.where(Subscriber.id > after)
    if containing and not sees_secrets:
        query = query.where(Subscriber.kind == EMAIL)
    with database.read() as connection:
        page_id = _page_id(connection, slug)
        found = [view_of(row) for row in connection.execute(query.where(Subscriber.page_id == page_id))]
    return keyset.cut(found, limit, lambda each: each.id)


def counts(database: Database, *, project_id: int) -> dict[str, int]:
    """Return page slug -> how many subscribers are told of it, of the pages of a project."""
    query = (
        select(StatusPage.slug, func.count())
        .join(Subscriber, Subscriber.page_id == StatusPage.id)
        .where(StatusPage.project_id == project_id)
        .where(Subscriber.confirmed_at.is_not(None), Subscriber.switched_off_at.is_(None))
        .group_by(StatusPage.slug)
    )
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def add(
    database: Database, slug: str, new: NewSubscriber, *, default_locale: str, has_mail: bool, now: datetime
) -> SubscriberView:
    """Add a webhook, or ask an address on the owner's behalf. The secret is shown only if it was made here.

    Raises NotFound and Conflict, as `add_webhook` and `invite` do; Conflict too for an address where no mail is sent.
    """
    locale = new.locale or default_locale
    if new.kind != EMAIL:
        return add_webhook(database, slug, new.address, secret=new.secret, locale=locale, now=now)
    if not has_mail:
        raise Conflict("no-mail")
    return invite(database, slug, new.address, locale=locale, now=now)


def add_webhook(
    database: Database, slug: str, url: str, *, secret: str | None, locale: str, now: datetime
) -> SubscriberView:
    """Tell *url* from now on. *secret*: `generate`, one to sign with, or None.

    Raises:
        NotFound: there is no such page.
        Conflict: the URL is on the list, or the list is full.
    """
    with database.write() as connection:
        page_id = _own_page_id(connection, slug, now)
        _refuse_full(connection, page_id)
        made = webhook.new_secret() if secret == "generate" else secret  # noqa: S105 - a word of the API
        row = _row(page_id, WEBHOOK, url, locale, now) | {"secret": made, "confirmed_at": now}
        if _find(connection, page_id, WEBHOOK, url) is not None:
            raise Conflict("subscriber-known")
        found = _get(connection, _insert(connection, row))
        _note(connection, "subscriber.add", slug, after=_facts(found))
        renew_version(connection)
        return view_of(found, secret=made)


def invite(database: Database, slug: str, address: str, *, locale: str, now: datetime) -> SubscriberView:
    """Ask *address*, on the owner's behalf, whether it wants to be told.

    Raises:
        NotFound: there is no such page.
        Conflict: the address is told already, was asked lately, or the list is full.
    """
    with database.write() as connection:
        page_id = _own_page_id(connection, slug, now)
        known = _find(connection, page_id, EMAIL, address)
        if known is not None and known.confirmed_at is not None and known.switched_off_at is None:
            raise Conflict("subscriber-known")
        same = connection.execute(_select_asked().where(*_is_address(address))).all()
        subscriber_id = _ask(connection, page_id, known, address, locale=locale, now=now, same=same)
        if subscriber_id is None:
            raise Conflict("subscriber-asked-lately")
        found = _get(connection, subscriber_id)
        _note(connection, "subscriber.add", slug, after=_facts(found))
        renew_version(connection)
        return view_of(found)


def ask(database: Database, slug: str, address: str, *, locale: str, now: datetime) -> None:
    """Ask *address*, for a visitor, whether it wants to be told; whoever knows the answer must not tell it.

    Does nothing for an address that is told already or whose mailbox was asked lately, under whatever spelling, and
    where the page or room for more is gone.
    """
    try:
        with database.write() as connection:
            page_id = _own_page_id(connection, slug, now)
            known = _find(connection, page_id, EMAIL, address)
            if known is None or known.confirmed_at is None or known.switched_off_at is not None:
                _ask(connection, page_id, known, address, locale=locale, now=now, same=_of_mailbox(connection, address))
    except (NotFound, Conflict):
        return


def _select_asked() -> Select[*tuple[Any, ...]]:
    """Return the query for subscribers, with the project of their page; add where."""
    query = select(Subscriber.__table__, StatusPage.project_id.label("project_id"))
    return query.join(StatusPage, StatusPage.id == Subscriber.page_id)


def _is_address(address: str) -> tuple[Any, Any]:
    return Subscriber.kind == EMAIL, Subscriber.address == address


def _of_mailbox(connection: Connection, address: str) -> list[Any]:
    """Return every subscriber, of whatever page, whose address is another spelling of the same mailbox."""
    candidates = [
        Subscriber.address.startswith(beginning, autoescape=True) & Subscriber.address.endswith(end, autoescape=True)
        for beginning, end in mailbox.patterns_of(address)
    ]
    rows = connection.execute(_select_asked().where(Subscriber.kind == EMAIL, or_(*candidates)))
    wanted = mailbox.mailbox_of(address)
    return [row for row in rows if mailbox.mailbox_of(row.address) == wanted]


def _ask(
    connection: Connection,
    page_id: int,
    known: Any | None,
    address: str,
    *,
    locale: str,
    now: datetime,
    same: Sequence[Any],
) -> int | None:
    """Owe the mail that asks, and return who is asked; None where one is owed already, or went out lately.

    *same* are those whose mails count as mails to this one. Those of other projects put the mail off and nothing else:
    that somebody else asked this mailbox is not to be learned here.
    """
    project_id = connection.scalar(select(StatusPage.project_id).where(StatusPage.id == page_id))
    at = _next_mail_at(same, now)
    was_asked_here = known is not None and known.asked_at > now - _pause_after([known])
    ours_at = _next_mail_at([each for each in same if each.project_id == project_id], now)
    if was_asked_here or ours_at - now > ASK_AGAIN_AFTER:
        return None
    if known is None:
        _refuse_full(connection, page_id)
        subscriber_id = _insert(connection, _row(page_id, EMAIL, address, locale, now) | {"asked_at": at})
    else:
        subscriber_id = known.id
        again = {"asked_at": at, "locale": locale, "confirmed_at": None, "switched_off_at": None}
        connection.execute(update(Subscriber).where(Subscriber.id == known.id).values(again))
    _owe(connection, subscriber_id, "confirm", due_at=at, now=now)
    return subscriber_id


def _next_mail_at(same: Sequence[Any], now: datetime) -> datetime:
    """Return when a mailbox may be asked again."""
    last = max((each.asked_at for each in same), default=None)
    return now if last is None else max(now, last + _pause_after(same))


def _pause_after(same: Sequence[Any]) -> timedelta:
    """Each further mail to somebody who never answered comes after twice the time: nobody is asked every hour."""
    unanswered = [each for each in same if each.confirmed_at is None]
    if not unanswered:
        return ASK_AGAIN_AFTER
    asked_for: timedelta = max(each.asked_at for each in unanswered) - min(each.created_at for each in unanswered)
    return max(ASK_AGAIN_AFTER, asked_for)


def find(database: Database, token: str) -> Subscription:
    """Return the subscription that the link of a mail names. Raises NotFound."""
    with database.read() as connection:
        return _subscription(connection, token)


def confirm(database: Database, token: str, *, now: datetime) -> Subscription:
    """Tell the address that this link was mailed to from now on. Repeatable. Raises NotFound."""
    with database.write() as connection:
        found = _subscription(connection, token)
        if not found.is_confirmed:
            values = {"confirmed_at": now, "switched_off_at": None}
            connection.execute(update(Subscriber).where(Subscriber.token == token).values(values))
            renew_version(connection)
        return found


def unsubscribe(database: Database, token: str) -> bool:
    """Forget the address that this link was mailed to, and what it is owed; return whether there was one."""
    with database.write() as connection:
        is_gone = (
            connection.execute(
                delete(Subscriber).where(is_exactly(Subscriber.token, token), Subscriber.kind == EMAIL)
            ).rowcount
            > 0
        )
        if is_gone:
            renew_version(connection)
        return is_gone


def remove(database: Database, slug: str, subscriber_id: int) -> None:
    """Take a subscriber off a page's list, with what it is owed. Raises NotFound."""
    with database.write() as connection:
        found = _of_page(connection, slug, subscriber_id)
        connection.execute(delete(Subscriber).where(Subscriber.id == found.id))
        _note(connection, "subscriber.remove", slug, before=_facts(found))
        renew_version(connection)


def _facts(row: Any) -> dict[str, Any]:
    """Return what is noted of a subscriber: not the address, for whoever is removed is forgotten."""
    address = mailbox.masked(row.address) if row.kind == EMAIL else webhook.masked(row.address)
    return {"kind": row.kind, "address": address, "locale": row.locale}


def _note(connection: Connection, action: str, slug: str, **facts: Mapping[str, Any]) -> None:
    found = connection.scalar(select(StatusPage.project_id).where(is_exactly(StatusPage.slug, slug)))
    audit.note(connection, action, slug, project_id=found, **facts)


def send_test_message(database: Database, slug: str, subscriber_id: int, *, now: datetime) -> None:
    """Owe a message that says nothing new, to see whether it arrives.

    Raises:
        NotFound: the page has no such subscriber.
        Conflict: it has not confirmed yet, or refuses.
    """
    with database.write() as connection:
        found = _of_page(connection, slug, subscriber_id)
        if found.confirmed_at is None or found.switched_off_at is not None:
            raise Conflict("subscriber-inactive")
        _owe(connection, subscriber_id, "test", due_at=now, now=now)


def get(database: Database, slug: str, subscriber_id: int) -> SubscriberView:
    """Return one subscriber of a page. Raises NotFound."""
    with database.read() as connection:
        return view_of(_of_page(connection, slug, subscriber_id))


def _of_page(connection: Connection, slug: str, subscriber_id: int) -> Any:
    this = (Subscriber.id == subscriber_id, Subscriber.page_id == _page_id(connection, slug))
    row = connection.execute(select(Subscriber.__table__).where(*this)).first()
    if row is None:
        raise NotFound(NO_SUBSCRIBER)
    return row


def _subscription(connection: Connection, token: str) -> Subscription:
    query = (
        select(Subscriber.address, Subscriber.confirmed_at, Subscriber.switched_off_at)
        .add_columns(StatusPage.slug, StatusPage.title)
        .join(StatusPage, StatusPage.id == Subscriber.page_id)
        .where(is_exactly(Subscriber.token, token), Subscriber.kind == EMAIL)
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(NO_SUBSCRIBER)
    is_confirmed = row.confirmed_at is not None and row.switched_off_at is None
    return Subscription(row.address, row.slug, row.title, is_confirmed)


def _page_id(connection: Connection, slug: str) -> int:
    """Return the id of a page; 0 for `/status` without a row. Raises NotFound."""
    found = connection.scalar(select(StatusPage.id).where(is_exactly(StatusPage.slug, slug)))
    if found is None and slug != MAIN:
        raise NotFound(NO_PAGE)
    return found or 0


def _own_page_id(connection: Connection, slug: str, now: datetime) -> int:
    """Return the id of a page, and give `/status` a row if it has none: it is there without one until it needs one."""
    page_id = _page_id(connection, slug)
    if page_id:
        return page_id
    try:
        return page_rows.add(connection, {"slug": MAIN}, now=now)
    except IntegrityError:
        raise Unavailable("another server made this page at the same moment") from None


def _refuse_full(connection: Connection, page_id: int) -> None:
    count = connection.scalar(select(func.count()).where(Subscriber.page_id == page_id)) or 0
    if count >= MAX_PER_PAGE:
        raise Conflict("too-many-subscribers")


def _find(connection: Connection, page_id: int, kind: str, address: str) -> Any | None:
    this = (Subscriber.page_id == page_id, Subscriber.kind == kind, Subscriber.address == address)
    return connection.execute(select(Subscriber.__table__).where(*this).with_for_update()).first()


def _get(connection: Connection, subscriber_id: int) -> Any:
    return connection.execute(select(Subscriber.__table__).where(Subscriber.id == subscriber_id)).one()


def _row(page_id: int, kind: str, address: str, locale: str, now: datetime) -> dict[str, Any]:
    return {
        "page_id": page_id,
        "kind": kind,
        "address": address,
        "locale": locale,
        "token": secrets.token_urlsafe(_TOKEN_BYTES),
        "asked_at": now,
        "created_at": now,
    }


def _insert(connection: Connection, row: dict[str, Any]) -> int:
    try:
        return connection.execute(insert(Subscriber).values(row).returning(Subscriber.id)).scalar_one()
    except IntegrityError:  # another node was faster
        raise Conflict("subscriber-known") from None


def _owe(connection: Connection, subscriber_id: int, kind: str, *, due_at: datetime, now: datetime) -> None:
    """Owe a message that is about no incident."""
    query = (
        select(Subscriber.kind, Subscriber.address, StatusPage.slug, StatusPage.title, StatusPage.timezone)
        .join(StatusPage, StatusPage.id == Subscriber.page_id)
        .where(Subscriber.id == subscriber_id)
    )
    found = connection.execute(query).one()
    page = {"slug": found.slug, "title": found.title, "timezone": found.timezone}
    payload = announcements.payload_of(kind, kind, page=page, at=now)
    receiver = registry.receiver(found.kind, found.address)
    owed = Owed(kind=found.kind, receiver=receiver, payload=payload, subscriber_id=subscriber_id, due_at=due_at)
    deliveries.owe(connection, [owed], now=now)
