"""A ring is heard once, whether somebody waited for it or not."""

from __future__ import annotations

import asyncio

import pytest

from pulsemon.bell import Bell

pytestmark = pytest.mark.anyio


async def test_whoever_waits_is_woken() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.rings_within(60))
    await asyncio.sleep(0)

    bell.ring()

    assert await waiting


async def test_what_rang_while_nobody_waited_is_heard_next_and_only_once() -> None:
    bell = Bell()

    bell.ring()
    bell.ring()

    assert await bell.rings_within(60)
    assert not await bell.rings_within(0)


async def test_without_a_ring_the_time_passes() -> None:
    assert not await Bell().rings_within(0)
