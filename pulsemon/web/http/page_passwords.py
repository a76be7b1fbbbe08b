"""Passwords of public pages judged: limits first, then one at a time in a thread of their own.

To compare one costs 50 ms of a core and 16 MB (`core.passwords`), and anybody may ask for it. So who is asked to wait
is found out before; what was right lately is known again without comparing; and as many wait as are judged in less
than two seconds, a few of each address. Whoever finds no place is told to come back, and nobody else notices: the
threads of the panel, the API and the pages have no part in it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from pulsemon.core import passwords
from pulsemon.errors import PulseMonError
from pulsemon.web.http.throttle import Attempt, Throttle, Verdict

# 20 are judged a second. As many places again are for addresses where the right one came from lately.
MAX_WAITING, MAX_WAITING_KNOWN = 16, 32
MAX_WAITING_OF_ONE = 4
RETRY_AFTER_SEC = 2
# A right one is compared again after so long. As many are remembered as there are passwords of pages, and some.
REMEMBERED_FOR = timedelta(minutes=10)
MAX_REMEMBERED = 1_000


class Busy(PulseMonError):
    """So many passwords are being judged that this one was not: try again in `RETRY_AFTER_SEC`."""


class PagePasswords:
    """Who may see which page. The event loop's thread only."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._right_at: OrderedDict[bytes, datetime] = OrderedDict()
        self._waiting: Counter[str] = Counter()
        # One: a second would take the other half of a small machine from the pings.
        self._judges = ThreadPoolExecutor(max_workers=1, thread_name_prefix="page-passwords")

    async def judge(self, page_id: int, kept: str, given: str, *, host: str, now: datetime) -> Verdict:
        """Say whether *given*, which came from *host*, is the password of a page that keeps *kept* of it.

        Raises Busy.
        """
        door = f"{page_id}\0{kept}"  # with another password the page is another door
        attempt = self._throttle.begin(given, door, host=host, now=now)
        if attempt.verdict is not None:
            return attempt.verdict
        try:
            is_right = self._is_remembered(attempt, now) or await self._compare(attempt, kept, given, now)
        except BaseException:
            self._throttle.forget(attempt)
            raise
        if is_right:
            self._remember(attempt.key, now)
        return self._throttle.end(attempt, is_right=is_right, now=now)

    async def _compare(self, attempt: Attempt, kept: str, given: str, now: datetime) -> bool:
        waiting = self._waiting.total()
        is_full = waiting >= MAX_WAITING or self._waiting[attempt.who] >= MAX_WAITING_OF_ONE
        if is_full and not (
            waiting < MAX_WAITING_KNOWN and self._throttle.is_known(attempt.who, attempt.door, now=now)
        ):
            raise Busy("Too many passwords are being tried at the moment.")

        def compare() -> bool:
            # Somebody before us may have tried the same.
            return self._is_remembered(attempt, now) or passwords.matches(given, kept)

        self._waiting[attempt.who] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._judges, compare)
        finally:
            self._waiting[attempt.who] -= 1
            if not self._waiting[attempt.who]:
                del self._waiting[attempt.who]

    def _is_remembered(self, attempt: Attempt, now: datetime) -> bool:
        right_at = self._right_at.get(attempt.key)
        return right_at is not None and now - right_at < REMEMBERED_FOR

    def _remember(self, key: bytes, now: datetime) -> None:
        if key in self._right_at and now - self._right_at[key] < REMEMBERED_FOR:
            return
        self._right_at[key] = now
        self._right_at.move_to_end(key)
        while len(self._right_at) > MAX_REMEMBERED:
            self._right_at.popitem(last=False)
