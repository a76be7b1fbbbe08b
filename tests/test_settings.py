"""Every variable: its default, what it takes, and the one line that a wrong value gets."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from pulsemon.errors import StartRefused
from pulsemon.settings import PLACEHOLDERS, Settings, load
from tests.conftest import ROOT

NAMES = [name.upper() for name in Settings.model_fields]
DEFAULTS = {
    name.upper(): field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    for name, field in Settings.model_fields.items()
}
SECRETS = {
    "ADMIN_TOKEN",
    "ADMIN_SESSION_SECRET",
    "SECRETS_KEY",
    "DATABASE_URL",
    "UPSTREAM_HEARTBEAT_URL",
    "SMTP_PASSWORD",
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder to work in, and none of our variables set."""
    for name in os.environ:
        if name.upper() in NAMES:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


Set = Callable[[str, str], None]


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> Set:
    return monkeypatch.setenv


def refusal() -> str:
    with pytest.raises(StartRefused) as refused:
        load()
    line = str(refused.value)
    assert "\n" not in line
    return line


def held(name: str) -> Any:
    """Return what a setting holds, a secret as it is."""
    value = getattr(load(), name.lower())
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def test_the_defaults_are_those_of_the_contract() -> None:
    found = load()

    assert (held("ADMIN_TOKEN"), held("ADMIN_SESSION_SECRET"), found.worker_interval_sec) == ("", "", 60)
    assert (found.public_status_title, held("DATABASE_URL")) == ("Status — PulseMon", "sqlite:///./pulsemon.db")
    assert (found.app_host, found.app_port, found.base_url) == ("0.0.0.0", 8088, "")
    assert (found.trusted_proxies, found.outbound_private, found.ping_body_limit) == (
        ("127.0.0.1", "::1"),
        "allow",
        10_000,
    )


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ADMIN_TOKEN", "  a token ", "a token"),
        ("ADMIN_SESSION_SECRET", "s3cret", "s3cret"),
        ("WORKER_INTERVAL_SEC", "1", 1),
        ("WORKER_INTERVAL_SEC", "86400", 86_400),
        ("PUBLIC_STATUS_TITLE", "Situação", "Situação"),
        ("DATABASE_URL", "postgresql://u:p@h/n", "postgresql://u:p@h/n"),
        ("DATABASE_URL", "postgresql+psycopg://u:p@h/n", "postgresql+psycopg://u:p@h/n"),
        ("DATABASE_URL", "sqlite:////data/pulsemon.db", "sqlite:////data/pulsemon.db"),
        *(
            ("DATABASE_URL", url, url)
            for url in (
                "postgresql://u:a/b?c#d@h/n",
                "postgresql://u@server:p@h:5432/n",
                "postgresql://u:p@h/n@m",
                "postgresql://u:p@h,i:5432/n?user=a@b&application_name=x@y/z",
                "postgresql://[::1]:5432/n?user=a@b",
                "postgresql:///n?host=/run/x@y/z",
            )
        ),
        ("APP_PORT", "65535", 65_535),
        ("BASE_URL", "https://Status.Example.org/", "https://status.example.org"),
        ("BASE_URL", "http://[::1]:8088", "http://[::1]:8088"),
        ("TRUSTED_PROXIES", "10.0.0.5, 192.168.0.0/24,::1", ("10.0.0.5", "192.168.0.0/24", "::1")),
        ("TRUSTED_PROXIES", ",", ()),
        ("OUTBOUND_ALLOW", "169.254.1.2, ::ffff:10.0.0.5,", (IPv4Address("169.254.1.2"), IPv4Address("10.0.0.5"))),
        ("OUTBOUND_ALLOW", "", ()),
        (
            "PANEL_HOST",
            "Panel.Example.org.:8443, bücher.example,panel.example.org",
            ("panel.example.org", "xn--bcher-kva.example"),
        ),
        ("PANEL_HOST", "[0:0::1]:80", ("::1",)),
        ("APP_HOST", "bücher.example", "bücher.example"),
        ("APP_HOST", "fe80::1%eth0", "fe80::1%eth0"),
        ("APP_HOST", "[::]", "[::]"),
        ("BASE_URL", "HTTPS://Bücher.Example./", "https://xn--bcher-kva.example"),
        ("OUTBOUND_PRIVATE", "deny", "deny"),
        ("PING_BODY_LIMIT", "0", 0),
        ("PING_RETENTION_DAYS", "1", 1),
        ("PING_RETENTION_COUNT", "1", 1),
        ("DEFAULT_LOCALE", "pt-BR", "pt-BR"),
        ("AVAILABILITY_TIMEZONE", "America/Sao_Paulo", "America/Sao_Paulo"),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("LOG_FORMAT", "json", "json"),
        ("ALLOW_UNSAFE_DATABASE", "true", True),
        ("UPSTREAM_HEARTBEAT_URL", "https://other.example/h/a/b", "https://other.example/h/a/b"),
        ("SMTP_PORT", "465", 465),
        ("SMTP_SECURITY", "TLS", "tls"),
        ("MAIL_FROM", "Status <status@example.org>", "Status <status@example.org>"),
        # As the file of a secret, a web page or `docker run --env-file` gives them.
        ("ADMIN_TOKEN", "a token\r\n", "a token"),
        ("ADMIN_TOKEN", "\ufeffa token\u200b\n", "a token"),
        ("ADMIN_TOKEN", '"a token"', '"a token"'),
        ("SMTP_PASSWORD", " secret \n", " secret "),
        ("DATABASE_URL", "postgresql://u:p@h/n\n", "postgresql://u:p@h/n"),
        ("DATABASE_URL", '"sqlite:////data/pulsemon.db"', "sqlite:////data/pulsemon.db"),
        ("BASE_URL", " https://status.example.org/\r\n", "https://status.example.org"),
        ("BASE_URL", "'https://status.example.org'", "https://status.example.org"),
        ("APP_PORT", "\u00a08088\n", 8088),
        ("APP_PORT", " \n", 8088),
        ("LOG_LEVEL", "debug\n", "DEBUG"),
        ("DEFAULT_LOCALE", "pt-BR\n", "pt-BR"),
        ("AVAILABILITY_TIMEZONE", "Europe/Lisbon\n", "Europe/Lisbon"),
        ("UPSTREAM_HEARTBEAT_URL", "https://other.example/h/a/b\n", "https://other.example/h/a/b"),
        ("MAIL_FROM", "status@example.org\n", "status@example.org"),
    ],
)
def test_what_a_variable_takes(variable: Set, name: str, text: str, value: Any) -> None:
    variable(name, text)

    assert held(name) == value


