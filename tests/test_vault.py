"""Sealed texts: what opens them, where keys come from, and what is said where one is missing."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest

from pulsemon import vault
from pulsemon.db import Database
from pulsemon.errors import Conflict, StartRefused
from pulsemon.settings import Settings
from pulsemon.vault import CannotOpen, Vault
from tests.conftest import settings_for

ONE, TWO = b"1" * 32, b"2" * 32


def _ring(*keys: bytes) -> Vault:
    return Vault({vault.id_of(each): each for each in keys})


def _named(*keys: bytes) -> str:
    return ",".join(base64.b64encode(each).decode() for each in keys)


def test_what_is_sealed_opens_as_what_it_was_sealed_for() -> None:
    sealed = _ring(ONE).seal("a secret, çom acento", belongs_to="second-factor:1")

    assert "secret" not in sealed
    assert _ring(TWO, ONE).open(sealed, belongs_to="second-factor:1") == "a secret, çom acento"
    for ring, belongs_to in ((_ring(ONE), "second-factor:2"), (_ring(TWO), "second-factor:1")):
        with pytest.raises(CannotOpen):
            ring.open(sealed, belongs_to=belongs_to)


@pytest.mark.parametrize("at", [0, 5, -1, 20])
def test_what_was_changed_does_not_open(at: int) -> None:
    sealed = _ring(ONE).seal("a secret", belongs_to="x")
    changed = list(sealed)
    changed[at] = "A" if changed[at] != "A" else "B"

    with pytest.raises(CannotOpen):
        _ring(ONE).open("".join(changed), belongs_to="x")


@pytest.mark.parametrize("text", ["", "v1", "v1.x.y", "v2.aaaa.bbbb", "v1..", "a secret", "v1.aaaa.é"])
def test_what_was_never_sealed_does_not_open(text: str) -> None:
    with pytest.raises(CannotOpen):
        _ring(ONE).open(text, belongs_to="x")


def test_the_first_key_seals_and_no_text_is_sealed_twice_alike() -> None:
    ring = _ring(TWO, ONE)
    sealed = ring.seal("a secret", belongs_to="x")

    assert ring.is_current(sealed)
    assert not _ring(ONE, TWO).is_current(sealed)
    assert sealed != ring.seal("a secret", belongs_to="x")


def test_without_a_key_nothing_is_sealed() -> None:
    with pytest.raises(Conflict) as refused:
        vault.NO_KEYS.seal("a secret", belongs_to="x")

    assert refused.value.code == "no-secrets-key"


def test_a_key_file_is_made_once_beside_the_database(migrated_sqlite_url: str) -> None:
    opened = Database.open(migrated_sqlite_url)
    first = vault.open_vault(opened, secrets_key="", database_url=migrated_sqlite_url)
    again = vault.open_vault(opened, secrets_key="", database_url=migrated_sqlite_url)
    opened.close()

    path = Path(migrated_sqlite_url.removeprefix("sqlite:///") + ".secrets-key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (first.warning, again.warning) == (None, None)
    assert first.keys == again.keys
    assert len(first.keys) == 1


def test_a_key_that_is_gone_is_not_replaced_by_another(migrated_sqlite_url: str) -> None:
    opened = Database.open(migrated_sqlite_url)
    vault.open_vault(opened, secrets_key="", database_url=migrated_sqlite_url)
    path = vault.file_of(migrated_sqlite_url)
    path.unlink()

    found = vault.open_vault(opened, secrets_key="", database_url=migrated_sqlite_url)
    opened.close()

    assert not path.exists()
    assert not found.keys
    assert found.warning is not None
    assert "the same SECRETS_KEY" in found.warning


@pytest.mark.parametrize("content", ["", "no key", base64.b64encode(b"short").decode(), "é"])
def test_a_key_file_that_holds_no_key_is_told_and_stops_nothing(migrated_sqlite_url: str, content: str) -> None:
    vault.file_of(migrated_sqlite_url).write_text(content, "utf-8")
    opened = Database.open(migrated_sqlite_url)

    found = vault.open_vault(opened, secrets_key="", database_url=migrated_sqlite_url)
    opened.close()

    assert found.warning is not None
    assert "does not hold a key" in found.warning


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_folder_that_cannot_be_written_is_told(migrated_sqlite_url: str) -> None:
    opened = Database.open(migrated_sqlite_url)
    folder = vault.file_of(migrated_sqlite_url).parent
    folder.chmod(0o500)
    try:
        found = vault.open_vault(opened, secrets_key="", database_url=migrated_sqlite_url)
    finally:
        folder.chmod(0o700)
    opened.close()

    assert found.warning is not None
    assert "cannot be read or made" in found.warning


def test_a_key_file_that_is_a_folder_is_told(migrated_sqlite_url: str) -> None:
    vault.file_of(migrated_sqlite_url).mkdir()
    opened = Database.open(migrated_sqlite_url)

    found = vault.open_vault(opened, secrets_key="", database_url=migrated_sqlite_url)
    opened.close()

    assert found.warning is not None
    assert "cannot be read or made" in found.warning


def test_another_key_than_the_one_that_sealed_is_told(database: Database, database_url: str) -> None:
    first = vault.open_vault(database, secrets_key=_named(ONE), database_url=database_url)
    other = vault.open_vault(database, secrets_key=_named(TWO), database_url=database_url)
    both = vault.open_vault(database, secrets_key=_named(TWO, ONE), database_url=database_url)

    assert (first.warning, both.warning) == (None, None)
    assert other.warning is not None
    assert "secrets rotate" in other.warning


@pytest.mark.parametrize("value", ["short", "A" * 44, f"{_named(ONE)},nonsense", _named(b"1" * 31), ","])
def test_a_wrong_secrets_key_stops_the_start_and_is_not_repeated(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pulsemon.settings import load

    monkeypatch.setenv("SECRETS_KEY", value)
    with pytest.raises(StartRefused) as refused:
        load()

    assert str(refused.value).startswith("SECRETS_KEY holds a wrong value; it must be the base64 of 32 bytes")
    assert value not in str(refused.value) or value == ","


def test_each_key_is_a_secret_of_its_own(sqlite_url: str) -> None:
    settings: Settings = settings_for(sqlite_url, secrets_key=_named(ONE, TWO))

    assert {_named(ONE), _named(TWO), _named(ONE, TWO)} <= set(settings.secrets())
