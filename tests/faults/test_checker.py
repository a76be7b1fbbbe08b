"""The checker itself: true histories pass, and each kind of lie is found in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import at
from tests.faults import checker
from tests.faults.checker import (
    Arrival,
    Breach,
    Evidence,
    Operation,
    OwedMessage,
    Result,
    Rule,
    StoredMonitor,
    StoredPing,
    StoredTransition,
)

INTERVAL = timedelta(seconds=60)
GRACE = timedelta(seconds=10)
SECOND = timedelta(seconds=1)

# One event of a monitor's life: seconds since the one before, the signal, and what the client heard.
_steps = st.tuples(
    st.integers(1, 200), st.sampled_from(["success", "success", "success", "fail", "log"]), st.sampled_from(Result)
)
_lives = st.lists(st.lists(_steps, max_size=12), min_size=1, max_size=3)


def live(lives: list[list[tuple[int, str, Result]]]) -> Evidence:
    """Return what a PulseMon without a fault would leave behind."""
    evidence = Evidence(operations=[], monitors=[], pings=[], transitions=[], messages=[], arrivals=[])
    ids = count(1)
    for number, steps in enumerate(lives):
        _live_one(evidence, f"job-{number}", steps, ids)
    return evidence


def _live_one(evidence: Evidence, slug: str, steps: list[tuple[int, str, Result]], ids: count[int]) -> None:
    now, status, due_at, stored = at("10:00"), "UNKNOWN", None, 0
    made: list[StoredTransition] = []

    def become(new: str, cause: str, occurred_at: object) -> None:
        nonlocal status
        each = StoredTransition(slug, len(made) + 1, status, new, cause, occurred_at, now)  # type: ignore[arg-type]
        made.append(each)
        if new == "DOWN" or status == "DOWN":
            message_id = f"msg_{next(ids)}"
            evidence.messages.append(OwedMessage(message_id, slug, each.seq, "delivered"))  # type: ignore[attr-defined]
            evidence.arrivals.append(Arrival(message_id, b"{}", is_accepted=True))  # type: ignore[attr-defined]
        status = new

    for seconds, signal, result in steps:
        now += seconds * SECOND
        if due_at is not None and now > due_at:
            become("DOWN", "silence", due_at)
            due_at = None
        rid = f"rid-{next(ids)}"
        code = {Result.OK: 200, Result.FAILED: 404, Result.UNKNOWN: None}[result]
        evidence.operations.append(  # type: ignore[attr-defined]
            Operation(rid, slug, signal, now - SECOND / 10, now + SECOND / 10, result, code)
        )
        if result is Result.FAILED:
            continue
        stored += 1
        evidence.pings.append(StoredPing(rid, slug, signal, "counted", stored, now))  # type: ignore[attr-defined]
        if signal == "log":
            continue
        new = {"success": "UP", "fail": "DOWN"}[signal]
        due_at = now + INTERVAL + GRACE if new == "UP" else None
        if new != status:
            become(new, "ping" if new == "UP" else "failure", now)
    evidence.transitions.extend(made)  # type: ignore[attr-defined]
    evidence.monitors.append(  # type: ignore[attr-defined]
        StoredMonitor(slug, status, len(made), INTERVAL, GRACE, due_at, has_webhook=True)
    )


@settings(deadline=None)
@given(_lives)
def test_what_a_pulsemon_without_fault_leaves_behind_passes_every_rule(
    lives: list[list[tuple[int, str, Result]]],
) -> None:
    evidence = live(lives)

    assert checker.check(evidence) == []
    assert checker.check_all_delivered(evidence) == []
    assert checker.check_no_repeats(evidence) == []


# Each lie takes a true history and a source of choices, and returns a false one, or None where it has nothing to lie
# about; beside it the rules of which at least one must speak up.
Lie = Callable[[Evidence, random.Random], Evidence | None]


def lose_a_ping(evidence: Evidence, choose: random.Random) -> Evidence | None:
    acknowledged = [each.rid for each in evidence.operations if each.result is Result.OK]
    if not acknowledged:
        return None
    lost = choose.choice(acknowledged)
    return replace(evidence, pings=[each for each in evidence.pings if each.rid != lost])


def invent_a_ping(evidence: Evidence, choose: random.Random) -> Evidence | None:
    slug = choose.choice(evidence.monitors).slug
    ping = StoredPing("never sent", slug, "log", "counted", 10_000, at("10:00"))
    return replace(evidence, pings=[*evidence.pings, ping])


def store_a_refused_ping(evidence: Evidence, choose: random.Random) -> Evidence | None:
    refused = [each for each in evidence.operations if each.result is Result.FAILED]
    if not refused:
        return None
    each = choose.choice(refused)
    ping = StoredPing(each.rid, each.slug, "log", "counted", 10_000, each.started_at)
    return replace(evidence, pings=[*evidence.pings, ping])


def store_a_ping_twice(evidence: Evidence, choose: random.Random) -> Evidence | None:
    if not evidence.pings:
        return None
    return replace(evidence, pings=[*evidence.pings, choose.choice(evidence.pings)])


def leave_out_a_transition(evidence: Evidence, choose: random.Random) -> Evidence | None:
    if not evidence.transitions:
        return None
    gone = choose.choice(evidence.transitions)
    return replace(evidence, transitions=[each for each in evidence.transitions if each is not gone])


def leave_out_the_last_transition_everywhere(evidence: Evidence, choose: random.Random) -> Evidence | None:
    """As a transaction would that was never committed: number and status agree, only the ping says otherwise."""
    caused = [each for each in evidence.transitions if each.cause in ("ping", "failure")]
    last = [each for each in caused if each.seq == _monitor(evidence, each.slug).state_seq]
    if not last:
        return None
    gone = choose.choice(last)
    monitor = replace(_monitor(evidence, gone.slug), state_seq=gone.seq - 1, status=gone.previous)
    others = [each for each in evidence.monitors if each.slug != gone.slug]
    return replace(
        evidence,
        monitors=[*others, monitor],
        transitions=[each for each in evidence.transitions if each is not gone],
        messages=[each for each in evidence.messages if (each.slug, each.seq) != (gone.slug, gone.seq)],
        arrivals=[],
    )


def record_a_transition_twice(evidence: Evidence, choose: random.Random) -> Evidence | None:
    if not evidence.transitions:
        return None
    return replace(evidence, transitions=[*evidence.transitions, choose.choice(evidence.transitions)])


def go_down_twice(evidence: Evidence, choose: random.Random) -> Evidence | None:
    """Two nodes that both noticed, each with a number of its own."""
    last_downs = [
        each
        for each in evidence.transitions
        if each.new == "DOWN" and each.seq == _monitor(evidence, each.slug).state_seq
    ]
    if not last_downs:
        return None
    each = choose.choice(last_downs)
    monitor = replace(_monitor(evidence, each.slug), state_seq=each.seq + 1)
    others = [other for other in evidence.monitors if other.slug != each.slug]
    transitions = [*evidence.transitions, replace(each, seq=each.seq + 1)]
    return replace(evidence, monitors=[*others, monitor], transitions=transitions)


def flap_without_cause(evidence: Evidence, choose: random.Random) -> Evidence | None:
    """DOWN and UP again, neatly numbered, and no ping that says so."""
    monitor = choose.choice(evidence.monitors)
    if monitor.status != "UP":
        return None
    seq, now = monitor.state_seq, at("23:00")
    flap = [
        StoredTransition(monitor.slug, seq + 1, "UP", "DOWN", "failure", now, now),
        StoredTransition(monitor.slug, seq + 2, "DOWN", "UP", "ping", now, now),
    ]
    others = [each for each in evidence.monitors if each is not monitor]
    return replace(
        evidence,
        monitors=[*others, replace(monitor, state_seq=seq + 2)],
        transitions=[*evidence.transitions, *flap],
    )


def forget_the_status(evidence: Evidence, choose: random.Random) -> Evidence | None:
    monitor = choose.choice(evidence.monitors)
    others = [each for each in evidence.monitors if each is not monitor]
    wrong = "DOWN" if monitor.status == "UP" else "UP"
    return replace(evidence, monitors=[*others, replace(monitor, status=wrong)])


def go_down_over_a_ping(evidence: Evidence, choose: random.Random) -> Evidence | None:
    acknowledged = {each.rid for each in evidence.operations if each.result is Result.OK}
    successes = [each for each in evidence.pings if each.signal == "success" and each.rid in acknowledged]
    if not successes:
        return None
    ping = choose.choice(successes)
    slug, deadline = ping.slug, ping.received_at + SECOND
    seq = _monitor(evidence, slug).state_seq + 1
    down = StoredTransition(slug, seq, "UP", "DOWN", "silence", deadline, deadline)
    return replace(evidence, transitions=[*evidence.transitions, down])


def owe_no_message(evidence: Evidence, choose: random.Random) -> Evidence | None:
    if not evidence.messages:
        return None
    gone = choose.choice(evidence.messages)
    return replace(evidence, messages=[each for each in evidence.messages if each is not gone], arrivals=[])


def owe_a_message_twice(evidence: Evidence, choose: random.Random) -> Evidence | None:
    if not evidence.messages:
        return None
    twice = replace(choose.choice(evidence.messages), message_id="msg_again", state="pending")
    return replace(evidence, messages=[*evidence.messages, twice])


def deliver_nothing_and_say_so(evidence: Evidence, choose: random.Random) -> Evidence | None:
    if len(evidence.messages) < 2:
        return None
    gone = choose.choice(evidence.messages).message_id
    arrivals = [replace(each, is_accepted=False) if each.message_id == gone else each for each in evidence.arrivals]
    return replace(evidence, arrivals=arrivals)


def deliver_what_nobody_owes(evidence: Evidence, choose: random.Random) -> Evidence | None:
    return replace(evidence, arrivals=[*evidence.arrivals, Arrival("msg_of_nobody", b"{}", is_accepted=True)])


def change_a_message(evidence: Evidence, choose: random.Random) -> Evidence | None:
    if not evidence.arrivals:
        return None
    again = replace(choose.choice(evidence.arrivals), body=b'{"status": "UP"}')
    return replace(evidence, arrivals=[*evidence.arrivals, again])


def deliver_in_the_wrong_order(evidence: Evidence, choose: random.Random) -> Evidence | None:
    slugs = {each.slug for each in evidence.messages}
    several = [slug for slug in slugs if sum(each.slug == slug for each in evidence.messages) > 1]
    if not several:
        return None
    slug = choose.choice(sorted(several))
    ids = {each.message_id for each in evidence.messages if each.slug == slug}
    of_slug = [each for each in evidence.arrivals if each.message_id in ids]
    return replace(evidence, arrivals=list(reversed(of_slug)))


def _monitor(evidence: Evidence, slug: str) -> StoredMonitor:
    return next(each for each in evidence.monitors if each.slug == slug)


LIES: dict[Lie, set[Rule]] = {
    lose_a_ping: {Rule.LOST},
    invent_a_ping: {Rule.INVENTED},
    store_a_refused_ping: {Rule.INVENTED},
    store_a_ping_twice: {Rule.DOUBLED_PING},
    leave_out_a_transition: {Rule.GAP},
    leave_out_the_last_transition_everywhere: {Rule.MISSING_TRANSITION},
    record_a_transition_twice: {Rule.GAP},
    go_down_twice: {Rule.NOT_ALTERNATING},
    flap_without_cause: {Rule.UNFOUNDED_TRANSITION},
    forget_the_status: {Rule.WRONG_STATUS},
    go_down_over_a_ping: {Rule.DOWN_OVER_PING},
    owe_no_message: {Rule.NOT_OWED},
    owe_a_message_twice: {Rule.WRONGLY_OWED},
    deliver_nothing_and_say_so: {Rule.UNDELIVERED},
    deliver_what_nobody_owes: {Rule.UNKNOWN_MESSAGE},
    change_a_message: {Rule.CHANGED_MESSAGE},
    deliver_in_the_wrong_order: {Rule.OUT_OF_ORDER},
}


def _rules(breaches: list[Breach]) -> set[Rule]:
    return {each.rule for each in breaches}


# A life in which there is something to lie about, whatever the lie.
_FULL = [
    [(5, "success", Result.OK), (90, "success", Result.OK), (5, "fail", Result.OK), (5, "success", Result.UNKNOWN)],
    [(5, "success", Result.FAILED), (5, "fail", Result.OK)],
    [(5, "fail", Result.OK), (5, "success", Result.OK)],
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_is_found(lie: Lie) -> None:
    told = [lie(live(_FULL), random.Random(seed)) for seed in range(20)]

    found = [_rules(checker.check(each)) for each in told if each is not None]

    assert found
    assert all(rules & LIES[lie] for rules in found)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
@settings(max_examples=30, deadline=None)
@given(lives=_lives, choose=st.randoms(use_true_random=False))
def test_a_lie_is_found_in_any_history(
    lie: Lie, lives: list[list[tuple[int, str, Result]]], choose: random.Random
) -> None:
    told = lie(live(lives), choose)

    if told is not None:
        assert _rules(checker.check(told)) & LIES[lie]


def test_a_message_that_is_still_owed_is_found_once_everything_should_have_arrived() -> None:
    evidence = replace(live(_FULL), arrivals=[])

    assert _rules(checker.check_all_delivered(evidence)) == {Rule.UNDELIVERED}


def test_a_repeat_is_found_in_a_run_without_faults_and_allowed_in_others() -> None:
    evidence = live(_FULL)
    repeated = replace(evidence, arrivals=[*evidence.arrivals, evidence.arrivals[0]])

    assert checker.check(repeated) == []
    assert _rules(checker.check_no_repeats(repeated)) == {Rule.REPEATED_MESSAGE}


def test_a_ping_answered_503_may_be_stored() -> None:
    evidence = live([[(5, "success", Result.UNKNOWN)]])
    refused = [replace(each, result=Result.FAILED, status_code=503) for each in evidence.operations]

    assert checker.check(replace(evidence, operations=refused)) == []


def test_only_monitors_whose_clients_never_stopped_are_called_falsely_down() -> None:
    evidence = live(_FULL)

    assert _rules(checker.check_alive(evidence, ["job-0"])) == {Rule.FALSE_DOWN}
    assert checker.check_alive(live([[(5, "success", Result.OK)]]), ["job-0"]) == []


def test_a_client_that_sent_nothing_in_time_is_rightly_missed() -> None:
    silent = live([[(5, "success", Result.OK), (90, "success", Result.OK)]])
    late = silent.operations[1]
    in_time = replace(late, started_at=silent.transitions[1].occurred_at - SECOND)

    assert checker.check_alive(silent, ["job-0"]) == []
    sent = replace(silent, operations=[silent.operations[0], in_time])
    assert _rules(checker.check_alive(sent, ["job-0"])) == {Rule.FALSE_DOWN}
    assert _rules(checker.check_alive(replace(silent, operations=[]), ["job-0"])) == {Rule.FALSE_DOWN}


def test_a_dead_monitor_that_is_not_down_is_found() -> None:
    evidence = live(_FULL)

    assert checker.check_noticed(evidence, ["job-1"]) == []
    assert _rules(checker.check_noticed(evidence, ["job-2"])) == {Rule.UNNOTICED}
    assert _rules(checker.check_noticed(evidence, ["job-9"])) == {Rule.UNNOTICED}
