"""The one writer of deliveries: what each change leaves alone, and what the database refuses, on both databases."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from pulsemon.channels.message import Delivered, Reason, Rejected
from pulsemon.core.deliveries import MONITOR, DeliveryState, to_stored
from pulsemon.db import Database, deliveries
from pulsemon.db.deliveries import Owed
from pulsemon.db.tables.messages import Delivery
from pulsemon.messages import outbox
from pulsemon.messages.outbox import Sent
from pulsemon.subscribers import manage as subscribers
from tests.arrange import HOOK, START, make, seconds
from tests.arrange import deliveries as rows
from tests.channels.test_webhook import a_message
from tests.conftest import ROOT, at

LATER = at("10:10")
PAYLOAD = to_stored(MONITOR, a_message().payload)


def owe(database: Database, **fields: Any) -> int:
    """Owe one message and return its id."""
    with database.write() as connection:
        deliveries.owe(
            connection,
            [Owed(**{"kind": "webhook", "receiver": "127.0.0.1:9", "payload": PAYLOAD} | fields)],
            now=START,
        )
    return int(rows(database)[-1].id)


def test_every_statement_that_writes_deliveries_stands_in_one_module() -> None:
    writes = re.compile(r"\b(?:insert|update|delete|upsert)\((?:connection, )?Delivery\b")
    found = [path for path in (ROOT / "pulsemon").rglob("*.py") if writes.search(path.read_text(encoding="utf-8"))]

    assert [path.relative_to(ROOT).as_posix() for path in found] == ["pulsemon/db/deliveries.py"]


@pytest.mark.parametrize(
    "owners",
    [
        (),
        ("monitor_id", "subscriber_id"),
        ("monitor_id", "address"),
        ("subscriber_id", "address"),
        ("monitor_id", "subscriber_id", "address"),
    ],
)
def test_a_delivery_has_one_owner(database: Database, owners: tuple[str, ...]) -> None:
    subscriber = subscribers.add_webhook(database, "status", HOOK, secret=None, locale="en", now=START)
    known = {"monitor_id": make(database).id, "subscriber_id": subscriber.id, "address": "ana@example.org"}

    for one in known:
        owe(database, **{one: known[one]})
    with pytest.raises(IntegrityError):
        owe(database, **{each: known[each] for each in owners})

    assert len(rows(database)) == 3


def test_what_is_owed_to_a_channel_may_name_the_monitor_that_it_tells_of(database: Database) -> None:
    monitor = make(database)
    row = {"message_id": "msg_1", "kind": "ntfy", "channel_id": 1, "payload": PAYLOAD, "receiver": "ntfy.sh:443"}
    row |= {"state": "pending", "created_at": START, "next_attempt_at": START, "retry_since": START}
    for more in ({"monitor_id": monitor.id}, {}):
        with database.write() as connection:
            connection.execute(Delivery.__table__.insert().values(row | more))

    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(Delivery.__table__.insert().values(row | {"address": "ana@example.org"}))


def test_an_address_without_an_account_is_leased_with_what_sending_takes(database: Database) -> None:
    owe(database, address=HOOK)

    (leased,) = outbox.lease_due(database, now=LATER, in_flight={})

    assert (leased.kind, leased.address) == ("webhook", HOOK)
    assert (leased.secret, leased.token, leased.locale) == (None, "", None)
    outbox.settle(database, [Sent(leased, Delivered(200), LATER, LATER, 0)])
    assert [row.state for row in rows(database)] == [DeliveryState.DELIVERED]


def test_an_address_that_refuses_for_good_is_nobody_s_to_switch_off(database: Database) -> None:
    owe(database, address=HOOK)
    owe(database, address=HOOK)
    first, _ = outbox.lease_due(database, now=LATER, in_flight={})

    outbox.settle(database, [Sent(first, Rejected(Reason.GONE, 410, switch_off=True), LATER, LATER, 0)])

    assert [row.state for row in rows(database)] == ["given-up", "pending"]


def test_what_is_hurried_is_what_rests_and_nothing_else(database: Database) -> None:
    monitor = make(database)
    leased, resting, overdue = (owe(database, monitor_id=monitor.id, due_at=at("10:20")) for _ in range(3))
    held = owe(database, monitor_id=monitor.id, held_until=at("10:20"))
    other = owe(database, address=HOOK, due_at=at("10:20"))
    with database.write() as connection:
        deliveries.lease(connection, [leased], "a lease", until=at("10:30"))
        deliveries.look_at_held(connection, [overdue], at=at("10:05"))

        deliveries.hurry(connection, Delivery.monitor_id == monitor.id, now=LATER)

    assert {row.id: row.next_attempt_at for row in rows(database)} == {
        leased: at("10:30"),
        resting: LATER,
        overdue: at("10:05"),
        held: at("10:20"),
        other: at("10:20"),
    }


def test_only_whose_lease_it_is_ends_it(database: Database) -> None:
    delivery_id = owe(database, address=HOOK)
    with database.write() as connection:
        deliveries.lease(connection, [delivery_id], "mine", until=LATER)
        another = (connection, delivery_id, "another's")

        assert not deliveries.settle(*another, DeliveryState.DELIVERED, reason=None, at=LATER)
        assert not deliveries.try_later(*another, reason="status", at=LATER + seconds(1))
        assert deliveries.try_later(connection, delivery_id, "mine", reason="status", at=LATER)
        assert not deliveries.settle(connection, delivery_id, "mine", DeliveryState.DELIVERED, reason=None, at=LATER)

    (row,) = rows(database)
    assert (row.state, row.reason, row.next_attempt_at, row.attempt_count) == ("pending", "status", LATER, 1)


def test_what_is_settled_is_neither_cancelled_nor_redirected(database: Database) -> None:
    settled, owed, held = (
        owe(database, address=HOOK),
        owe(database, address=HOOK),
        owe(database, address=HOOK, held_until=LATER),
    )
    with database.write() as connection:
        deliveries.lease(connection, [settled], "mine", until=LATER)
        deliveries.settle(connection, settled, "mine", DeliveryState.DELIVERED, reason=None, at=LATER)

        deliveries.redirect(connection, Delivery.address == HOOK, receiver="elsewhere:80", now=LATER)
        deliveries.cancel(connection, Delivery.id != owed, reason="gone", now=LATER)

    assert [(row.id, row.state, row.receiver) for row in rows(database)] == [
        (settled, "delivered", "127.0.0.1:9"),
        (owed, "pending", "elsewhere:80"),
        (held, "cancelled", "elsewhere:80"),
    ]
