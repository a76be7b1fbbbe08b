"""A list is drawn once for all who look alike, at most so often, and sent as what changed."""

from __future__ import annotations

import gzip
import json
import threading

import pytest

from pulsemon.web.http.drawings import LONGEST_SEC, MAX_KEPT, Answer, Drawing, Drawings
from pulsemon.web.http.kept import FRESH_SEC, SHARE, STALE_SEC, Kept


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Board:
    """What is drawn: `rows`, which take `cost_sec` of the clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.drawings = Drawings(monotonic=self.clock)
        self.rows = {1: "one", 2: "two"}
        self.version = (0,)
        self.cost_sec = 0.0
        self.drawn = 0

    def draw(self) -> Drawing:
        self.drawn += 1
        self.clock.now += self.cost_sec
        return Drawing("head", dict(self.rows), "foot")

    def get(self, etag: str = "", key: str = "list") -> Answer:
        return self.drawings.get(key, self.draw, version=self.version, etags=[etag])

    def change(self, **rows: str) -> None:
        self.rows |= {int(name.removeprefix("r")): text for name, text in rows.items()}
        self.version = (self.version[0] + 1,)


@pytest.fixture
def board() -> Board:
    return Board()


def told(answer: Answer) -> dict[str, object]:
    plain, packed = answer.drawing.changes(answer.earlier)
    assert gzip.decompress(packed) == plain
    return dict(json.loads(plain))


def test_who_looks_alike_shares_a_drawing_and_who_does_not_has_another(board: Board) -> None:
    first = board.get()
    assert board.get().drawing is first.drawing
    assert board.get(key="other").drawing is not first.drawing
    assert board.drawn == 2


def test_a_first_change_is_drawn_at_once_and_a_storm_once_a_second(board: Board) -> None:
    board.get()
    board.clock.now += 2
    for number in range(20):
        board.change(r1=f"one {number}")
        answer = board.get()
        board.clock.now += 0.05
    assert board.drawn == 2
    assert answer.drawing.rows[1] == "one 0"
    assert 0 < answer.ask_again_sec < 1  # there is something newer
    board.clock.now += answer.ask_again_sec
    assert board.get().drawing.rows[1] == "one 19"
    assert board.drawn == 3


def test_who_opens_the_page_sees_what_he_just_changed(board: Board) -> None:
    board.get()
    board.change(r1="mine")
    assert board.get().drawing.rows[1] == "one"
    opened = board.drawings.get("list", board.draw, version=board.version, at_once=True)
    assert opened.drawing.rows[1] == "mine"
    board.drawings.get("list", board.draw, version=board.version, at_once=True)
    assert board.drawn == 2


def test_what_takes_long_to_draw_is_drawn_less_often(board: Board) -> None:
    board.cost_sec = 0.2
    board.get()
    board.change(r1="new")
    board.clock.now += 0.2 * SHARE - 0.5
    assert board.get().drawing.rows[1] == "one"
    board.clock.now += 0.51
    assert board.get().drawing.rows[1] == "new"


def test_the_words_of_time_are_drawn_anew_without_a_change(board: Board) -> None:
    board.get()
    board.clock.now += LONGEST_SEC
    board.get()
    assert board.drawn == 2


def test_only_what_changed_is_sent_to_who_has_an_earlier_drawing(board: Board) -> None:
    first = board.get()
    assert told(first) == {
        "etag": first.drawing.etag, "order": [1, 2], "rows": {"1": "one", "2": "two"}, "head": "head", "foot": "foot",
    }  # fmt: skip
    board.clock.now += 2
    board.change(r2="TWO", r3="three")
    second = board.get(first.drawing.etag)
    assert told(second) == {"etag": second.drawing.etag, "order": [1, 2, 3], "rows": {"2": "TWO", "3": "three"}}
    assert told(board.get("unknown"))["rows"] == {"1": "one", "2": "TWO", "3": "three"}


def test_what_is_as_it_was_is_the_same_drawing(board: Board) -> None:
    first = board.get().drawing
    for text in ("changed", "one"):
        board.clock.now += 2
        board.change(r1=text)
        answer = board.get()
    assert answer.drawing.etag == first.etag


def test_lists_that_nobody_looks_at_are_forgotten(board: Board) -> None:
    board.get()
    for number in range(MAX_KEPT):
        board.get(key=str(number))
    board.get()
    assert board.drawn == MAX_KEPT + 2


def test_while_one_draws_the_others_get_what_there_was(board: Board) -> None:
    first = board.get()
    board.clock.now += 2
    board.change(r1="new")
    is_drawing, may_end = threading.Event(), threading.Event()
    draw = board.draw

    def slowly() -> Drawing:
        is_drawing.set()
        assert may_end.wait(10)
        return draw()

    board.draw = slowly  # type: ignore[method-assign]
    thread = threading.Thread(target=board.get)
    thread.start()
    assert is_drawing.wait(10)
    assert board.get().drawing is first.drawing
    may_end.set()
    thread.join(10)
    assert board.get().drawing.rows[1] == "new"


def test_a_drawing_that_fails_is_tried_again(board: Board) -> None:
    def fail() -> Drawing:
        raise RuntimeError("the database is away")

    with pytest.raises(RuntimeError):
        board.drawings.get("list", fail, version=(0,))
    assert board.get().drawing.rows


def test_what_is_kept_is_read_anew_as_soon_as_its_version_is_another() -> None:
    versions, reads = ["a"], []
    kept = Kept(lambda: reads.append(1) or len(reads), version=lambda: versions[0], monotonic=Clock())
    assert (kept.get(), kept.get()) == (1, 1)
    versions[0] = "b"
    assert (kept.get(), kept.get()) == (2, 2)


def test_what_is_kept_is_renewed_once_a_second_and_more_seldom_where_it_costs_more() -> None:
    clock, reads = Clock(), []

    def read() -> int:
        clock.now += costs[0]
        reads.append(clock.now)
        return len(reads)

    def renewed() -> int:
        kept.renew()
        return kept.get()

    costs = [0.0]
    kept = Kept(read, monotonic=clock)
    assert (kept.get(), renewed()) == (1, 1)
    clock.now += FRESH_SEC
    costs[0] = 0.2
    assert (kept.get(), renewed()) == (1, 2)
    clock.now += 0.2 * SHARE - 0.1
    assert renewed() == 2
    costs[0] = 60.0
    clock.now += 0.11
    assert renewed() == 3
    clock.now += STALE_SEC
    assert kept.get() == 4
    assert kept.turn == 3


def test_who_asks_is_given_what_there_was_while_somebody_else_reads_it_anew() -> None:
    clock, is_reading, may_end = Clock(), threading.Event(), threading.Event()
    values = ["old", "new"]

    def read() -> str:
        if len(values) == 1:
            is_reading.set()
            assert may_end.wait(60)
        return values.pop(0)

    kept = Kept(read, monotonic=clock)
    assert kept.get() == "old"
    clock.now += FRESH_SEC
    thread = threading.Thread(target=kept.renew)
    thread.start()
    assert is_reading.wait(60)
    kept.renew()  # not a second time
    assert (kept.get(), kept.turn) == ("old", 0)
    may_end.set()
    thread.join(60)
    assert (kept.get(), kept.turn) == ("new", 1)
