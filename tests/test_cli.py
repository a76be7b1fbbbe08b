"""`check-config`: what PulseMon makes of the environment, without a secret in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pulsemon.cli import app
from pulsemon.errors import StartRefused
from pulsemon.settings import Settings
from tests.channels.smtp_sink import MailSink


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
        ("postgresql://pm:geheim@db:hunter2/pulse", "postgresql://..."),
    ],
)
def test_the_database_is_shown_without_a_password_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, url: str, shown: str
) -> None:
    printed = checked(monkeypatch, DATABASE_URL=url)

    assert f"DATABASE_URL={shown}\n" in printed
    assert "hunter2" not in printed


@pytest.mark.parametrize("password", ["geheim@hunter2", "geheim@x/hunter2"])
def test_a_password_that_is_torn_apart_is_refused_and_no_piece_of_it_shown(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://pm:{password}@db/pulse")

    result = CliRunner().invoke(app, ["check-config"])

    assert isinstance(result.exception, StartRefused)
    assert "%40" in str(result.exception)
    assert "hunter2" not in f"{result.output}{result.exception}"


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


def mailed(monkeypatch: pytest.MonkeyPatch, address: str, **environment: str) -> tuple[int, str]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["test-mail", address])
    return result.exit_code, f"{result.output}{result.exception or ''}"


def a_mail_server(sink: MailSink, **changes: str) -> dict[str, str]:
    values = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(sink.port), "SMTP_SECURITY": "none"}
    return values | {"MAIL_FROM": "status@example.org", "BASE_URL": "https://status.example.org"} | changes


def test_a_test_mail_says_what_the_mail_server_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    with MailSink() as sink:
        assert mailed(monkeypatch, "Ana@example.org", **a_mail_server(sink)) == (
            0,
            "The mail server took it. Whether it arrives, ana@example.org will see.\n",
        )
        (mail,) = sink.wait_for(1)
    assert mail.message["Subject"] == "[Status — PulseMon] Test message"
    assert "List-Unsubscribe" not in mail.message

    with MailSink({"RCPT": ["550 5.1.1 no such user"]}) as sink:
        code, said = mailed(monkeypatch, "ana@example.org", **a_mail_server(sink))
    assert (code, "the mail was not taken: 5.1.1 no such user (550)" in said) == (1, True)
    with MailSink(logins={"me": "another"}) as sink:
        login = {"SMTP_USERNAME": "me", "SMTP_PASSWORD": "hunter2"}
        code, said = mailed(monkeypatch, "ana@example.org", **a_mail_server(sink, **login))
    assert (code, "refused the login" in said, "hunter2" in said) == (1, True, False)


def test_a_test_mail_needs_an_address_and_a_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "SMTP_HOST is not set" in mailed(monkeypatch, "ana@example.org")[1]
    with MailSink() as sink:
        assert "no e-mail address" in mailed(monkeypatch, "ana", **a_mail_server(sink))[1]


def test_whether_mail_is_set_up_is_said_and_its_password_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "SMTP_HOST is not set: no mail is sent" in checked(monkeypatch)
    login = {"SMTP_USERNAME": "me", "SMTP_PASSWORD": "hunter2"}
    with MailSink() as sink:
        printed = checked(monkeypatch, **a_mail_server(sink, **login))
    assert "SMTP_PASSWORD=(set)\n" in printed
    assert "hunter2" not in printed
    assert "SMTP_HOST is not set" not in printed


@pytest.mark.parametrize("words", [[], ["monitor"], ["monitor", "list"]])
def test_a_ping_url_where_a_command_belongs_is_not_repeated(words: list[str]) -> None:
    token = "a2K9-" * 8

    result = CliRunner().invoke(app, [*words, f"https://pm.example/h/backup/{token}"])

    assert result.exit_code == 2
    assert "https://pm.example/***" in result.output
    assert token not in "".join(result.output.split())
    assert "No such command 'lits'." in CliRunner().invoke(app, ["lits"]).output
