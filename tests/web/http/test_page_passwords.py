"""Passwords of pages: limits come first, they have a thread of their own, and what was right lately is known."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.testclient import TestClient

from pulsemon.core import passwords
from pulsemon.web.http.known_addresses import KnownAddresses
from pulsemon.web.http.page_passwords import (
    MAX_WAITING,
    MAX_WAITING_KNOWN,
    MAX_WAITING_OF_ONE,
    REMEMBERED_FOR,
    Busy,
    PagePasswords,
)
from pulsemon.web.http.throttle import Throttle, Verdict
from tests.arrange import seconds
from tests.conftest import ADMIN_TOKEN, at, wait_until
from tests.status_pages.test_public import a_page, seen

NOW = at("10:00")
KEPT = passwords.keep("correct horse", b"0" * 16)
RIGHT, WRONG = Verdict(is_right=True, wait_sec=0), Verdict(is_right=False, wait_sec=0)


def judging(known: KnownAddresses | None = None) -> PagePasswords:
    return PagePasswords(Throttle("page", known))


async def judge(
    pages: PagePasswords, given: str, host: str = "192.0.2.1", *, kept: str = KEPT, now: Any = NOW
) -> Verdict:
    return await pages.judge(1, kept, given, host=host, now=now)


@contextmanager
def held_up(pages: PagePasswords) -> Iterator[None]:
    """While this lasts, the one thread that compares is busy."""
    go_on = threading.Event()
    pages._judges.submit(go_on.wait)
    try:
        yield
    finally:
        go_on.set()


async def waiting(pages: PagePasswords, count: int) -> None:
    async with asyncio.timeout(30):
        while pages._waiting.total() < count:  # noqa: ASYNC110 - the code under test has no event to wait for
            await asyncio.sleep(0.01)


@pytest.mark.anyio
async def test_a_right_one_is_known_again_without_comparing_and_a_wrong_one_is_too() -> None:
    pages = judging()
    assert [await judge(pages, each) for each in ("correct horse", "no horse")] == [RIGHT, WRONG]

    with held_up(pages):
        async with asyncio.timeout(30):
            assert [await judge(pages, each) for each in ("correct horse", "no horse")] == [RIGHT, WRONG]
            assert await judge(pages, "correct horse", "192.0.2.9") == RIGHT


@pytest.mark.anyio
@pytest.mark.parametrize(
    "change",
    [{"kept": passwords.keep("another horse", b"1" * 16)}, {"now": NOW + REMEMBERED_FOR + seconds(1)}],
    ids=["another password", "later"],
)
async def test_a_right_one_is_compared_again_when_the_page_has_another_and_after_a_while(
    change: dict[str, Any],
) -> None:
    pages = judging()
    assert await judge(pages, "correct horse") == RIGHT

    with held_up(pages):
        again = asyncio.create_task(judge(pages, "correct horse", **change))
        await waiting(pages, 1)
    assert await again == (WRONG if "kept" in change else RIGHT)


@pytest.mark.anyio
async def test_who_asks_the_same_at_the_same_time_has_it_compared_once_and_is_told_the_truth() -> None:
    pages = judging()
    with held_up(pages):
        same = [asyncio.create_task(judge(pages, "correct horse")) for _ in range(MAX_WAITING_OF_ONE)]
        await waiting(pages, len(same))

    assert await asyncio.gather(*same) == [RIGHT] * len(same)
    assert [await judge(pages, f"no {number}") for number in range(10)] == [WRONG] * 10
    assert (await judge(pages, "no more")).wait_sec > 0


@pytest.mark.anyio
async def test_limits_come_before_comparing() -> None:
    pages = judging()
    for number in range(10):
        assert await judge(pages, f"no {number}") == WRONG

    with held_up(pages):
        async with asyncio.timeout(30):
            assert (await judge(pages, "correct horse")).wait_sec > 0


@pytest.mark.anyio
async def test_so_many_wait_and_no_more_and_one_address_takes_few_of_the_places() -> None:
    pages = judging()
    with held_up(pages):
        one = [asyncio.create_task(judge(pages, f"no {number}")) for number in range(MAX_WAITING_OF_ONE)]
        await waiting(pages, len(one))
        with pytest.raises(Busy):
            await judge(pages, "no more")
        others = [
            asyncio.create_task(judge(pages, "no", f"10.0.0.{number}")) for number in range(MAX_WAITING - len(one))
        ]
        await waiting(pages, MAX_WAITING)
        with pytest.raises(Busy):
            await judge(pages, "correct horse", "10.0.1.1")

    assert set(await asyncio.gather(*one, *others)) == {WRONG}
    assert await judge(pages, "correct horse", "10.0.1.1") == RIGHT
    # What found no place was no try.
    assert [await judge(pages, f"other {number}") for number in range(6)] == [WRONG] * 6
    assert pages._waiting.total() == 0


@pytest.mark.anyio
async def test_where_a_right_one_came_from_there_is_room_though_many_guess() -> None:
    pages = judging(KnownAddresses("secret"))
    assert await judge(pages, "correct horse", "10.0.9.9") == RIGHT
    later = NOW + REMEMBERED_FOR + seconds(1)
    with held_up(pages):
        many = [asyncio.create_task(judge(pages, "no", f"10.0.0.{number}", now=later)) for number in range(MAX_WAITING)]
        await waiting(pages, MAX_WAITING)
        known = asyncio.create_task(judge(pages, "correct horse", "10.0.9.9", now=later))
        await waiting(pages, MAX_WAITING + 1)

    assert await known == RIGHT
    assert set(await asyncio.gather(*many)) == {WRONG}
    assert MAX_WAITING_KNOWN > MAX_WAITING


def test_panel_api_and_pages_answer_while_more_passwords_wait_than_there_are_threads(one: TestClient) -> None:
    a_page(one, "shop", password="correct horse")
    seen(one, "/status/shop", "asks for a password")
    pages = one.app._app._site.passwords  # type: ignore[attr-defined]

    def guess(number: int) -> Any:
        at_address = TestClient(one.app, client=(f"10.0.{number}.1", 1))
        if number % 2:
            return at_address.post("/status/shop", data={"password": f"no {number}"})
        return at_address.get("/status/shop/badge.json", auth=("x", f"no {number}"))

    with ThreadPoolExecutor(60) as strangers:
        with held_up(pages):
            answers = [strangers.submit(guess, number) for number in range(60)]
            wait_until(lambda: sum(each.done() for each in answers) == 60 - MAX_WAITING)
            busy = [each.result() for each in answers if each.done()]
            meanwhile = [
                one.get("/api/monitors", headers={"X-Admin-Token": ADMIN_TOKEN}).status_code,
                one.get("/").status_code,
                one.get("/status").status_code,
                one.get("/status/shop/badge.json", auth=("x", "no")).status_code,
            ]
        statuses = sorted(each.result().status_code for each in answers)

    assert meanwhile == [200, 200, 200, 503]
    assert statuses == [401] * MAX_WAITING + [503] * (60 - MAX_WAITING)
    assert all(int(each.headers["retry-after"]) > 0 for each in busy)
    assert any("Too many passwords" in each.text for each in busy)
