"""How often strangers may have PulseMon write: a share for each, which nobody else can use up."""

from __future__ import annotations

from datetime import timedelta

from pulsemon.web.http.fair_share import CROWDED, HOUR, OF_A_SITE, OF_AN_ADDRESS, FairShare
from tests.arrange import seconds
from tests.conftest import at

NOW = at("10:00")


def taken(share: FairShare, host: str, count: int) -> int:
    """Ask so often and return how often it was granted."""
    return sum(share.take(host, now=NOW) == 0 for _ in range(count))


def crowd(share: FairShare, count: int, *, net: int = 10) -> None:
    """Have *count* asked by as few addresses as can."""
    for number in range(count):
        if share.take(f"{net}.0.{number // 2_500}.{number // 10 % 250}", now=NOW):
            share.take(f"{net}.{number // 250}.{number % 250}.1", now=NOW)


def test_an_address_has_ten_an_hour_and_an_ipv6_network_counts_as_one() -> None:
    share = FairShare()
    assert taken(share, "192.0.2.1", 12) == OF_AN_ADDRESS
    assert taken(share, "::ffff:192.0.2.1", 1) == 0
    assert taken(share, "192.0.2.2", 1) == 1
    assert taken(share, "2001:db8:0:1::1", 6) + taken(share, "2001:db8:0:1::2", 6) == OF_AN_ADDRESS
    assert sum(taken(share, f"2001:db8:0:{number}::1", 5) for number in range(2, 40)) == OF_A_SITE - OF_AN_ADDRESS
    assert taken(share, "2001:db8:1::1", 1) == 1
    assert taken(share, "no address", 12) == OF_AN_ADDRESS


def test_the_wait_ends_an_hour_after_the_first_and_what_is_refused_does_not_prolong_it() -> None:
    share = FairShare()
    for minutes in range(10):
        assert share.take("192.0.2.1", now=NOW + timedelta(minutes=minutes)) == 0

    wait_sec = share.take("192.0.2.1", now=NOW + timedelta(minutes=30))
    assert 0 < wait_sec <= 30 * 60 + 1
    for _ in range(50):
        share.take("192.0.2.1", now=NOW + timedelta(minutes=59))
    assert share.take("192.0.2.1", now=NOW + HOUR) == 0
    assert share.take("192.0.2.1", now=NOW + HOUR) > 0


def test_twenty_addresses_use_up_what_is_theirs_and_a_neighbour_still_has_one() -> None:
    share = FairShare()
    assert sum(taken(share, f"10.0.0.{number}", 12) for number in range(20)) == CROWDED[0][0]

    assert taken(share, "10.0.0.99", 5) == 1
    assert taken(share, "203.0.113.9", 5) == 1
    assert taken(share, "10.0.0.1", 5) == 0


def test_the_more_ask_the_larger_is_what_has_one_and_a_network_that_has_none_is_never_refused() -> None:
    share = FairShare()
    for count, v4 in ((CROWDED[1][0], "198.51.{}.7"), (CROWDED[2][0], "198.{}.1.7")):
        for number in range(65_536):
            if len(share._asked) >= count:
                break
            share.take(f"172.{number % 250}.{number // 250 % 250}.{number // 62_500}", now=NOW)
            share.take(f"{11 + number % 90}.{number // 90 % 250}.{number % 7}.1", now=NOW)
        assert len(share._asked) >= count
        assert taken(share, v4.format(201), 2) == 1
        assert taken(share, v4.format(202), 2) == 1
        assert taken(share, v4.format(201).replace(".7", ".8"), 1) == 0


def test_memory_is_given_back_after_the_hour() -> None:
    share = FairShare()
    crowd(share, 100)
    assert len(share._asked) == 100

    share.take("192.0.2.1", now=NOW + HOUR + seconds(1))

    assert len(share._asked) == 1
    assert all("192.0" in who for who in share._asked_at)
