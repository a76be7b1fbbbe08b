"""R3: every message arrives at least once, as the same message, whatever its receiver or PulseMon itself goes through.

Three runs: a server that is killed every second while its receiver is moody; two nodes on one PostgreSQL without any
fault; and a receiver for each way to misbehave beside one that is well.
"""

from __future__ import annotations

import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import standardwebhooks

from pulsemon import clock
from pulsemon.db.types import to_text
from tests.channels import sink as behaviours
from tests.channels.sink import MISBEHAVIOURS, Conversation, Received, Sink
from tests.conftest import ADMIN_TOKEN, LONG_ENOUGH_SEC, Server, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Arrival, Evidence, Rule
from tests.faults.conftest import Outcomes, create_monitors, in_parallel, rounds, serving
from tests.faults.flapping import Failing
from tests.faults.patches import one_queue_for_all
from tests.faults.postgres import fresh_databases

SECRET = "whsec_dGhlIHNlY3JldCBvZiBhbGwgdGVzdHMgaW4gdGhpcyBmaWxl"
SEED = 20260302


class MoodySink(Sink):
    """Takes its time, and until it `is_well` refuses, hangs up or breaks off every third time.

    Knows what it accepted.
    """

    _MOODS = (behaviours.status(500), behaviours.reset, behaviours.close, behaviours.accept_then_reset)

    def __init__(self, *, is_well: bool = False) -> None:
        super().__init__(then=self._answer)
        self.is_well = is_well
        self._random = random.Random(SEED)
        self._accepted: set[int] = set()

    def _answer(self, conversation: Conversation) -> None:
        is_bad = not self.is_well and self._random.random() < 0.33
        mood = self._random.choice(self._MOODS) if is_bad else behaviours.status(204)
        if not is_bad:
            conversation.stopping.wait(self._random.uniform(0.02, 0.2))
        if not is_bad or mood is behaviours.accept_then_reset:  # a 2xx is delivered, whatever becomes of its body
            self._accepted.add(id(conversation.request))
        mood(conversation)

    def arrivals(self) -> list[Arrival]:
        received = self.received
        return evidence.arrivals(received, accepted=[id(each) in self._accepted for each in received])


def hooked(names: Iterable[str], url: str) -> dict[str, dict[str, Any]]:
    """Return the fields of monitors that tell *url*."""
    return {name: {"interval_seconds": 3_600, "webhook_url": url, "webhook_secret": SECRET} for name in names}


def sqlite_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'pulsemon.db'}"


def wait_until_settled(url: str) -> None:
    """Wait until no message is owed any more: what was leased by a process that died is tried again after its lease."""
    within = 3 * LONG_ENOUGH_SEC
    wait_until(lambda: all(each.state != "pending" for each in evidence.read(url).messages), within=within, every=0.25)


@dataclass(frozen=True)
class Run:
    """What came of one run."""

    found: Evidence
    received: list[Received]

    @property
    def repeat_count(self) -> int:
        return len(self.received) - len({each.headers["webhook-id"] for each in self.received})

    def __str__(self) -> str:
        return f"{len(self.found.messages)} messages, {len(self.received)} requests, {self.repeat_count} repeats"


# --- killed every second


def kill_every_second(folder: Path, *, patch: str = "", kills: int) -> Run:
    url = sqlite_of(folder)
    with serving(folder) as serve, MoodySink() as sink:
        server = serve(patch=patch)
        urls = create_monitors(server, hooked((f"job-{number}" for number in range(12)), sink.url))
        with Failing(urls, every=0.05) as clients:
            for _ in range(kills):
                _live_for_a_second(clients)
                server.kill()
                server.start_again()
        sink.is_well = True
        # What was being sent when the process died is leased for half a minute.
        wait_until_settled(url)
        found = evidence.read(url, operations=clients.log.operations, arrivals=sink.arrivals())
        return Run(found, sink.received)


def _live_for_a_second(clients: Failing) -> None:
    """One second, and on a busy machine as long as it takes to make some transitions."""
    before = clients.log.count()
    time.sleep(1)
    wait_until(lambda: clients.log.count() >= before + 10)


_AT_MOST_ONCE = """
# A message counts as delivered once somebody has taken it, not once it was accepted.
from sqlalchemy import update
from pulsemon.messages import outbox
from pulsemon.db.tables.messages import Delivery

lease = outbox._lease

def take_for_good(connection, ids, now):
    leased = lease(connection, ids, now)
    connection.execute(update(Delivery).where(Delivery.id.in_(ids)).values(state="delivered"))
    return leased

outbox._lease = take_for_good
"""

_NO_ORDER = """
# A message does not wait for the older ones of its monitor.
from sqlalchemy import select
from pulsemon.db import deliveries
from pulsemon.db.tables.messages import Delivery
from pulsemon.messages import outbox

def whatever_is_due(connection, receiver, room, now, kinds):
    due = (Delivery.receiver == receiver, Delivery.state == "pending", Delivery.next_attempt_at <= now)
    return connection.scalars(select(Delivery.id).where(*due).order_by(Delivery.id.desc()).limit(room)).all()

outbox._due_ids = whatever_is_due
# Or the older message would be hurried to the same moment, and keep its place by chance.
deliveries.hurry = lambda *_, now: None
"""