WRONG = [
    ("WORKER_INTERVAL_SEC", "soon", "a whole number"),
    ("WORKER_INTERVAL_SEC", "1.5", "a whole number"),
    ("WORKER_INTERVAL_SEC", "0", "at least 1"),
    ("WORKER_INTERVAL_SEC", "86401", "at most 86400"),
    ("PUBLIC_STATUS_TITLE", "x" * 201, "at most 200 characters"),
    ("APP_PORT", "0", "at least 1"),
    ("AUDIT_RETENTION_DAYS", "0", "at least 1"),
    ("APP_PORT", "65536", "at most 65535"),
    ("APP_PORT", "http", "a whole number"),
    ("BASE_URL", "status.example.org", "scheme and host without a path"),
    ("BASE_URL", "https://example.org/status", "scheme and host without a path"),
    ("BASE_URL", "javascript:alert(1)", "scheme and host without a path"),
    ("BASE_URL", "https://example.org:70000", "scheme and host without a path"),
    ("BASE_URL", "https://example.org:0", "scheme and host without a path"),
    ("TRUSTED_PROXIES", "my-proxy", "addresses or networks"),
    ("PANEL_HOST", "https://panel.example.org", "host names"),
    ("PANEL_HOST", "panel.example.org/x", "host names"),
    ("PANEL_HOST", "*.example.org", "host names"),
    ("PANEL_HOST", ",", "host names"),
    ("PANEL_HOST", ", ,", "host names"),
    ("APP_HOST", "a..b", "an address of this machine"),
    ("APP_HOST", "x\udcff", "an address of this machine"),
    ("APP_HOST", "a" * 64, "an address of this machine"),
    ("PUBLIC_STATUS_TITLE", "Status \x1b[31m", "text without control characters"),
    ("PUBLIC_STATUS_TITLE", "Status\nX-A: b", "text without control characters"),
    ("PUBLIC_STATUS_TITLE", "Sta\x85tus", "text without control characters"),
    ("PUBLIC_STATUS_TITLE", "Status \udcff", "UTF-8 text"),
    ("TRUSTED_PROXIES", "10.0.0.0/99", "addresses or networks"),
    ("OUTBOUND_ALLOW", "169.254.0.0/16", "single addresses"),
    ("OUTBOUND_ALLOW", "169.254.1.2,169.254.169.254", "a cloud metadata service"),
    ("OUTBOUND_PRIVATE", "perhaps", "allow or deny"),
    ("PING_BODY_LIMIT", "-1", "at least 0"),
    ("PING_BODY_LIMIT", "1000001", "at most 1000000"),
    ("PING_BODY_LIMIT", "10kB", "a whole number"),
    ("PING_RETENTION_DAYS", "0", "at least 1"),
    ("PING_RETENTION_DAYS", "3651", "at most 3650"),
    ("PING_RETENTION_COUNT", "0", "at least 1"),
    ("PING_RETENTION_COUNT", "many", "a whole number"),
    ("SMTP_HOST", "smtp.example.org:587", "the name or the address of a mail server"),
    ("SMTP_HOST", "https://smtp.example.org", "the name or the address of a mail server"),
    ("SMTP_PORT", "0", "at least 1"),
    ("SMTP_PORT", "smtp", "a whole number"),
    ("SMTP_SECURITY", "ssl", "starttls, tls or none"),
    ("SMTP_USERNAME", "x" * 257, "at most 256 characters"),
    ("MAIL_FROM", "status", "an address, or a name and an address"),
    ("MAIL_FROM", "Status <a@b.org> <c@d.org>", "an address, or a name and an address"),
    ("DEFAULT_LOCALE", "fr", "en or pt-BR"),
    ("AVAILABILITY_TIMEZONE", "Sao Paulo", "an IANA time zone, such as"),
    ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING or ERROR"),
    ("LOG_FORMAT", "xml", "console or json"),
    ("ALLOW_UNSAFE_DATABASE", "maybe", "true or false"),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRONG)
