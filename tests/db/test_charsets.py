"""PostgreSQL databases that are not UTF-8: refused while empty, used as well as they can be where they are in use."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import psycopg
import pytest
import structlog.testing
from starlette.testclient import TestClient

from pulsemon.db import Database, charsets
from pulsemon.errors import StartRefused
from pulsemon.heartbeats.pings import Answer
from pulsemon.monitors import manage as monitors
from tests.arrange import START, a_ping, again, make, record, stored
from tests.conftest import ADMIN_TOKEN, database_of
from tests.db.test_migrations import FirstPulseMon, Old

ROCKET = "\U0001f680"
# What a database in each holds of this text.
TEXT = f"ação \u20ac \u3053 {ROCKET} \\'"
HELD = {
    "LATIN1": "ação ? ? ? \\'",
    "WIN1252": "ação \u20ac ? ? \\'",
    "EUC_JP": "a??o ? \u3053 ? \\'",
    "KOI8R": "a??o ? ? ? \\'",
    "SQL_ASCII": TEXT,
}

ENCODINGS = (
    "LATIN1 LATIN2 LATIN9 LATIN10 ISO_8859_5 KOI8R KOI8U WIN866 WIN874 WIN1250 WIN1252 WIN1258 "
    "EUC_CN EUC_JP EUC_JIS_2004 EUC_KR EUC_TW JOHAB"
)


@pytest.fixture
def database_in(postgres_server: str) -> Iterator[Callable[[str], str]]:
    """Make empty databases in other encodings: `database_in("LATIN1")` returns the URL of one."""
    made: list[str] = []
    with psycopg.connect(postgres_server, autocommit=True) as admin:

        def make_in(encoding: str) -> str:
            name = f"charset_{secrets.token_hex(4)}"
            words = f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
            admin.execute(words.encode())
            made.append(name)
            return database_of(postgres_server, name)

        yield make_in
        for name in made:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def in_use(url: str) -> str:
    """Give the database of *url* the tables of the first PulseMon, which took any encoding."""
    FirstPulseMon(url).write(Old([], []))
    return url


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_an_empty_one_is_refused_with_the_line_that_makes_a_better_one(
    database_in: Callable[[str], str], encoding: str
) -> None:
    with pytest.raises(StartRefused) as refused:
        Database.open(database_in(encoding))

    said = str(refused.value)
    assert encoding in said
    assert "ENCODING 'UTF8' TEMPLATE template0" in said
    assert "\n" not in said


@pytest.mark.parametrize("encoding", HELD)
def test_one_that_is_in_use_starts_warns_and_replaces_what_it_cannot_hold(
    database_in: Callable[[str], str], encoding: str
) -> None:
    url = in_use(database_in(encoding))
    with structlog.testing.capture_logs() as lines:
        database = Database.open(url)
    database.migrate()

    monitor = make(database, name=TEXT)
    assert record(database, a_ping(monitor, START, user_agent=TEXT, body=TEXT.encode())) == [Answer.STORED]

    assert [(line["event"], line["encoding"]) for line in lines] == [("database.encoding", encoding)]
    row = stored(database, monitor)[0]
    assert (row.user_agent, bytes(row.body)) == (HELD[encoding], TEXT.encode())
    assert again(database, monitor).name == HELD[encoding]
    database.close()


def test_the_whole_application_answers_there(
    database_in: Callable[[str], str], make_client: Callable[..., TestClient]
) -> None:
    client = make_client(in_use(database_in("LATIN1")))
    owner = {"X-Admin-Token": ADMIN_TOKEN}
    body = {"name": ROCKET, "slug": "x", "interval_seconds": 60}

    made = client.post("/api/monitors", json=body, headers=owner)

    assert (made.status_code, made.json()["name"]) == (201, "?")
    ping = f"/h/x/{made.json()['token']}"
    assert client.post(ping, content=ROCKET, headers={"User-Agent": ROCKET.encode()}).status_code == 200
    assert client.get(f"/api/monitors/{ROCKET}", headers=owner).status_code == 404
    assert client.get("/status").status_code == 200


def test_bytes_that_another_client_wrote_cost_no_page(database_in: Callable[[str], str]) -> None:
    url = in_use(database_in("SQL_ASCII"))
    database = Database.open(url)
    database.migrate()
    make(database)
    with psycopg.connect(url, autocommit=True) as another:
        another.execute(b"SET client_encoding = SQL_ASCII")
        another.execute(b"UPDATE monitors SET name = E'caf\\351'")

    found = monitors.list_all(database)[0][0].name
    database.close()

    assert found == "caf\ufffd"


def test_every_character_that_is_sent_can_be_held(postgres_server: str) -> None:
    """PostgreSQL is asked itself, for every character of the plane that has all living scripts."""
    every = "".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x10000), 0x20089, 0x1F680]))
    with psycopg.connect(postgres_server) as connection:
        for encoding in ENCODINGS.split():
            sent = charsets.fit(every, encoding)
            assert len(sent) == len(every)
            held = connection.execute(
                "SELECT convert_from(convert_to(%s, %s), %s)", (sent, encoding, encoding)
            ).fetchone()
            assert held == (sent,), encoding


def test_utf_8_is_left_alone(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    monitor = make(database, name=TEXT)

    assert again(database, monitor).name == TEXT
    database.close()
