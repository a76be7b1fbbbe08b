"""Tests of what all tests stand on: a database goes from one test to the next empty, and with nobody in it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from tests.conftest import is_made_as_new


@contextlib.contextmanager
def somebody_reading(url: str) -> Iterator[None]:
    """Read two tables in one transaction, again and again, and come back whenever put out, as a worker does."""
    over = threading.Event()

    def read() -> None:
        while not over.wait(0.005):
            with contextlib.suppress(psycopg.Error), psycopg.connect(url) as connection:
                while not over.is_set():
                    connection.execute("SELECT 1 FROM webhooks LIMIT 1")
                    connection.execute("SELECT 1 FROM blind_windows LIMIT 1")
                    connection.rollback()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        over.set()
        for reader in readers:
            reader.join()


def test_a_database_is_emptied_though_somebody_reads_it(
    postgres_server: str, postgres_url: str, template_shape: tuple[Any, ...] | None
) -> None:
    with somebody_reading(postgres_url):
        for _ in range(30):
            assert is_made_as_new(postgres_url, template_shape, server=postgres_server)


@pytest.fixture
def seen_at_the_end() -> Iterator[list[TestClient]]:
    """Clients of a test, of which none may be alive when the fixtures set up after this one are gone."""
    clients: list[TestClient] = []
    yield clients
    assert [client.portal for client in clients] == [None]


def test_an_application_has_ended_before_its_database_is_taken_back(
    make_client: Callable[..., TestClient], seen_at_the_end: list[TestClient], postgres_url: str
) -> None:
    """Whatever order a test names its fixtures in: `make_client` is set up first here and would go last."""
    client = make_client(postgres_url)
    assert client.portal is not None
    seen_at_the_end.append(client)
