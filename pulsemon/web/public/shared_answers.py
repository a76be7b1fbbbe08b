"""One answer for everybody who asks for the same public page in the same words, while its snapshot lasts.

A page is rendered once for a snapshot; but to route a request, to run its handler in a thread and to write its headers
costs ten times what sending the bytes does. Here the whole answer is kept with the words of the request that it can
depend on, and given again until the snapshot is older than it may be, or anything has changed. Requests that bring a
cookie, a password or a query go the long way, and so does everybody while the database is away.

Source: docs/decisions/0012-shared-answers.md
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulsemon.web.public.board import SNAPSHOT_KEY, Answer, Board

# Everything that an answer may depend on, beside the path. A page of a host name of its own stands at `/` alone.
_WORDS = frozenset({b"accept", b"accept-encoding", b"accept-language", b"if-none-match", b"host"})
# Whoever brings one of these may be told something else than others.
_PERSONAL = frozenset({b"cookie", b"authorization", b"x-admin-token", b"hx-request", b"range"})
# Whoever brings a body may be slow to bring it: nobody waits for that.
_BODY = frozenset({b"content-length", b"transfer-encoding"})
_PREFIXES = ("/status", "/api/v2/")
_METHODS = frozenset({"GET", "HEAD"})
_STATUS_CODES = frozenset({200, 304})
# Readers have few languages and few browsers; whoever invents others fills no memory.
MAX_KEPT = 200
MAX_BYTES = 1_000_000

_Key = tuple[object, ...]


class SharedAnswers:
    """In front of the routes, behind the gate: the gate's checks, headers and log lines are each request's own."""

    def __init__(self, app: ASGIApp, board: Board) -> None:
        self._app = app
        self._board = board
        # Who asks for what nobody keeps yet: when a page has to be made anew, its readers do not all have it made.
        self._asking: dict[_Key, asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what somebody was told a moment ago, or ask and remember."""
        key = _key_of(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        found = self._find(key)
        if found is None and (asking := self._asking.get(key)) is not None:
            await asking.wait()
            found = self._find(key)
        if found is None:
            await self._ask(scope, receive, send, key)
            return
        await send({"type": "http.response.start", "status": found.status, "headers": found.headers})
        await send({"type": "http.response.body", "body": found.body})

    def _find(self, key: _Key) -> Answer | None:
        snapshot = self._board.fresh_snapshot()
        return None if snapshot is None else snapshot.answers.get(key)

    async def _ask(self, scope: Scope, receive: Receive, send: Send, key: _Key) -> None:
        """Have it made and share it before a byte of it is sent: whoever asked first may be slow, or gone."""
        heard: list[Message] = []
        asking = self._asking.setdefault(key, asyncio.Event())

        def end() -> None:
            if self._asking.get(key) is asking:
                del self._asking[key]
            asking.set()

        async def listen(message: Message) -> None:
            if asking.is_set():  # a stream: nobody waits for it any more
                await send(message)
                return
            heard.append(dict(message))  # the gate changes the very message that it is given
            if message["type"] != "http.response.start":
                _share(scope, heard, key)
                end()
                for each in heard:
                    await send(dict(each))

        try:
            await self._app(scope, receive, listen)
        finally:
            end()


def _share(scope: Scope, heard: list[Message], key: _Key) -> None:
    """Keep the answer for the others, where it may be given again."""
    # Nothing is known to be made of a snapshot unless its handler says so.
    snapshot, answer = scope.get(SNAPSHOT_KEY), _answer_of(heard)
    if snapshot is not None and answer is not None and len(snapshot.answers) < MAX_KEPT:
        snapshot.answers[key] = answer


def _key_of(scope: Scope) -> _Key | None:
    """Return what the answer depends on; None where it is not for everybody, or not made of the snapshot."""
    if scope["type"] != "http" or scope["method"] not in _METHODS or scope["query_string"]:
        return None
    path = scope["path"]
    if not path.startswith(_PREFIXES):
        return None
    words = []
    for name, value in scope["headers"]:
        if name in _PERSONAL or name in _BODY:
            return None
        if name in _WORDS:
            words.append((name, value))
    return (scope["method"], path, scope.get("root_path"), scope["scheme"], *words)


def _answer_of(heard: list[Message]) -> Answer | None:
    """Return an answer that may be given again: whole, small, right, and without a cookie."""
    if [each["type"] for each in heard] != ["http.response.start", "http.response.body"]:
        return None
    start, body = heard
    content = body.get("body", b"")
    if start["status"] not in _STATUS_CODES or body.get("more_body") or len(content) > MAX_BYTES:
        return None
    if any(name == b"set-cookie" for name, _ in start["headers"]):
        return None
    return Answer(start["status"], tuple(start["headers"]), content)
