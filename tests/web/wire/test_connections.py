"""Which connection goes where there are too many, and what of that is blindness."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from pulsemon.web.wire import connections
from pulsemon.web.wire.connections import Connections

ROOM = 20
JOB = "192.0.2.7"


@dataclass(eq=False)
class Member:
    """A connection as those that count see it; what it waits for is in the test's hand."""

    address: str
    cycle: Any = None
    has_pinged: bool = False
    is_waiting: bool = True
    is_closed: bool = False
    transport: Any = field(init=False)

    def __post_init__(self) -> None:
        self.transport = SimpleNamespace(close=self._close)

    def _close(self) -> None:
        self.is_closed = True

    def end_if_unfinished(self) -> None:
        raise NotImplementedError

    def end_if_overdue(self, now: float) -> None:
        raise NotImplementedError


class House:
    """`Connections` for twenty, with a count of what was told as turned away."""

    def __init__(self, loop: asyncio.AbstractEventLoop, room: int = ROOM) -> None:
        self.turned_away = 0
        self.now = 1_000.0
        loop.time = lambda: self.now  # type: ignore[method-assign]
        self.connections = Connections(loop, ["198.51.100.0/24"], room=room, on_turned_away=self._count)

    def _count(self) -> None:
        self.turned_away += 1

    def enter(self, address: str, **state: Any) -> Member | None:
        """Let somebody in; None if he may not stay."""
        member = Member(address, **state)
        return member if self.connections.admit(member, address) else None

    def crowd(self, count: int, *, each: int = 1, first: int = 0, **state: Any) -> list[Member]:
        """Let a crowd in: *each* connections from each of *count* addresses."""
        made = [self.enter(f"203.0.{first + n}.1", **state) for n in range(count) for _ in range(each)]
        assert all(made)
        return [member for member in made if member is not None]

    def leave(self, member: Member) -> None:
        self.connections.forget(member, member.address)


@pytest.fixture
def house() -> Iterator[House]:
    loop = asyncio.new_event_loop()
    yield House(loop)
    loop.close()


def finished() -> Any:
    return SimpleNamespace(response_complete=True)


def closed(members: list[Member]) -> list[Member]:
    return [each for each in members if each.is_closed]


def test_an_address_that_holds_too_many_loses_its_oldest_idle_one_and_that_is_no_blindness() -> None:
    loop = asyncio.new_event_loop()
    house = House(loop, room=1_000)
    busy = house.enter(JOB, is_waiting=False)
    held = [house.enter(JOB) for _ in range(connections.MAX_CONNECTIONS_PER_ADDRESS - 1)]

    assert house.enter(JOB) is not None

    assert busy is not None
    assert not busy.is_closed
    assert [each for each in held if each and each.is_closed] == held[:1]
    assert house.turned_away == 0
    loop.close()


def test_a_refusal_by_an_address_s_own_bound_is_no_blindness() -> None:
    loop = asyncio.new_event_loop()
    house = House(loop, room=1_000)
    for _ in range(connections.MAX_CONNECTIONS_PER_ADDRESS):
        house.enter(JOB, is_waiting=False)

    assert house.enter(JOB) is None

    assert (house.turned_away, house.connections.refused_counts) == (0, {"address": 1, "process": 0})
    loop.close()


def test_where_the_process_has_too_many_whoever_holds_most_makes_room_and_that_is_no_blindness(house: House) -> None:
    few = house.crowd(5)
    many = house.crowd(1, each=ROOM - 5, first=100)

    assert house.enter(JOB) is not None

    assert closed(few) == []
    assert closed(many) == many[:1]
    assert house.turned_away == 0


def test_a_flood_from_a_few_addresses_crowds_out_nobody_else(house: House) -> None:
    """Ten times as many as there is room, and each comes back as soon as it is closed."""
    job = house.enter(JOB)

    for _ in range(10 * ROOM):
        for n in range(3):
            assert house.enter(f"203.0.113.{n}") is not None

    assert job is not None
    assert not job.is_closed
    assert house.turned_away == 0