def test_a_wrong_value_gets_one_line_that_names_variable_value_and_rule(
    variable: Set, name: str, value: str, expected: str
) -> None:
    variable(name, value)

    line = refusal()

    assert line.startswith(f"{name} is {value[:80]!r}; it must be ")
    assert expected in line


@pytest.mark.parametrize(
    "value",
    [
        "mysql://root:hunter2@db/pulsemon",
        "hunter2",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///hunter2%00.db",
        "postgresql+asyncpg://u:hunter2@h/n",
        "postgresql://u:SE@hunter2/PW@127.0.0.1:1/d",
        "postgres://u:SE@hunter2@h/d",
        "postgresql+psycopg://u@server:SE@hunter2/P/W@h/d",
        "postgresql://u:SE@hunter2?PW@h/d",
        "postgresql://u:SE@hunter2/PW?x@h/d?sslmode=require",
    ],
)
def test_a_wrong_database_url_is_named_and_not_quoted(variable: Set, value: str) -> None:
    variable("DATABASE_URL", value)

    line = refusal()

    assert line.startswith("DATABASE_URL holds a wrong value; it must be ")
    assert "hunter2" not in line


@pytest.mark.parametrize("value", ["ftp://other.example/h/a/hunter2", "https://other.example:70000/h/a/hunter2"])
def test_a_wrong_heartbeat_url_is_not_quoted_either_for_it_holds_a_token(variable: Set, value: str) -> None:
    variable("UPSTREAM_HEARTBEAT_URL", value)

    line = refusal()

    assert line.startswith("UPSTREAM_HEARTBEAT_URL holds a wrong value; it must be an http or https URL")
    assert "hunter2" not in line


def test_a_token_that_nobody_could_type_is_refused(variable: Set) -> None:
    variable("ADMIN_TOKEN", "hunter2\udcff")

    line = refusal()

    assert line == "ADMIN_TOKEN holds a wrong value; it must be UTF-8 text."


