"""The admin token and the sessions of the panel."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from pulsemon.accounts import access
from pulsemon.accounts.access import SESSION_LIFETIME
from pulsemon.db import Database
from pulsemon.db.tables.accounts import Session
from pulsemon.db.tables.base import Meta
from tests.arrange import START, rows

TOKEN = "the admin token, çom acento"


def _is_open(database: Database, session_id: str, admin_token: str, *, now: datetime) -> bool:
    return access.find_session(database, session_id, admin_token, now=now) is not None


@pytest.mark.parametrize("given", ["", " ", TOKEN[:-1], TOKEN + " ", TOKEN.upper(), "\0", "\udcff"])
def test_no_other_token_is_the_admin_token(given: str) -> None:
    assert access.is_admin_token(TOKEN, TOKEN)
    assert not access.is_admin_token(given, TOKEN)


def test_while_none_is_set_nothing_is_the_admin_token() -> None:
    assert not access.is_admin_token("", "")
    assert not access.is_admin_token("anything", "")


def test_a_session_lives_until_it_is_closed(database: Database) -> None:
    session = access.open_session(database, TOKEN, now=START)
    other = access.open_session(database, TOKEN, now=START)
    assert _is_open(database, session, TOKEN, now=START)

    access.close_session(database, session)

    assert not _is_open(database, session, TOKEN, now=START)
    assert _is_open(database, other, TOKEN, now=START)


def test_a_session_ends_by_itself(database: Database) -> None:
    session = access.open_session(database, TOKEN, now=START)
    end = START + SESSION_LIFETIME

    assert _is_open(database, session, TOKEN, now=end - timedelta(microseconds=1))
    assert not _is_open(database, session, TOKEN, now=end)


def test_a_new_admin_token_ends_every_session(database: Database) -> None:
    session = access.open_session(database, TOKEN, now=START)

    assert not _is_open(database, session, "another token", now=START)
    assert not _is_open(database, session, "", now=START)


def test_an_id_that_nobody_was_given_is_no_session(database: Database) -> None:
    access.open_session(database, TOKEN, now=START)

    assert not _is_open(database, "guess", TOKEN, now=START)
    assert not _is_open(database, "", TOKEN, now=START)


def test_a_stolen_database_holds_neither_session_ids_nor_the_admin_token(database: Database) -> None:
    session = access.open_session(database, TOKEN, now=START)

    (row,) = rows(database, Session)
    assert session not in repr(row)
    assert TOKEN not in repr(row)
    assert row.id_hash != session


def test_sessions_that_ended_are_swept_out_at_the_next_login(database: Database) -> None:
    access.open_session(database, TOKEN, now=START)
    access.open_session(database, TOKEN, now=START + SESSION_LIFETIME)

    assert [row.created_at for row in rows(database, Session)] == [START + SESSION_LIFETIME]


def test_every_session_has_an_id_of_its_own(database: Database) -> None:
    ids = {access.open_session(database, TOKEN, now=START) for _ in range(10)}

    assert len(ids) == 10
    assert min(map(len, ids)) >= 43


def test_the_secret_of_the_cookies_is_made_once_and_kept(database: Database) -> None:
    secret = access.ensure_session_secret(database)

    assert access.ensure_session_secret(database) == secret
    assert len(secret) >= 43


def test_two_nodes_that_start_together_agree_on_one_secret(postgres_url: str) -> None:
    nodes = [Database.open(postgres_url) for _ in range(2)]
    barrier = threading.Barrier(2)
    found: list[str] = []

    def start(node: Database) -> None:
        barrier.wait(60)
        found.append(access.ensure_session_secret(node))

    threads = [threading.Thread(target=start, args=(node,)) for node in nodes]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    assert len(found) == 2
    assert len(set(found)) == 1
    assert len(rows(nodes[0], Meta, Meta.key == "session-secret")) == 1
    for node in nodes:
        node.close()
