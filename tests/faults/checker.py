"""Did the promises hold? Pure functions over what clients saw, what the database holds and what a receiver got.

    evidence = Evidence(operations=log.operations, **vars(evidence.read(url)), arrivals=...)
    assert checker.check(evidence) == []

`check` is everything that must hold whatever went wrong; each rule below can be asked by itself. A rule returns the
breaches it finds, in words, and an empty list when it finds none. Nothing here reads a clock, a socket or a database:
`tests.faults.evidence` reads the database, `tests.faults.clients` keeps the log of the clients.

What a history may hold: monitors that are made, pinged (success, start, fail, log), fall silent and come back. Edits,
pauses and retention are not known here: set PING_RETENTION_COUNT high enough, and leave the monitors alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Result(StrEnum):
    """What a client knows of its request."""

    OK = "ok"  # a 2xx, read to its end
    FAILED = "failed"  # a clear no: the connection was refused before a byte was sent, 4xx, or 503
    UNKNOWN = "unknown"  # cut off, no answer in time


class Rule(StrEnum):
    """What can be broken, by the promise it belongs to."""

    LOST = "R1 an acknowledged ping is not stored"
    INVENTED = "R1 a stored ping was never sent"
    DOUBLED_PING = "R1 one request is stored twice"
    GAP = "R2 numbers of transitions are not 1..n"
    NOT_ALTERNATING = "R2 a transition does not go on from the one before"
    WRONG_STATUS = "R2 the stored status is not that of the last transition"
    MISSING_TRANSITION = "R2 a ping should have made a transition"
    UNFOUNDED_TRANSITION = "R2 a transition has no cause"
    DOWN_OVER_PING = "R2 DOWN although a ping was acknowledged within its time"
    FALSE_DOWN = "R4 DOWN although its client never stopped"
    UNNOTICED = "R5 silent past its deadline and not DOWN"
    NOT_OWED = "R3 a transition that must be told owes no message"
    WRONGLY_OWED = "R3 a message tells of no transition, or of one that is told already"
    UNDELIVERED = "R3 a message never reached its receiver"
    UNKNOWN_MESSAGE = "R3 a receiver got a message that nobody owes"
    CHANGED_MESSAGE = "R3 one message id, two contents"
    REPEATED_MESSAGE = "R3 a message was delivered again without need"
    OUT_OF_ORDER = "R3 a message came before an older one of its monitor was delivered"


@dataclass(frozen=True, slots=True)
class Breach:
    """One rule that did not hold, of which monitor (or message), and what was seen."""

    rule: Rule
    subject: str
    seen: str

    def __str__(self) -> str:
        return f"{self.rule.value}: {self.subject}: {self.seen}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of a client. `rid` is its own; instants are of the client's clock, aware UTC."""

    rid: str
    slug: str
    signal: str
    started_at: datetime
    ended_at: datetime
    result: Result
    status_code: int | None = None  # None: no answer


@dataclass(frozen=True, slots=True)
class StoredPing:
    """One row of `pings`; `number` counts the monitor's pings in the order in which they were stored."""

    rid: str | None
    slug: str
    signal: str
    outcome: str
    number: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class StoredTransition:
    """One row of `history`."""

    slug: str
    seq: int
    previous: str
    new: str
    cause: str
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class StoredMonitor:
    """One row of `monitors`."""

    slug: str
    status: str
    state_seq: int
    interval: timedelta
    grace: timedelta
    due_at: datetime | None = None
    has_webhook: bool = False


@dataclass(frozen=True, slots=True)
class OwedMessage:
    """One row of `deliveries`."""

    message_id: str
    slug: str
    seq: int | None
    state: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request that a receiver read to its end; `is_accepted`: it answered a complete 2xx. In order of arrival."""

    message_id: str
    body: bytes
    is_accepted: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known about one run. Leave out what a test does not have."""

    operations: Sequence[Operation] = ()
    monitors: Sequence[StoredMonitor] = ()
    pings: Sequence[StoredPing] = ()
    transitions: Sequence[StoredTransition] = ()
    messages: Sequence[OwedMessage] = ()
    arrivals: Sequence[Arrival] = ()


