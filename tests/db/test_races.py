"""Two nodes on one PostgreSQL, and two threads on one SQLite: whoever wins, the record is whole (promise R2).

Each race is run many times over; a deadlock would show as Unavailable, which nobody here swallows.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from pulsemon.channels.message import Delivered
from pulsemon.core.status import BlindWindow, Signal, Status
from pulsemon.db import Database, sessions
from pulsemon.db.tables.messages import Delivery
from pulsemon.db.tables.monitors import Monitor
from pulsemon.deadlines import passes
from pulsemon.errors import Conflict
from pulsemon.messages import outbox
from pulsemon.messages.outbox import Leased, Sent
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.manage import NewMonitor, by_id
from pulsemon.monitors.views import View
from tests.arrange import (
    HOOK,
    START,
    a_ping,
    again,
    attempts,
    deliveries,
    make,
    make_up,
    record,
    rows,
    seconds,
    stored,
    transitions,
)

ROUNDS = 12
PERIOD = timedelta(seconds=300)
OVERDUE = START + PERIOD + seconds(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def nodes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Database, Database]]:
    """Two nodes: on PostgreSQL two connections to one database, on SQLite the one process that there may be.

    They wait for each other for as long as a busy machine makes them: here it is about who wins, not about how soon.
    """
    for name in ("lock_timeout", "idle_in_transaction_session_timeout"):
        monkeypatch.setitem(sessions._SETTINGS, name, "60000")
    if request.param == "sqlite":
        only = Database.open(request.getfixturevalue("sqlite_url"))
        only.migrate()
        pair = (only, only)
    else:
        url = request.getfixturevalue("postgres_url")
        pair = (Database.open(url), Database.open(url))
    yield pair
    for node in set(pair):
        node.close()


def at_once(*works: Callable[[], object]) -> list[object]:
    """Run all of *works* at the same moment; return their results, or raise what one of them raised."""
    barrier = threading.Barrier(len(works))
    results: list[object] = [None] * len(works)
    failures: list[BaseException] = []

    def run(number: int, work: Callable[[], object]) -> None:
        try:
            barrier.wait(60)
            results[number] = work()
        except BaseException as failed:
            failures.append(failed)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
        assert not each.is_alive()
    if failures:
        raise failures[0]
    return results


def assert_whole(database: Database, monitor: View) -> None:
    """Numbers without a gap, each transition from where the last one led, the row where the history ends."""
    found = transitions(database, monitor)
    assert [row.seq for row in found] == list(range(1, len(found) + 1))
    assert all(later.prev_status == earlier.new_status for earlier, later in itertools.pairwise(found))
    (row,) = rows(database, Monitor, Monitor.id == monitor.id)
    assert row.state_seq == len(found)
    assert row.status == found[-1].new_status
    assert (row.due_at is not None) == (row.status == "UP")


def assert_one_message_each(database: Database, monitor: View) -> None:
    """UP to DOWN and DOWN to UP are told, once."""
    told = [
        row.seq
        for row in transitions(database, monitor)
        if {row.prev_status, row.new_status} == {"UP", "DOWN"} or row.new_status == "DOWN"
    ]
    found = rows(database, Delivery, Delivery.monitor_id == monitor.id)
    assert sorted(row.seq for row in found) == told


def delivered(leased: Leased) -> Sent:
    return Sent(leased, Delivered(200), OVERDUE, OVERDUE, 0)


def expire(node: Database, now: datetime) -> int:
    return passes.expire_due(node, now=now, recorded_at=now).transition_count


def test_a_ping_and_the_deadline(nodes: tuple[Database, Database]) -> None:
    """Either the ping was first and nothing happened, or the monitor was down and came back: never down after it."""
    one, other = nodes
    monitor = make_up(one, webhook_url=HOOK)
    now = START
    for _ in range(ROUNDS):
        now += PERIOD + seconds(1)
        moment = now
        at_once(lambda m=moment: expire(one, m), lambda m=moment: record(other, a_ping(monitor, m)))
        assert again(one, monitor).status is Status.UP
        assert again(one, monitor).last_ping == now

    assert_whole(one, monitor)
    assert_one_message_each(one, monitor)
    assert len(stored(one, monitor)) == ROUNDS + 1


def test_two_evaluators(nodes: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "CHUNK", 5)
    one, other = nodes
    made = [make_up(one, f"m{number}", webhook_url=HOOK) for number in range(30)]

    def expire_all(node: Database) -> int:
        total = 0
        while passes.next_check_at(node) is not None:
            total += expire(node, OVERDUE)
        return total

    counts = at_once(lambda: expire_all(one), lambda: expire_all(other))

    assert sum(counts) == 30
    for each in made:
        assert_whole(one, each)
        assert_one_message_each(one, each)


def test_the_sweep_and_the_deadline(nodes: tuple[Database, Database]) -> None:
    one, other = nodes
    made = [make_up(one, f"m{number}", webhook_url=HOOK) for number in range(20)]

    at_once(lambda: passes.sweep_all(one, now=OVERDUE), lambda: expire(other, OVERDUE))

    assert {again(one, each).status for each in made} == {Status.DOWN}
    for each in made:
        assert_whole(one, each)
        assert_one_message_each(one, each)


def test_blindness_and_the_deadline(nodes: tuple[Database, Database]) -> None:
    """One node excuses what the other judges: each monitor is one or the other, and whole."""
    one, other = nodes
    made = [make_up(one, f"m{number}", webhook_url=HOOK) for number in range(20)]
    window = BlindWindow(START + seconds(200), OVERDUE)

    at_once(lambda: passes.excuse_blindness(one, [(window, "stall")], now=OVERDUE), lambda: expire(other, OVERDUE))

    for each in made:
        assert_whole(one, each)
        view = again(one, each)
        assert view.status is Status.DOWN or view.due_at == OVERDUE + PERIOD


def test_many_pings_of_many_monitors_from_both_nodes(nodes: tuple[Database, Database]) -> None:
    """Batches that meet over the same monitors in different orders: locked by id, so that none waits for ever."""
    one, other = nodes
    made = [make(one, f"m{number}", webhook_url=HOOK) for number in range(10)]

    def send(node: Database, order: list[View]) -> None:
        for number in range(ROUNDS):
            batch = [
                a_ping(each, START + seconds(number), Signal.FAIL if (number + each.id) % 3 == 0 else Signal.SUCCESS)
                for each in order
            ]
            assert len(record(node, *batch)) == 10

    at_once(lambda: send(one, made), lambda: send(other, made[::-1]))

    for each in made:
        assert_whole(one, each)
        assert_one_message_each(one, each)
        found = stored(one, each)
        assert sorted(row.number for row in found) == list(range(1, 2 * ROUNDS + 1))
        in_order = sorted(found, key=lambda row: row.number)
        assert [row.prev_id for row in in_order] == [None, *(row.id for row in in_order[:-1])]


def test_an_edit_and_pings(nodes: tuple[Database, Database]) -> None:
    one, other = nodes
    monitor = make_up(one, webhook_url=HOOK)

    def edit() -> None:
        for number in range(ROUNDS):
            changes = {"interval_seconds": 1 if number % 2 else 600, "grace_seconds": 0, "webhook_url": HOOK}
            monitors.edit(one, by_id(monitor.id), changes, now=START + seconds(number * 10 + 5))

    def ping() -> None:
        for number in range(ROUNDS):
            record(other, a_ping(monitor, START + seconds(number * 10)))

    at_once(edit, ping)

    assert_whole(one, monitor)
    assert_one_message_each(one, monitor)
    assert again(one, monitor).interval_seconds == 1


def test_pause_resume_pings_and_deadlines(nodes: tuple[Database, Database]) -> None:
    one, other = nodes
    monitor = make_up(one, webhook_url=HOOK)

    def pause_and_resume() -> None:
        for number in range(ROUNDS):
            monitors.pause(one, by_id(monitor.id), now=START + seconds(number))
            monitors.resume(one, by_id(monitor.id), now=START + seconds(number))

    def ping_and_expire() -> None:
        for number in range(ROUNDS):
            record(other, a_ping(monitor, START + number * PERIOD * 2))
            expire(other, START + (number + 1) * PERIOD * 2)

    at_once(pause_and_resume, ping_and_expire)

    assert_whole(one, monitor)


def test_deleting_what_is_pinged_expired_and_sent(nodes: tuple[Database, Database]) -> None:
    one, other = nodes
    for number in range(ROUNDS):
        monitor = make_up(one, f"m{number}", webhook_url=HOOK)
        at_once(
            lambda m=monitor: monitors.remove(one, by_id(m.id)),
            lambda m=monitor: record(other, a_ping(m, OVERDUE)),
            lambda: expire(other, OVERDUE),
            lambda: outbox.lease_due(one, now=OVERDUE, in_flight={}),
        )

    assert (monitors.list_all(one)[0], deliveries(one)) == ([], [])


def test_one_slug_is_created_once(nodes: tuple[Database, Database]) -> None:
    one, other = nodes

    def create(node: Database, slug: str) -> bool:
        try:
            monitors.create(node, NewMonitor("n", slug, 60), now=START)
        except Conflict:
            return False
        return True

    for number in range(ROUNDS):
        slug = f"m{number}"
        made = at_once(lambda s=slug: create(one, s), lambda s=slug: create(other, s))
        assert sorted(made) == [False, True]


def test_one_slug_is_taken_once_by_edits(nodes: tuple[Database, Database]) -> None:
    one, other = nodes
    first, second = make(one, "first"), make(one, "second")

    def rename(node: Database, monitor: View) -> bool:
        try:
            monitors.edit(node, by_id(monitor.id), {"slug": "wanted"}, now=START)
        except Conflict:
            return False
        return True

    assert sorted(at_once(lambda: rename(one, first), lambda: rename(other, second))) == [False, True]


def test_two_dispatchers_share_the_work_and_send_nothing_twice(nodes: tuple[Database, Database]) -> None:
    one, other = nodes
    for number in range(30):
        make_up(one, f"m{number}", webhook_url=f"http://r{number % 5}.example/")
    assert expire(one, OVERDUE) == 30

    def dispatch(node: Database) -> list[str]:
        sent: list[str] = []
        while leased := outbox.lease_due(node, now=OVERDUE, in_flight={}):
            sent += [each.message.message_id for each in leased]
            outbox.settle(node, [delivered(each) for each in leased])
        return sent

    # A node that finds everything locked by the other has nothing to do for now; what is left goes in a last look.
    sent = [each for part in at_once(lambda: dispatch(one), lambda: dispatch(other)) for each in part]
    sent += dispatch(one)

    assert len(sent) == len(set(sent)) == 30
    assert {row.state for row in deliveries(one)} == {"delivered"}
    assert len(attempts(one)) == 30


def test_a_redirected_message_and_its_settling(nodes: tuple[Database, Database]) -> None:
    """An edit of the webhook while its message is under way: either outcome, and no deadlock."""
    one, other = nodes
    for number in range(ROUNDS):
        monitor = make_up(one, f"m{number}", webhook_url=HOOK)
        expire(one, OVERDUE)
        leased = outbox.lease_due(one, now=OVERDUE, in_flight={})
        at_once(
            lambda m=monitor: monitors.edit(other, by_id(m.id), {"webhook_url": "http://new.example/"}, now=OVERDUE),
            lambda found=leased: outbox.settle(one, [delivered(each) for each in found]),
        )
        (row,) = rows(one, Delivery, Delivery.monitor_id == monitor.id)
        assert (row.state, row.receiver) in (("delivered", "127.0.0.1:9"), ("pending", "new.example:80"))
        left = outbox.lease_due(one, now=OVERDUE + seconds(60), in_flight={})
        outbox.settle(one, [delivered(each) for each in left])


def test_starts_and_ends_of_the_same_runs(nodes: tuple[Database, Database]) -> None:
    """Each is sent to both nodes at once, as by a client that tries again elsewhere: it counts once, and no run is lost
    or left open."""
    monitor = make_up(nodes[0], interval_seconds=86_400, max_run_seconds=3_600)
    rids = [f"00000000-0000-4000-8000-{number:012d}" for number in range(ROUNDS)]
    moment = START + seconds(60)

    def send(node: Database, signal: Signal, order: list[str]) -> None:
        for rid in order:
            record(node, a_ping(monitor, moment, signal, rid=rid))

    for signal in (Signal.START, Signal.SUCCESS):
        at_once(
            *(
                lambda n=node, s=signal, o=order: send(n, s, o)
                for node, order in zip(nodes, (rids, rids[::-1]), strict=True)
            )
        )
        still_open = sorted(run.rid for run in again(nodes[0], monitor).open_runs)
        assert still_open == (rids if signal is Signal.START else [])
        moment += seconds(60)

    counted = [(row.rid, row.signal) for row in stored(nodes[0], monitor) if row.rid and row.outcome == "counted"]
    assert sorted(counted) == sorted((rid, each.value) for rid in rids for each in (Signal.START, Signal.SUCCESS))
    assert_whole(nodes[0], monitor)


def test_the_end_of_a_run_and_its_limit(nodes: tuple[Database, Database]) -> None:
    """Either it ended in time, or the monitor was down and came back with it; the run is over in both cases."""
    one, other = nodes
    monitor = make_up(one, interval_seconds=86_400, max_run_seconds=60, webhook_url=HOOK)
    now = START
    for number in range(ROUNDS):
        rid = f"00000000-0000-4000-8000-{number:012d}"
        record(one, a_ping(monitor, now + seconds(1), Signal.START, rid=rid))
        now += seconds(62)
        moment = now
        at_once(lambda m=moment: expire(one, m), lambda m=moment, r=rid: record(other, a_ping(monitor, m, rid=r)))
        assert again(one, monitor).status is Status.UP
        assert again(one, monitor).open_runs == ()

    assert_whole(one, monitor)
    assert_one_message_each(one, monitor)