def test_every_variable_that_can_be_wrong_is_among_the_wrong_ones() -> None:
    takes_anything = {"ADMIN_TOKEN", "ADMIN_SESSION_SECRET"}

    secret = {"DATABASE_URL", "UPSTREAM_HEARTBEAT_URL", "SMTP_PASSWORD", "SECRETS_KEY"}

    assert {name for name, *_ in WRONG} | secret | takes_anything == set(NAMES)


def test_a_wrong_mail_password_is_not_quoted(variable: Set) -> None:
    variable("SMTP_PASSWORD", "hunter2\r\nQUIT")

    assert refusal() == "SMTP_PASSWORD holds a wrong value; it must be one line of UTF-8 text."


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("BASE_URL", "SMTP_HOST is set, so BASE_URL must be set too: the links in mails lead there."),
        ("MAIL_FROM", "SMTP_HOST is set, so MAIL_FROM must be set too: mail is sent in its name."),
        ("SMTP_USERNAME", "SMTP_USERNAME and SMTP_PASSWORD go together: set both or neither."),
        ("SMTP_PASSWORD", "SMTP_USERNAME and SMTP_PASSWORD go together: set both or neither."),
    ],
)
def test_mail_without_all_that_it_needs_is_one_line_that_names_what_is_missing(
    variable: Set, missing: str, said: str
) -> None:
    for name, value in MAIL.items():
        variable(name, "" if name == missing else value)

    line = refusal()

    assert line == said
    assert "hunter2" not in line


MAIL = {
    "SMTP_HOST": "smtp.example.org",
    "SMTP_USERNAME": "me",
    "SMTP_PASSWORD": "hunter2",
    "MAIL_FROM": "Status <Status@example.org>",
    "BASE_URL": "https://status.example.org",
}


def test_mail_that_is_set_up_shows_its_password_nowhere(variable: Set) -> None:
    assert load().mail_server is None
    for name, value in MAIL.items():
        variable(name, value)

    server = load().mail_server

    assert server is not None
    assert (server.host, server.port, server.security, server.sender) == (
        "smtp.example.org",
        587,
        "starttls",
        ("Status", "status@example.org"),
    )
    assert server.password == "hunter2"
    assert "hunter2" not in repr(server) + repr(load())


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_variable_counts_as_unset(variable: Set, name: str) -> None:
    variable(name, "")

    assert held(name) == DEFAULTS[name]


@pytest.mark.parametrize("placeholder", sorted(PLACEHOLDERS))
@pytest.mark.parametrize("name", ["ADMIN_TOKEN", "ADMIN_SESSION_SECRET"])
def test_a_placeholder_counts_as_unset(variable: Set, name: str, placeholder: str) -> None:
    variable(name, f" {placeholder} ")

    assert held(name) == ""


CANARIES = dict.fromkeys(SECRETS, "c4nary-of-a-setting") | {
    "DATABASE_URL": "postgresql://pulse:c4nary-of-a-setting@db/x",
    "UPSTREAM_HEARTBEAT_URL": "https://up.example/c4nary-of-a-setting",
    "SECRETS_KEY": "c4nary" + "A" * 37 + "=",
}


def test_what_the_settings_keep_secret_is_what_the_documents_name() -> None:
    assert {name.upper() for name, value in load() if isinstance(value, SecretStr)} == SECRETS


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_stands_in_no_form_of_the_settings_and_is_told_to_the_redactor(variable: Set, name: str) -> None:
    for each, value in {
        "SMTP_HOST": "mail.example",
        "SMTP_USERNAME": "u",
        "SMTP_PASSWORD": "c4nary-of-a-setting",
    }.items():
        variable(each, value)
    variable("BASE_URL", "https://x.example")
    variable("MAIL_FROM", "a@x.example")
    variable(name, CANARIES[name])
    found = load()

    for shown in (repr(found), str(found), found.model_dump_json(), repr(found.model_dump()), f"{found.mail_server}"):
        assert "c4nary" not in shown
    assert CANARIES[name] in found.secrets()
    assert held(name) == CANARIES[name]


