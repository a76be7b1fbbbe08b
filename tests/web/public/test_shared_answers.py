"""One answer for all who ask for the same page in the same words: whom it is given to, how long, and what it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from pulsemon.db import Database
from pulsemon.web.public.board import SNAPSHOT_KEY, Board
from pulsemon.web.public.shared_answers import MAX_KEPT, SharedAnswers
from tests.arrange import seconds
from tests.conftest import wait_until
from tests.web.panel.test_monitors import database_away
from tests.web.public.test_status_page import Clock, a_board, create, fresh_page

Headers = Iterable[tuple[bytes, bytes]]


class Pages:
    """What stands behind: counts who asks, and says what its answers are made of."""

    def __init__(self, board: Board, **start: Any) -> None:
        self.board = board
        self.start = {"status": 200, "headers": [(b"etag", b'"1"')]} | start
        self.asked: list[str] = []
        self.is_of_the_snapshot = True
        self.is_asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        self.is_asked.set()
        snapshot = self.board.snapshot()
        if self.is_of_the_snapshot:
            scope[SNAPSHOT_KEY] = snapshot
        await self.gate.wait()
        await send({"type": "http.response.start", **self.start})
        await send({"type": "http.response.body", "body": f"page {len(self.asked)}".encode()})


async def ask(
    app: SharedAnswers,
    path: str = "/status",
    *,
    query: bytes = b"",
    takes: asyncio.Event | None = None,
    heard: list[Message] | None = None,
    **words: str,
) -> bytes:
    """Ask as a browser would and return the body; *words* are headers, `_` for `-`.

    *takes*: when this reader takes the first byte. *heard*: where to leave what was sent.
    """
    heard = [] if heard is None else heard

    async def send(message: Message) -> None:
        if takes is not None:
            await takes.wait()
        heard.append(message)

    async def receive() -> Message:
        raise AssertionError("nobody reads the body of a GET")

    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in words.items()]
    scope = {"type": "http", "method": words.pop("method", "GET"), "path": path, "scheme": "http"}
    await app(scope | {"query_string": query, "headers": [h for h in headers if h[0] != b"method"]}, receive, send)
    return bytes(heard[1]["body"])


def shared(database: Database, clock: Clock, **start: Any) -> tuple[SharedAnswers, Pages]:
    board = a_board(database, clock)
    pages = Pages(board, **start)
    return SharedAnswers(pages, board), pages


@pytest.mark.anyio
async def test_the_same_words_are_answered_once_while_the_snapshot_lasts(database: Database) -> None:
    clock = Clock()
    app, pages = shared(database, clock)

    assert [await ask(app, accept="text/html") for _ in range(3)] == [b"page 1"] * 3

    clock.now += seconds(0.9)
    assert await ask(app, accept="text/html") == b"page 2"
    assert len(pages.asked) == 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    "other",
    [
        {"accept_language": "pt-BR"},
        {"accept_encoding": "gzip"},
        {"if_none_match": '"1"'},
        {"host": "status.example.org"},
        {"accept": "application/json"},
        {"method": "HEAD"},
        {"path": "/status/other"},
        {"cookie": "pulsemon_lang=en"},
        {"authorization": "Basic Og=="},
        {"query": b"lang=en"},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_other_words_are_another_question(database: Database, other: dict[str, Any]) -> None:
    app, pages = shared(database, Clock())
    await ask(app)

    assert await ask(app, **other) == b"page 2"
    assert len(pages.asked) == 2


@pytest.mark.anyio
@pytest.mark.parametrize("personal", [{"cookie": "a=b"}, {"authorization": "Basic Og=="}, {"query": b"lang=en"}])
async def test_what_is_somebodys_own_is_asked_each_time(database: Database, personal: dict[str, Any]) -> None:
    app, _ = shared(database, Clock())

    assert [await ask(app, **personal) for _ in range(2)] == [b"page 1", b"page 2"]


@pytest.mark.anyio
async def test_readers_of_the_same_moment_have_it_made_once(database: Database) -> None:
    app, pages = shared(database, Clock())
    pages.gate.clear()

    readers = [asyncio.create_task(ask(app)) for _ in range(20)]
    await pages.is_asked.wait()
    pages.gate.set()

    assert set(await asyncio.gather(*readers)) == {b"page 1"}
    assert len(pages.asked) == 1


@pytest.mark.anyio
async def test_whoever_waited_for_one_that_failed_asks_himself(database: Database) -> None:
    app, pages = shared(database, Clock(), status=500)
    pages.gate.clear()
    readers = [asyncio.create_task(ask(app)) for _ in range(3)]
    await pages.is_asked.wait()

    readers[0].cancel()
    pages.gate.set()
    rest = await asyncio.gather(*readers[1:])

    assert all(body.startswith(b"page") for body in rest)
    assert len(pages.asked) >= 2


@pytest.mark.anyio
async def test_nobody_waits_for_the_socket_of_whoever_asked_first(database: Database) -> None:
    app, pages = shared(database, Clock())
    pages.gate.clear()
    takes_it = asyncio.Event()
    first = asyncio.create_task(ask(app, takes=takes_it))
    await pages.is_asked.wait()
    others = [asyncio.create_task(ask(app)) for _ in range(5)]
    await asyncio.sleep(0)
    pages.gate.set()

    async with asyncio.timeout(30):
        assert set(await asyncio.gather(*others)) == {b"page 1"}
    assert await ask(app) == b"page 1"
    assert not first.done()

    takes_it.set()
    assert await first == b"page 1"


@pytest.mark.anyio
async def test_an_answer_in_parts_goes_out_as_it_comes_and_is_nobody_elses(database: Database) -> None:
    board = a_board(database, Clock())
    sent: list[Message] = []
    sent_before_the_second: list[int] = []

    async def in_parts(scope: Scope, _receive: Receive, send: Send) -> None:
        scope[SNAPSHOT_KEY] = board.snapshot()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        sent_before_the_second.append(len(sent))
        await send({"type": "http.response.body", "body": b"two"})

    app = SharedAnswers(in_parts, board)
    for _ in range(2):
        await ask(app, heard=sent)

    assert b"".join(each.get("body", b"") for each in sent) == b"one two" * 2
    assert sent_before_the_second == [2, 5]


@pytest.mark.anyio
@pytest.mark.parametrize("body", [{"content_length": "10"}, {"transfer_encoding": "chunked"}])
async def test_nobody_waits_for_a_body_that_somebody_else_promised(database: Database, body: dict[str, str]) -> None:
    app, pages = shared(database, Clock())
    pages.gate.clear()
    slow = asyncio.create_task(ask(app, **body))
    await pages.is_asked.wait()
    other = asyncio.create_task(ask(app))
    await asyncio.sleep(0)

    assert len(pages.asked) == 2
    pages.gate.set()
    await asyncio.gather(slow, other)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "start",
    [{"status": 404}, {"status": 503}, {"headers": [(b"set-cookie", b"lang=en")]}],
    ids=["404", "503", "set-cookie"],
)
async def test_only_what_is_right_for_everybody_is_kept(database: Database, start: dict[str, Any]) -> None:
    app, pages = shared(database, Clock(), **start)

    await ask(app)
    await ask(app)

    assert len(pages.asked) == 2


@pytest.mark.anyio
async def test_what_does_not_say_that_it_is_made_of_the_snapshot_is_not_kept(database: Database) -> None:
    app, pages = shared(database, Clock())
    pages.is_of_the_snapshot = False

    assert [await ask(app) for _ in range(2)] == [b"page 1", b"page 2"]


@pytest.mark.anyio
async def test_whoever_invents_words_fills_no_memory(database: Database) -> None:
    app, pages = shared(database, Clock())

    for number in range(MAX_KEPT + 50):
        await ask(app, accept=f"text/{number}")

    snapshot = pages.board.fresh_snapshot()
    assert snapshot is not None
    assert len(snapshot.answers) == MAX_KEPT


def test_while_the_database_is_away_there_is_no_snapshot_to_share(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    clock = Clock()
    board = a_board(database, clock)
    assert board.snapshot() is not None
    assert board.fresh_snapshot() is not None

    with database_away(postgres_url):
        clock.now += seconds(2)
        assert board.snapshot() is not None
        assert board.fresh_snapshot() is None
    database.close()


def test_what_is_given_again_bears_every_header_of_the_first(client: TestClient) -> None:
    words = {"accept-language": "en", "accept-encoding": "gzip"}

    def of_one_snapshot() -> list[Response]:
        answers = [client.get("/status", headers=words) for _ in range(3)]
        return answers if len({each.content for each in answers}) == 1 else []

    # A machine with much to do may not manage three within the second that a snapshot lasts.
    first, *others = wait_until(of_one_snapshot)
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["content-security-policy"].count("sha256-") == 1
    assert [each.headers.multi_items() for each in others] == [first.headers.multi_items()] * 2


def test_a_change_is_on_the_page_however_often_it_was_asked_for_before(client: TestClient) -> None:
    for _ in range(10):
        assert "Nothing is watched yet." in client.get("/status", headers={"accept-language": "en"}).text

    client.get(create(client))

    fresh_page(client, "All systems operational.")
