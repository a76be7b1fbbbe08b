"""A monitor's log is searched: what is found, in which order, and where a search that looked at enough goes on."""

from __future__ import annotations

from typing import Any

import pytest

from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.heartbeats import ping_chain
from pulsemon.heartbeats.ping_chain import Filter, PingEvent
from pulsemon.locale import translator
from pulsemon.monitors import event_log
from pulsemon.monitors.event_log import NEWEST, ChangeEvent, Kind, LogCursor
from pulsemon.monitors.views import View
from tests.arrange import HOOK, START, a_ping, again, make, record, seconds

RID = "0b2b2b2b-1111-4111-8111-11111111111"


def parts(database: Database, monitor: View, *, size: int = 40, **asked: Any) -> list[event_log.LogPart]:
    """Read part after part until there is none."""
    found: list[event_log.LogPart] = []
    start: LogCursor | None = NEWEST
    while start is not None:
        part = event_log.read_log(database, monitor.id, start=start, size=size, **asked)
        found.append(part)
        start = None if part.next is None else LogCursor.from_text(part.next.to_text())
        assert len(found) < 100
    return found


def numbers(found: list[event_log.LogPart]) -> list[int]:
    return [event.number for part in found for event in part.events if isinstance(event, PingEvent)]


def a_talkative_monitor(database: Database) -> View:
    monitor = make(database, webhook_url=HOOK)
    said: list[tuple[Signal, dict[str, Any]]] = [
        (Signal.SUCCESS, {"body": "Sincronização ÓTIMA".encode()}),
        (Signal.START, {"rid": f"{RID}1"}),
        (Signal.FAIL, {"rid": f"{RID}1", "body": b"x" * 5_000 + b"No Space Left" + b"y" * 5_000, "exit_status": 3}),
        (Signal.SUCCESS, {"user_agent": "Curl/8.5", "remote_addr": "2001:db8::7"}),
        (Signal.LOG, {"body": b"\xff no \xc3\xa3 text \x00"}),
    ]
    for number, (signal, fields) in enumerate(said):
        record(database, a_ping(monitor, START + seconds(10 * number), signal, **fields))
    return again(database, monitor)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(text="ótima"), [1]),
        (Filter(text="no space LEFT"), [3]),
        (Filter(text="curl"), [4]),
        (Filter(text="2001:DB8"), [4]),
        (Filter(text=f"{RID}1"), [3, 2]),
        (Filter(text="Ã text"), [5]),
        (Filter(text="nowhere"), []),
        (Filter(text="%"), []),
        (Filter(signal="fail"), [3]),
        (Filter(signal="log", text="curl"), []),
        (Filter(since=START + seconds(20)), [5, 4, 3]),
        (Filter(until=START + seconds(20)), [2, 1]),
        (Filter(since=START + seconds(10), until=START + seconds(30)), [3, 2]),
        (Filter(until=START), []),
        (Filter(since=START + seconds(41)), []),
        (Filter(ends_run=True), [3]),
    ],
)
@pytest.mark.parametrize("size", [1, 40])
def test_a_filter_finds_what_fits_and_nothing_else(
    database: Database, wanted: Filter, expected: list[int], size: int
) -> None:
    monitor = a_talkative_monitor(database)

    assert numbers(parts(database, monitor, wanted=wanted, kinds=(Kind.PING,), size=size)) == expected


def test_the_excerpt_is_what_surrounds_a_find_deep_in_a_body(database: Database) -> None:
    monitor = a_talkative_monitor(database)

    (part,) = parts(database, monitor, wanted=Filter(text="space left"), kinds=(Kind.PING,))

    (ping,) = part.events
    assert isinstance(ping, PingEvent)
    assert ping.is_cut
    assert "No Space Left" in ping.excerpt
    assert len(ping.excerpt) == ping_chain.EXCERPT_BYTES
    assert (ping.duration_ms, ping.started_at) == (10_000, START + seconds(10))


def test_changes_are_found_in_the_words_of_the_reader_and_messages_by_what_they_tell(database: Database) -> None:
    monitor = a_talkative_monitor(database)
    portuguese = translator("pt-BR").gettext

    (part,) = parts(database, monitor, wanted=Filter(text="código de saída 3"), translate=portuguese)
    (change,) = part.events
    assert isinstance(change, ChangeEvent)
    assert change.new == "DOWN"
    (part,) = parts(database, monitor, wanted=Filter(text="EXIT STATUS 3"), translate=portuguese)
    assert part.events == (change,)
    (part,) = parts(database, monitor, wanted=Filter(text="down"), kinds=(Kind.MESSAGE,))
    assert len(part.events) == 1
    (part,) = parts(database, monitor, wanted=Filter(signal="fail"))
    assert [event.kind for event in part.events] == [Kind.PING]