def test_whoever_may_have_been_a_job_and_goes_was_turned_away(house: House) -> None:
    crowd = house.crowd(ROOM)

    assert house.enter(JOB) is not None

    assert closed(crowd) == crowd[:1]
    assert house.turned_away == 1
    assert house.connections.refused_counts == {"address": 0, "process": 1}


def test_whoever_had_the_time_to_ask_and_did_not_was_no_job(house: House) -> None:
    """So it takes no blindness to be crowded by many addresses that each hold one silent connection."""
    crowd = house.crowd(ROOM)
    house.now += 6

    for n in range(ROOM):
        assert house.enter(f"203.0.113.{n}") is not None
    assert len(closed(crowd)) == ROOM
    assert house.turned_away == 0
    assert house.enter(JOB) is not None
    assert house.turned_away == 1, "all are new now"


def test_whoever_had_a_whole_answer_goes_without_a_loss(house: House) -> None:
    crowd = house.crowd(ROOM, cycle=finished())

    assert house.enter(JOB) is not None

    assert len(closed(crowd)) == 1
    assert house.turned_away == 0


def test_whoever_sends_a_request_that_is_not_whole_was_turned_away(house: House) -> None:
    house.crowd(ROOM, cycle=SimpleNamespace(response_complete=False))

    assert house.enter(JOB) is not None
    assert house.turned_away == 1


def test_where_nothing_waits_the_newcomer_is_turned_away(house: House) -> None:
    house.crowd(ROOM, is_waiting=False)

    assert house.enter(JOB) is None
    assert house.turned_away == 1


def test_a_connection_that_pinged_stays(house: House) -> None:
    pinging = house.crowd(ROOM - 1, cycle=finished(), has_pinged=True)
    other = house.crowd(1, first=100)

    assert house.enter(JOB) is not None
    assert closed([*pinging, *other]) == other
    assert house.enter(JOB) is not None, "the one before goes: it has not pinged"
    assert closed(pinging) == []


def test_a_connection_that_was_answered_something_else_makes_room(house: House) -> None:
    crowd = house.crowd(ROOM, cycle=finished())

    assert house.enter(JOB) is not None
    assert len(closed(crowd)) == 1


def test_an_address_from_which_a_ping_was_stored_is_the_last_to_lose_a_connection(house: House) -> None:
    before = house.enter(JOB, cycle=finished(), has_pinged=True)
    assert before is not None
    house.leave(before)
    job = house.enter(JOB)
    assert job is not None

    for n in range(10 * ROOM):
        assert house.enter(f"203.0.{n}.1") is not None
    assert not job.is_closed


def test_addresses_are_remembered_within_bounds(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_MAX_PINGERS", 3)
    for n in range(10):
        member = house.enter(f"203.0.{n}.1", has_pinged=True)
        assert member is not None
        house.leave(member)

    assert list(house.connections._pingers) == [f"203.0.{n}.1" for n in (7, 8, 9)]


def test_an_ipv6_network_counts_as_one_and_an_ipv4_address_in_ipv6_as_itself(house: House) -> None:
    network = [house.enter(f"2001:db8::{n:x}") for n in range(1, ROOM)]
    mapped = house.enter("::ffff:203.0.113.9")

    assert house.enter("203.0.113.9") is not None

    assert mapped is not None
    assert not mapped.is_closed
    assert [each for each in network if each and each.is_closed] == network[:1]
    assert house.turned_away == 0


@pytest.mark.parametrize("address", [None, "198.51.100.4", "::ffff:198.51.100.4", "a socket"])
def test_proxies_are_not_counted_by_address_and_lose_no_connection(house: House, address: str | None) -> None:
    proxied = []
    for _ in range(ROOM):
        member = Member(address or "")
        assert house.connections.admit(member, address)
        proxied.append(member)

    assert house.enter(JOB) is None
    assert closed(proxied) == []
    assert house.turned_away == 1


def test_who_leaves_makes_room(house: House) -> None:
    crowd = house.crowd(ROOM, is_waiting=False)
    house.leave(crowd[0])
    house.leave(crowd[0])

    assert house.connections.count == ROOM - 1
    assert house.enter(JOB) is not None
    assert house.turned_away == 0
