"""`check-config`: what PulseMon makes of the environment, without a secret in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pulsemon.cli import app
from pulsemon.settings import Settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = {name.upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.upper() in names:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def checked(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["check-config"])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///./pulsemon.db", "sqlite:///./pulsemon.db"),
        ("postgresql://pm@db:5432/pulse", "postgresql://pm@db:5432/pulse"),
        ("postgresql://pm:hunter2@db/pulse", "postgresql://pm:***@db/pulse"),
        ("postgresql+psycopg://pm:hunter2@db/pulse", "postgresql+psycopg://pm:***@db/pulse"),
        ("postgresql:///pm?password=hunter2", "postgresql:///pm?password=..."),
        (
            "postgresql://pm:hunter2@db/pm?sslpassword=hunter2&sslmode=require",
            "postgresql://pm:***@db/pm?sslmode=...&sslpassword=...",
        ),
        ("postgresql://pm:geheim@hunter2@db/pulse", "postgresql://..."),
        ("postgresql://pm:geheim@x/hunter2@db/pulse", "postgresql://..."),
        ("postgresql://pm:geheim@db:hunter2/pulse", "postgresql://..."),
    ],
)
def test_the_database_is_shown_without_a_password_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, url: str, shown: str
) -> None:
    printed = checked(monkeypatch, DATABASE_URL=url)

    assert f"DATABASE_URL={shown}\n" in printed
    assert "hunter2" not in printed


def test_secrets_are_named_as_set_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = checked(
        monkeypatch,
        ADMIN_TOKEN="hunter2",
        ADMIN_SESSION_SECRET="hunter2",
        UPSTREAM_HEARTBEAT_URL="https://up.example/h/x/hunter2",
    )

    assert "hunter2" not in printed
    assert printed.count("=(set)\n") == 3


def test_a_number_is_shown_as_a_number_and_a_choice_as_true_or_false(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = checked(monkeypatch, WORKER_INTERVAL_SEC="1", PING_BODY_LIMIT="0", ALLOW_UNSAFE_DATABASE="1")

    assert "WORKER_INTERVAL_SEC=1\n" in printed
    assert "PING_BODY_LIMIT=0\n" in printed
    assert "ALLOW_UNSAFE_DATABASE=true\n" in printed