@pytest.mark.parametrize("looks", [1, 3, 7, 30])
def test_every_bound_finds_the_same_in_the_same_order(
    database: Database, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    monitor = make(database, webhook_url=HOOK)
    for number in range(20):
        body = b"needle" if number in (2, 11, 19) else b"hay"
        signal = Signal.FAIL if number % 2 else Signal.SUCCESS
        record(database, a_ping(monitor, START + seconds(10 * number), signal, body=body))
    monkeypatch.setattr(ping_chain, "MAX_LOOKS", looks)
    monkeypatch.setattr(ping_chain, "_STEPS", 2)

    found = parts(database, monitor, wanted=Filter(text="e"), size=4)
    needles = parts(database, monitor, wanted=Filter(text="needle"), size=4)

    assert numbers(needles) == [20, 12, 3]
    assert any(part.searched_to for part in needles) == (looks < 20)
    times = [event.at for part in found for event in part.events]
    assert times == sorted(times, reverse=True)
    assert [event.kind for part in found for event in part.events].count("change") == 20


def test_large_bodies_end_a_search_that_small_ones_would_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = make(database)
    for number in range(6):
        record(database, a_ping(monitor, START + seconds(number), Signal.LOG, body=b"x" * 1_000))
    monkeypatch.setattr(ping_chain, "MAX_BODY_BYTES", 2_500)

    found = parts(database, monitor, wanted=Filter(text="y"))

    assert [part.searched_to for part in found] == [START + seconds(3), None]


def test_the_way_to_an_instant_long_ago_is_bounded_too(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = make(database)
    record(database, *(a_ping(monitor, START + seconds(number)) for number in range(10)))
    monkeypatch.setattr(ping_chain, "_MAX_SKIPPED", 4)

    found = parts(database, monitor, wanted=Filter(until=START + seconds(2)), kinds=(Kind.PING,))

    assert numbers(found) == [2, 1]
    assert [len(part.events) for part in found] == [0, 0, 2]


SPOKEN = [
    ("não concluído", "utf-8", None),
    ("não concluído", "latin-1", "cp1252"),
    ("não concluído", "cp1252", None),
    ("не сделано", "koi8-r", "koi8_r"),
    ("não concluído", "utf-16", None),
    ("nao concluido", "utf-16-be", "utf_16_be"),
]


@pytest.mark.parametrize(("words", "sent", "charset"), SPOKEN)
@pytest.mark.parametrize("before", ["", "x" * 3_000])
def test_a_body_is_shown_and_found_as_it_was_meant(
    database: Database, words: str, sent: str, charset: str | None, before: str
) -> None:
    monitor = make(database)
    body = (before + words).encode(sent)
    record(database, a_ping(monitor, START, body=body, charset=charset))

    (found,) = event_log.read_pings(database, monitor.id, wanted=Filter(text=words.upper()), length=3).events

    assert (words in found.excerpt, found.charset, found.is_cut) == (True, charset, bool(before))
    assert event_log.body_of_number(database, monitor.id, 1) == body


def test_a_short_body_is_shown_whole_and_does_not_go_on(database: Database) -> None:
    monitor = make(database)
    record(database, a_ping(monitor, START, body=("não " * 200).encode()))
    record(database, a_ping(monitor, START + seconds(1), body=("não " * 300).encode()))

    longer, short = event_log.read_pings(database, monitor.id, wanted=Filter(), length=2).events

    assert (short.excerpt, short.goes_on, longer.goes_on) == ("não " * 200, False, True)


def test_pings_are_read_a_page_at_a_time_and_by_number(database: Database) -> None:
    monitor = a_talkative_monitor(database)

    first = event_log.read_pings(database, monitor.id, wanted=Filter(), length=3)
    assert first.stop is not None
    rest = event_log.read_pings(database, monitor.id, wanted=Filter(), length=3, start=first.stop.next_id)

    assert [ping.number for ping in (*first.events, *rest.events)] == [5, 4, 3, 2, 1]
    assert rest.stop is None
    assert event_log.body_of_number(database, monitor.id, 1) == "Sincronização ÓTIMA".encode()
