"""Passwords of users hashed and compared in a thread of their own: one at a time, and whoever finds no place waits.

To compare one costs 80 ms of a core and 32 MB (`accounts.passwords`). The API and the pages have no part in it, and
pings do not notice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

from pulsemon.accounts import passwords
from pulsemon.errors import PulseMonError

_Found = TypeVar("_Found")
_Arguments = ParamSpec("_Arguments")

# A dozen are judged a second. As many places again are for addresses from where somebody logged in lately.
MAX_WAITING, MAX_WAITING_KNOWN = 32, 64
MAX_WAITING_OF_ONE = 8
# The rest of a login (its session, its page) is done one by one as well: where a hundred come at once, forty threads
# of the panel would take the interpreter from the event loop, and so from the pings (p99 29 to 39 ms, so 15 to 23).
_AT_ONCE = 1
RETRY_AFTER_SEC = 4


class Busy(PulseMonError):
    """So many passwords are being judged that this one was not: try again in `RETRY_AFTER_SEC`."""


class AccountPasswords:
    """The thread, and who waits for it. `work` and `in_turn` in the event loop's thread only, `keep` in any other."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()
        # One: a second would take the other half of a small machine from the pings.
        self._judges = ThreadPoolExecutor(max_workers=1, thread_name_prefix="account-passwords")
        self._turns = CapacityLimiter(_AT_ONCE)

    async def work(self, work: Callable[[], _Found], *, who: str, is_known: bool = False) -> _Found:
        """Return what *work* returns, called in that thread for *who*. Raises Busy."""
        waiting = self._waiting.total()
        is_full = waiting >= MAX_WAITING or self._waiting[who] >= MAX_WAITING_OF_ONE
        if is_full and not (is_known and waiting < MAX_WAITING_KNOWN):
            raise Busy("Too many passwords are being tried at the moment.")
        self._waiting[who] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._judges, work)
        finally:
            self._waiting[who] -= 1
            if not self._waiting[who]:
                del self._waiting[who]

    async def in_turn(
        self, work: Callable[_Arguments, _Found], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Found:
        """Return what *work* returns, called in a thread of the panel; of all logins one at a time."""
        return await to_thread.run_sync(partial(work, *arguments, **named), limiter=self._turns)

    def keep(self, password: str) -> str:
        """Return what is kept of a new password; a handler's thread waits for it."""
        return self.run(lambda: passwords.keep(password))

    def run(self, work: Callable[[], _Found]) -> _Found:
        """Return what *work* returns, called in that thread."""
        return self._judges.submit(work).result()
