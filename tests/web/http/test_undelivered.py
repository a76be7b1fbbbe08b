"""One reading of what does not arrive is shared by all pages, and is never much older than what it tells of."""

from __future__ import annotations

from pulsemon.errors import Unavailable
from pulsemon.messages.undelivered import NOTHING, Overview, Undelivered
from pulsemon.web.http.undelivered import UndeliveredReading
from tests.conftest import at


class Outbox:
    """Counts how often it is read."""

    def __init__(self) -> None:
        self.read_count = 0
        self.is_away = False

    def read(self) -> Overview:
        if self.is_away:
            raise Unavailable("away")
        self.read_count += 1
        return Overview({1: Undelivered(self.read_count, at("10:00"), "127.0.0.1:9", "connect")})


def test_a_change_is_read_a_second_later_and_nothing_in_between() -> None:
    outbox = Outbox()
    reading = UndeliveredReading(outbox.read)

    assert reading.at(1, at("10:00:00")).count == 1
    assert reading.at(1, at("10:00:09")).count == 1
    assert reading.at(2, at("10:00:09")).count == 2
    assert reading.at(3, at("10:00:09.999")).count == 2
    assert reading.at(3, at("10:00:10")).count == 3


def test_what_moved_no_version_is_read_within_ten_seconds() -> None:
    outbox = Outbox()
    reading = UndeliveredReading(outbox.read)
    reading.at(1, at("10:00:00"))

    assert reading.at(1, at("10:00:10")).count == 2
    assert reading.at(1, at("09:00:00")).count == 3  # the clock was set back


def test_while_the_database_is_away_the_last_reading_stays() -> None:
    outbox = Outbox()
    reading = UndeliveredReading(outbox.read)
    outbox.is_away = True
    assert reading.at(1, at("10:00:00")) == NOTHING
    outbox.is_away = False
    assert reading.at(1, at("10:00:01")).count == 1
    outbox.is_away = True

    assert reading.at(9, at("10:05:00")).count == 1