class TestFile:
    def write(self, *lines: str, encoding: str = "utf-8") -> None:
        Path(".env").write_bytes("\n".join(lines).encode(encoding))

    def test_the_env_file_of_the_working_directory_is_read(self) -> None:
        self.write("# a comment", "ADMIN_TOKEN=from-the-file", "APP_PORT=9000", "SOMEBODY_ELSES=1")

        assert (held("ADMIN_TOKEN"), load().app_port) == ("from-the-file", 9000)

    def test_real_variables_win(self, variable: Set) -> None:
        self.write("APP_PORT=9000", "LOG_LEVEL=ERROR")
        variable("APP_PORT", "9001")

        assert (load().app_port, load().log_level) == (9001, "ERROR")

    def test_an_empty_real_variable_does_not_hide_the_file(self, variable: Set) -> None:
        self.write("APP_PORT=9000")
        variable("APP_PORT", "")

        assert load().app_port == 9000

    def test_a_wrong_value_in_the_file_is_named_too(self) -> None:
        self.write("APP_PORT=eighty")

        assert refusal().startswith("APP_PORT is 'eighty'")

    def test_a_file_saved_by_a_windows_editor_is_read(self) -> None:
        Path(".env").write_bytes(b"\xef\xbb\xbfADMIN_TOKEN=t\r\nAPP_PORT=9000\r\n")

        assert (held("ADMIN_TOKEN"), load().app_port) == ("t", 9000)

    def test_a_file_that_powershell_wrote_is_read(self) -> None:
        for encoding in ("utf-16", "utf-8-sig"):
            text = "ADMIN_TOKEN=t\u00a0\r\nAPP_PORT= 9000\u200b\r\nPUBLIC_STATUS_TITLE=Situação\r\n"
            Path(".env").write_bytes(text.encode(encoding))

            assert (held("ADMIN_TOKEN"), load().app_port, load().public_status_title) == ("t", 9000, "Situação")

    def test_a_value_stands_as_written_and_no_other_variable_is_put_into_it(self, variable: Set) -> None:
        variable("HOME", "/root")
        self.write(
            "APP_HOST=10.0.0.1", "ADMIN_TOKEN=a${HOME}b$HOME${APP_HOST}${}$$", "DATABASE_URL='sqlite:///${HOME}'"
        )

        assert held("ADMIN_TOKEN") == "a${HOME}b$HOME${APP_HOST}${}$$"
        assert held("DATABASE_URL") == "sqlite:///${HOME}"

    def test_names_are_read_in_either_case_and_an_empty_line_counts_as_unset(self) -> None:
        self.write("app_port=9000", "LOG_LEVEL=", "DATABASE_URL")

        assert (load().app_port, load().log_level, held("DATABASE_URL")) == (9000, "INFO", DEFAULTS["DATABASE_URL"])

    def test_a_file_that_is_not_text_gets_one_line(self) -> None:
        self.write("PUBLIC_STATUS_TITLE=Situação", encoding="latin-1")

        assert ".env is not UTF-8 text" in refusal()


class TestExample:
    """`.env.example` against the program."""

    LINES = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    VALUES: ClassVar = dict(line.split("=", 1) for line in LINES if line and not line.startswith("#"))

    def test_it_names_every_variable_in_the_program_s_order(self) -> None:
        assert list(self.VALUES) == NAMES

    def test_it_shows_the_defaults_and_placeholders_that_count_as_unset(self, variable: Set) -> None:
        for name, value in self.VALUES.items():
            variable(name, value)

        assert load() == Settings(_env_file=None)  # type: ignore[call-arg]
        assert self.VALUES["ADMIN_TOKEN"] in PLACEHOLDERS
        assert self.VALUES["ADMIN_SESSION_SECRET"] in PLACEHOLDERS

    def test_docker_reads_it_as_we_do(self) -> None:
        for line in self.LINES:
            if not line or line.startswith("#"):
                continue
            assert re.fullmatch(r"[A-Z_]+=[^\"'#]*", line), line

    def test_copied_to_env_it_starts(self) -> None:
        Path(".env").write_text("\n".join(self.LINES), encoding="utf-8")

        assert load().app_port == 8088