def check(evidence: Evidence) -> list[Breach]:
    """Return every breach of what must hold at any moment, under any fault: R1, R2 and what R3 owes."""
    return [
        *check_pings(evidence),
        *check_transitions(evidence),
        *check_downs(evidence),
        *check_owed(evidence),
        *check_arrivals(evidence),
    ]


# --- R1


def check_pings(evidence: Evidence) -> list[Breach]:
    """Every ping that was acknowledged is stored, once; what is stored beyond that was at least sent."""
    times_stored = Counter(ping.rid for ping in evidence.pings if ping.rid is not None)
    sent = {operation.rid: operation for operation in evidence.operations}
    breaches = [
        Breach(Rule.LOST, operation.slug, f"{operation.signal} {operation.rid}, answered {operation.ended_at}")
        for operation in evidence.operations
        if operation.result is Result.OK and not times_stored[operation.rid]
    ]
    for ping in evidence.pings:
        if ping.rid is not None and (ping.rid not in sent or _is_definite_no(sent[ping.rid])):
            breaches.append(Breach(Rule.INVENTED, ping.slug, f"{ping.signal} {ping.rid}"))
    breaches += [
        Breach(Rule.DOUBLED_PING, sent[rid].slug if rid in sent else "?", f"{rid}, {count} times")
        for rid, count in times_stored.items()
        if count > 1
    ]
    return breaches


def _is_definite_no(operation: Operation) -> bool:
    """503 says: it is not known to be stored. Every other refusal says that it is not."""
    return operation.result is Result.FAILED and operation.status_code != 503


# --- R2


def check_chains(evidence: Evidence) -> list[Breach]:
    """Per monitor: transitions numbered without a gap, each going on from the one before, to the present status."""
    transitions = _chains(evidence)
    return [
        breach for monitor in evidence.monitors for breach in _check_chain(monitor, transitions.get(monitor.slug, ()))
    ]


def check_transitions(evidence: Evidence) -> list[Breach]:
    """Per monitor: an unbroken chain, no transition missing that a ping must have made, none without its cause.

    The server's clock must not have been set meanwhile: causes are told by their instants. `check_chains` always goes.
    """
    transitions = _chains(evidence)
    pings = _by_slug(evidence.pings)
    breaches: list[Breach] = []
    for monitor in evidence.monitors:
        of_monitor = transitions.get(monitor.slug, ())
        chained = _check_chain(monitor, of_monitor)
        breaches += chained
        if not chained:  # in a broken chain nothing can be said about causes
            breaches += _check_causes(monitor, of_monitor, pings[monitor.slug])
    return breaches


def _chains(evidence: Evidence) -> dict[str, list[StoredTransition]]:
    found = _by_slug(evidence.transitions)
    return {slug: sorted(transitions, key=lambda each: each.seq) for slug, transitions in found.items()}


def _check_chain(monitor: StoredMonitor, transitions: Sequence[StoredTransition]) -> list[Breach]:
    seqs = [each.seq for each in transitions]
    if seqs != list(range(1, len(seqs) + 1)) or len(seqs) != monitor.state_seq:
        return [Breach(Rule.GAP, monitor.slug, f"{seqs}, the monitor counts {monitor.state_seq}")]
    breaches = []
    status = "UNKNOWN"
    for each in transitions:
        if each.previous != status or each.new == status:
            told = f"number {each.seq}: {each.previous} to {each.new} after {status}"
            breaches.append(Breach(Rule.NOT_ALTERNATING, monitor.slug, told))
        status = each.new
    if status != monitor.status:
        breaches.append(Breach(Rule.WRONG_STATUS, monitor.slug, f"{monitor.status}, the history ends with {status}"))
    return breaches