# --- receivers that misbehave

# The webhook is switched off (410), or the receiver wants to be left alone for an hour.
NOT_TOLD_AGAIN = {"410", "429 with a date"}


@dataclass
class Misbehaved:
    """What the receivers saw; `delays`: from an acknowledged ping to the well receiver's request, in seconds.

    `are_in_the_way`: a receiver that hangs was given up on before the well one had heard of everything.
    """

    found: Evidence
    states: dict[str, str]
    delays: list[float]
    are_in_the_way: bool = False
    given_up_first: str = ""
    again: list[Received] = field(default_factory=list)


def misbehave(folder: Path, *, patch: str = "", has_end: bool = True) -> Misbehaved:
    with ExitStack() as stack:
        server = stack.enter_context(serving(folder))(patch=patch)
        well = stack.enter_context(Sink())
        bad = {name: stack.enter_context(Sink(behaviour)) for name, behaviour in MISBEHAVIOURS.items()}
        slugs = {name: re.sub(r"[^a-z0-9]+", "-", name.lower()) for name in bad}
        fields: dict[str, dict[str, Any]] = {}
        for name, sink in bad.items():
            fields |= hooked([slugs[name]], sink.url)
        urls = create_monitors(server, hooked(["well"], well.url) | fields)
        for slug in slugs.values():
            assert httpx2.get(f"{urls[slug]}/fail").status_code == 200
        bad["hangs"].wait_for(1)
        delays = tell_the_well_one(urls["well"], well, times=4 if has_end else 1)
        are_in_the_way = len(bad["hangs"].received) > 1  # asked again, so given up on before
        if not has_end:
            return Misbehaved(Evidence(), {}, delays, are_in_the_way)

        for name, sink in bad.items():
            sink.wait_for(1)
            if name not in NOT_TOLD_AGAIN:
                sink.behave(behaviours.status(204))
        wanted = {slugs[name] for name in bad if name not in NOT_TOLD_AGAIN}
        url = sqlite_of(folder)
        wait_until(lambda: wanted <= delivered(url), within=3 * LONG_ENOUGH_SEC, every=0.25)
        found = evidence.read(url)
        states = {each.slug: each.state for each in found.messages}
        run = Misbehaved(found, {name: states[slug] for name, slug in slugs.items()}, delays, are_in_the_way)
        send_again_after_giving_up(
            server, bad["429 with a date"], folder / "pulsemon.db", slugs["429 with a date"], run
        )
        return run


def delivered(url: str) -> set[str]:
    return {each.slug for each in evidence.read(url).messages if each.state == "delivered"}


def tell_the_well_one(url: str, well: Sink, *, times: int) -> list[float]:
    """Make transitions of the monitor whose receiver is well; return how long each took to arrive."""
    delays = []
    for number in range(times):
        suffix = "/fail" if number % 2 == 0 else ""
        assert httpx2.get(f"{url}{suffix}").status_code == 200
        acknowledged_at = time.monotonic()
        received = well.wait_for(number + 1)
        delays.append(max(0.0, received[number].at - acknowledged_at))
    return delays


def send_again_after_giving_up(server: Server, sink: Sink, file: Path, slug: str, run: Misbehaved) -> None:
    """Make the message 73 hours old, so that its next failure is its last; then press "send again"."""

    def row() -> tuple[int, int, str]:
        with sqlite3.connect(file) as connection:
            query = (
                "SELECT deliveries.id, monitor_id, state FROM deliveries "
                "JOIN monitors ON monitors.id = monitor_id WHERE slug = ?"
            )
            found: tuple[int, int, str] = connection.execute(query, (slug,)).fetchone()
        connection.close()
        return found

    delivery_id, monitor_id, _ = row()
    long_ago, now = to_text(clock.now() - timedelta(hours=73)), to_text(clock.now())
    with sqlite3.connect(file, timeout=60) as connection:
        update = "UPDATE deliveries SET retry_since = ?, next_attempt_at = ? WHERE id = ?"
        connection.execute(update, (long_ago, now, delivery_id))
    connection.close()
    wait_until(lambda: row()[2] != "pending")
    run.given_up_first = row()[2]

    sink.behave(behaviours.status(204))
    with httpx2.Client(base_url=server.url) as browser:
        browser.post("/login", data={"token": ADMIN_TOKEN})
        pressed = browser.post(f"/monitors/{monitor_id}/deliveries/{delivery_id}/again")
        assert pressed.status_code == 303, pressed.text
    wait_until(lambda: row()[2] == "delivered")
    run.again = sink.received


# --- two nodes and no fault


