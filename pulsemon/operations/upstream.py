"""PulseMon's own heartbeat to another monitor: sent while all of it works, withheld while any part does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pulsemon import __version__, log
from pulsemon.channels.http import GuardedClient, OutboundError

_log = log.get(__name__)

PAUSE_SEC = 60.0


class Upstream:
    """The other monitor; where *url* is empty there is none."""

    def __init__(self, client: GuardedClient, url: str, *, why_silent: Callable[[], tuple[str, ...]]) -> None:
        self._client = client
        self._url = url
        self._why_silent = why_silent

    async def round(self) -> None:
        """Tell another monitor that this one works; say nothing while it does not."""
        if not self._url:
            return
        reasons = await asyncio.to_thread(self._why_silent)
        if reasons:
            _log.warning("upstream.withheld", reasons=list(reasons))
        else:
            await self._beat(self._url)

    async def _beat(self, url: str) -> None:
        try:
            reply = await self._client.get(url, headers={"User-Agent": f"PulseMon/{__version__}"})
        except OutboundError as failed:  # never the URL: it is a secret
            _log.warning("upstream.failed", reason=failed.reason.value)
            return
        if not 200 <= reply.status_code < 300:
            _log.warning("upstream.refused", status=reply.status_code)