_STATUS_AFTER = {"success": "UP", "fail": "DOWN"}
_BY_SILENCE = ("silence", "run-limit", "sweep")


def _check_causes(
    monitor: StoredMonitor, transitions: Sequence[StoredTransition], pings: Sequence[StoredPing]
) -> list[Breach]:
    """Play the stored pings once more, in the order in which they were stored, and compare."""
    breaches = []
    waiting = list(reversed(transitions))
    status = "UNKNOWN"
    for ping in sorted(pings, key=lambda each: each.number):
        after = _STATUS_AFTER.get(ping.signal)
        if after is None or ping.outcome != "counted":
            continue
        while waiting and waiting[-1].cause in _BY_SILENCE and waiting[-1].occurred_at <= ping.received_at:
            status = waiting.pop().new
        if after == status:
            continue
        if waiting and waiting[-1].new == after and waiting[-1].occurred_at == ping.received_at:
            status = waiting.pop().new
        else:
            told = f"{status} to {after} by ping {ping.number} at {ping.received_at}"
            breaches.append(Breach(Rule.MISSING_TRANSITION, monitor.slug, told))
            status = after
    while waiting and waiting[-1].cause in _BY_SILENCE:
        waiting.pop()
    if waiting:
        each = waiting[-1]
        told = f"number {each.seq}, {each.previous} to {each.new} by {each.cause} at {each.occurred_at}"
        breaches.append(Breach(Rule.UNFOUNDED_TRANSITION, monitor.slug, told))
    return breaches


def check_downs(evidence: Evidence) -> list[Breach]:
    """No DOWN by silence while a ping that was acknowledged lies within interval + grace before the deadline."""
    acknowledged = {each.rid for each in evidence.operations if each.result is Result.OK}
    monitors = {monitor.slug: monitor for monitor in evidence.monitors}
    pings = _by_slug(evidence.pings)
    breaches = []
    for down in evidence.transitions:
        monitor = monitors.get(down.slug)
        if monitor is None or down.new != "DOWN" or down.cause != "silence":
            continue
        since = down.occurred_at - monitor.interval - monitor.grace
        for ping in pings[down.slug]:
            if ping.signal == "success" and ping.rid in acknowledged and since < ping.received_at <= down.occurred_at:
                told = f"number {down.seq} at {down.occurred_at}, ping {ping.rid} at {ping.received_at}"
                breaches.append(Breach(Rule.DOWN_OVER_PING, down.slug, told))
                break
    return breaches


# --- R4, R5: only the test knows who was alive


def check_alive(evidence: Evidence, alive: Iterable[str]) -> list[Breach]:
    """None of the monitors *alive*, whose clients never stopped, was ever DOWN.

    By their log, if there is one: a client that was itself held up by its machine, and sent nothing in the interval and
    grace before the deadline, was rightly missed.
    """
    slugs = set(alive)
    monitors = {monitor.slug: monitor for monitor in evidence.monitors}
    operations = _by_slug(evidence.operations)
    return [
        Breach(Rule.FALSE_DOWN, each.slug, f"number {each.seq} at {each.occurred_at}, by {each.cause}")
        for each in evidence.transitions
        if each.slug in slugs
        and each.new == "DOWN"
        and not _was_rightly_missed(monitors.get(each.slug), each, operations[each.slug])
    ]


def _was_rightly_missed(monitor: StoredMonitor | None, down: StoredTransition, operations: Sequence[Operation]) -> bool:
    if monitor is None or not operations or down.cause not in _BY_SILENCE:
        return False
    since = down.occurred_at - monitor.interval - monitor.grace
    return not any(since < each.started_at <= down.occurred_at for each in operations)


def check_noticed(evidence: Evidence, dead: Iterable[str]) -> list[Breach]:
    """Each of the monitors *dead*, whose clients stopped long enough ago, is DOWN."""
    status = {monitor.slug: monitor.status for monitor in evidence.monitors}
    return [
        Breach(Rule.UNNOTICED, slug, f"{status.get(slug, 'not stored')}") for slug in dead if status.get(slug) != "DOWN"
    ]