def tell_from_two_nodes(folder: Path, url: str, *, patch: str = "") -> Run:
    with serving(folder) as serve, MoodySink(is_well=True) as sink:
        nodes = [serve(url=url, patch=patch) for _ in range(2)]
        urls = create_monitors(nodes[0], hooked((f"job-{number}" for number in range(20)), sink.url))
        halves = [dict(list(urls.items())[half::2]) for half in range(2)]
        there = {slug: each.replace(nodes[0].url, nodes[1].url) for slug, each in halves[1].items()}
        with Failing(halves[0], every=0.05) as some, Failing(there, every=0.05) as others:
            wait_until(
                lambda: some.log.count() + others.log.count() > rounds(100, soak=2_000), within=5 * LONG_ENOUGH_SEC
            )
        wait_until_settled(url)
        operations = some.log.operations + others.log.operations
        return Run(evidence.read(url, operations=operations, arrivals=sink.arrivals()), sink.received)


_NO_LEASE = """
# Taking a message does not keep the other node from taking it too.
from datetime import timedelta
from pulsemon.messages import outbox

outbox.LEASE = timedelta(0)
"""


# --- all runs at once: most of each is waiting


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, postgres_server: str, postgres_template: str) -> Iterator[Outcomes]:
    folders = [tmp_path_factory.mktemp("receivers") for _ in range(7)]
    with fresh_databases(postgres_server, postgres_template, 2) as urls:
        tasks: Mapping[str, Callable[[], Any]] = {
            "killed": lambda: kill_every_second(folders[0], kills=rounds(5, soak=60)),
            "killed, at most once": lambda: kill_every_second(folders[1], patch=_AT_MOST_ONCE, kills=3),
            "killed, no order": lambda: kill_every_second(folders[2], patch=_NO_ORDER, kills=1),
            "misbehaving": lambda: misbehave(folders[3]),
            "misbehaving, one queue": lambda: misbehave(folders[4], patch=one_queue_for_all(2), has_end=False),
            "two nodes": lambda: tell_from_two_nodes(folders[5], urls[0]),
            "two nodes, no lease": lambda: tell_from_two_nodes(folders[6], urls[1], patch=_NO_LEASE),
        }
        with in_parallel(tasks) as outcome_of:
            yield outcome_of


def test_every_message_arrives_whole_and_in_order_although_its_sender_is_killed_every_second(runs: Outcomes) -> None:
    run: Run = runs("killed")

    print(f"\nkilled every second: {run}")
    assert len(run.found.messages) >= 30
    assert checker.check(run.found) == []
    assert checker.check_all_delivered(run.found) == []
    assert run.repeat_count > 0, "nothing was interrupted: the run shows nothing"
    for each in run.received:
        standardwebhooks.Webhook(SECRET).verify(each.body, dict(each.headers))


def test_control_a_message_that_counts_once_it_is_taken_gets_lost(runs: Outcomes) -> None:
    run: Run = runs("killed, at most once")

    assert Rule.UNDELIVERED in {each.rule for each in checker.check_all_delivered(run.found)}


def test_control_messages_that_do_not_wait_for_the_older_ones_come_out_of_order(runs: Outcomes) -> None:
    run: Run = runs("killed, no order")

    assert Rule.OUT_OF_ORDER in {each.rule for each in checker.check_arrivals(run.found)}


def test_control_a_changed_body_does_not_verify(runs: Outcomes) -> None:
    first = runs("killed").received[0]

    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(first.body.replace(b"DOWN", b"UP"), dict(first.headers))


def test_a_receiver_that_misbehaves_gets_its_message_once_it_is_well(runs: Outcomes) -> None:
    run: Misbehaved = runs("misbehaving")

    wanted = dict.fromkeys(MISBEHAVIOURS, "delivered") | {"410": "given-up", "429 with a date": "pending"}
    assert run.states == wanted
    assert checker.check_transitions(run.found) == []
    assert checker.check_owed(run.found) == []


def test_receivers_that_misbehave_delay_nobody_else(runs: Outcomes) -> None:
    run: Misbehaved = runs("misbehaving")

    print(f"\nbeside {len(MISBEHAVIOURS)} that misbehave: told after {max(run.delays):.2f} s at most")
    assert not run.are_in_the_way


def test_control_with_one_queue_for_all_a_receiver_that_hangs_delays_the_others(runs: Outcomes) -> None:
    run: Misbehaved = runs("misbehaving, one queue")

    assert max(run.delays) > 8


def test_send_again_delivers_a_message_that_was_given_up_as_the_same_message(runs: Outcomes) -> None:
    run: Misbehaved = runs("misbehaving")

    assert run.given_up_first == "given-up"
    assert len({each.headers["webhook-id"] for each in run.again}) == 1
    assert len({each.body for each in run.again}) == 1
    assert len(run.again) == 3  # refused, refused and given up, sent again


def test_without_faults_two_nodes_tell_everything_exactly_once(runs: Outcomes) -> None:
    run: Run = runs("two nodes")

    print(f"\ntwo nodes, no faults: {run}")
    assert checker.check(run.found) == []
    assert checker.check_all_delivered(run.found) == []
    assert checker.check_no_repeats(run.found) == []


def test_control_without_leases_messages_are_told_twice(runs: Outcomes) -> None:
    run: Run = runs("two nodes, no lease")

    assert {each.rule for each in checker.check_no_repeats(run.found)} == {Rule.REPEATED_MESSAGE}