# --- R3


def check_owed(evidence: Evidence) -> list[Breach]:
    """One message for each transition that is told of a monitor with a webhook, and none besides."""
    told = {
        (each.slug, each.seq)
        for each in evidence.transitions
        if each.slug in {monitor.slug for monitor in evidence.monitors if monitor.has_webhook} and _is_told(each)
    }
    owed = Counter((message.slug, message.seq) for message in evidence.messages if message.seq is not None)
    breaches = [Breach(Rule.NOT_OWED, slug, f"number {seq}") for slug, seq in sorted(told - owed.keys())]
    breaches += [
        Breach(Rule.WRONGLY_OWED, slug, f"number {seq}, {count} times")
        for (slug, seq), count in owed.items()
        if count > 1 or (slug, seq) not in told
    ]
    return breaches


def _is_told(transition: StoredTransition) -> bool:
    return transition.new == "DOWN" or (transition.previous, transition.new) == ("DOWN", "UP")


def check_arrivals(evidence: Evidence) -> list[Breach]:
    """What arrived was owed, an id never changes its content, and what counts as delivered did arrive."""
    owed = {message.message_id: message for message in evidence.messages}
    contents: dict[str, set[bytes]] = defaultdict(set)
    accepted = {arrival.message_id for arrival in evidence.arrivals if arrival.is_accepted}
    for arrival in evidence.arrivals:
        contents[arrival.message_id].add(arrival.body)
    breaches = [Breach(Rule.UNKNOWN_MESSAGE, each, "nobody owes it") for each in contents.keys() - owed.keys()]
    breaches += [
        Breach(Rule.CHANGED_MESSAGE, each, f"{len(bodies)} contents")
        for each, bodies in contents.items()
        if len(bodies) > 1
    ]
    breaches += [
        Breach(Rule.UNDELIVERED, message.slug, f"{message.message_id}, called delivered")
        for message in evidence.messages
        if message.state == "delivered" and message.message_id not in accepted and evidence.arrivals
    ]
    return [*breaches, *_check_order(evidence, owed)]


def _check_order(evidence: Evidence, owed: dict[str, OwedMessage]) -> list[Breach]:
    """A message comes for the first time only after every older one of its monitor was accepted or given up."""
    older: dict[str, list[OwedMessage]] = _by_slug(each for each in evidence.messages if each.seq is not None)
    accepted: set[str] = set()
    breaches = []
    for arrival in evidence.arrivals:
        message = owed.get(arrival.message_id)
        if message is not None and message.seq is not None:
            for each in older[message.slug]:
                is_open = each.message_id not in accepted and each.state not in ("given-up", "cancelled")
                if each.seq is not None and each.seq < message.seq and is_open:
                    told = f"number {message.seq} before number {each.seq}"
                    breaches.append(Breach(Rule.OUT_OF_ORDER, message.slug, told))
        if arrival.is_accepted:
            accepted.add(arrival.message_id)
    return breaches


def check_all_delivered(evidence: Evidence) -> list[Breach]:
    """Once the receivers are well and the time has passed: every message that is owed was accepted at least once."""
    accepted = {arrival.message_id for arrival in evidence.arrivals if arrival.is_accepted}
    return [
        Breach(Rule.UNDELIVERED, message.slug, f"{message.message_id}, number {message.seq}, {message.state}")
        for message in evidence.messages
        if message.message_id not in accepted
    ]


def check_no_repeats(evidence: Evidence) -> list[Breach]:
    """In a run without faults: nothing is delivered twice."""
    times = Counter(arrival.message_id for arrival in evidence.arrivals if arrival.is_accepted)
    return [Breach(Rule.REPEATED_MESSAGE, each, f"{count} times") for each, count in times.items() if count > 1]


def _by_slug(rows: Iterable[Any]) -> defaultdict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.slug].append(row)
    return found
