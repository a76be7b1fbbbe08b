"""What the environment says, read and checked once.

A wrong value raises `StartRefused` with one line that names the variable, what it holds (never a secret) and what
it may hold. `docs/configuration.md` and `.env.example` are held against this module by a test.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import idna
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from pulsemon import redaction, vault
from pulsemon.channels import mailbox
from pulsemon.channels.address import IPAddress, read_allowed
from pulsemon.channels.mail import MailServer, Security
from pulsemon.core.hosts import DEFAULT_PORTS, read_host
from pulsemon.core.schedule import zone_names
from pulsemon.errors import StartRefused
from pulsemon.settings_sources import EnvFile, Environment

# The values printed in .env.example (today's and the first PulseMon's): public knowledge, so they count as unset.
PLACEHOLDERS = frozenset({"change-this-token", "change-this-secret", "changeme", "change-me"})
_MAIL_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,45}")
# What may follow the path of a SQLite file: options as the first PulseMon's driver took them; none changes anything.
_OPTIONS = re.compile(r"([a-z_]+=[^&?/]*(&|$))*", re.IGNORECASE)
# An @ behind the one that ends the password, so that a piece of the password would be taken for the host and told in
# errors: before the path, in a path that goes on behind it, or in an option without a value.
_TORN_PASSWORD = re.compile(r"[^:/]*:[^@]*@(?:[^/?]*@|[^?]*/[^?]*@[^?]*/|[^?]*\?[^=]*@)")
_CONTROL = re.compile("[\x00-\x08\n\r\x0e-\x1f\x7f-\x9f]")  # a tab and its kind are blanks
_DATABASE_SCHEMES = ("sqlite", "sqlite+pysqlite", "postgresql", "postgres", "postgresql+psycopg")


class LogLevel(StrEnum):
    """Names of the standard library's levels."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LogFormat(StrEnum):
    """`console` for people, `json` for machines."""

    CONSOLE = "console"
    JSON = "json"


class OutboundPrivate(StrEnum):
    """Whether webhooks may go to private and loopback addresses."""

    ALLOW = "allow"
    DENY = "deny"


class Locale(StrEnum):
    """The languages PulseMon speaks."""

    EN = "en"
    PT_BR = "pt-BR"


_NONE = SecretStr("")
_DEFAULT_DATABASE = SecretStr("sqlite:///./pulsemon.db")


class Settings(BaseSettings):
    """Every variable PulseMon reads, in the order of `.env.example`. An empty value counts as unset.

    What is a `SecretStr` is masked in every log, error and `repr`; of `DATABASE_URL` that is the whole, for a password
    may stand in it.
    """

    # env_file: an empty list, so that only EnvFile reads .env; pydantic-settings' own source takes UTF-8 alone.
    model_config = SettingsConfigDict(env_file=(), env_ignore_empty=True, extra="ignore", frozen=True)

    admin_token: SecretStr = Field(default=_NONE, description="login of the panel and value of X-Admin-Token")
    admin_session_secret: SecretStr = Field(default=_NONE, description="signs the session cookie")
    secrets_key: SecretStr = Field(default=_NONE, description="seals what a stolen database must not tell")
    worker_interval_sec: int = Field(default=60, ge=1, le=86_400, description="seconds between full sweeps")
    public_status_title: str = Field(default="Status — PulseMon", max_length=200, description="title of the page")
    database_url: SecretStr = Field(default=_DEFAULT_DATABASE, description="where everything is kept")
    app_host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104 - the specification's
    app_port: int = Field(default=8088, ge=1, le=65_535, description="port to listen on")
    base_url: str = Field(default="", description="the address people reach PulseMon at")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("127.0.0.1", "::1"), description="peers whose X-Forwarded-* headers are believed"
    )
    panel_host: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="host names at which panel and API answer"
    )
    outbound_private: OutboundPrivate = Field(default=OutboundPrivate.ALLOW, description="webhooks to private hosts")
    outbound_allow: Annotated[tuple[IPAddress, ...], NoDecode] = Field(
        default=(), description="single addresses that webhooks may go to whatever network they are in"
    )
    ping_body_limit: int = Field(default=10_000, ge=0, le=1_000_000, description="bytes of a ping's body kept")
    ping_retention_days: int = Field(default=30, ge=1, le=3_650, description="days a ping is kept")
    ping_retention_count: int = Field(default=1_000, ge=1, le=1_000_000, description="newest pings kept per monitor")
    audit_retention_days: int = Field(default=365, ge=1, le=3_650, description="days it is kept who did what")
    upstream_heartbeat_url: SecretStr = Field(default=_NONE, description="asked for every minute while PulseMon works")
    smtp_host: str = Field(default="", description="the server that mail to subscribers is handed in at")
    smtp_port: int = Field(default=587, ge=1, le=65_535, description="its port")
    smtp_security: Security = Field(default=Security.STARTTLS, description="how the connection to it is encrypted")
    smtp_username: str = Field(default="", max_length=256, description="login there")
    smtp_password: SecretStr = Field(default=_NONE, description="login there")
    mail_from: str = Field(default="", description="who sends the mail: an address, or a name and <an address>")
    default_locale: Locale = Field(default=Locale.EN, description="language when the reader names none")
    availability_timezone: str = Field(default="UTC", description="whose days availability is counted by")
    log_level: LogLevel = Field(default=LogLevel.INFO, description="least level that is logged")
    log_format: LogFormat = Field(default=LogFormat.CONSOLE, description="form of a log line")
    allow_unsafe_database: bool = Field(default=False, description="start on a database that may lose acked pings")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from, the strongest first."""
        env_file = dotenv_settings.env_file if isinstance(dotenv_settings, DotEnvSettingsSource) else None
        path = ".env" if env_file == () else None
        return init_settings, Environment(settings_cls), EnvFile(settings_cls, path)

    @field_validator("admin_token", "admin_session_secret")
    @classmethod
    def _placeholder_is_unset(cls, secret: SecretStr) -> SecretStr:
        value = secret.get_secret_value().strip()
        # Bytes of the environment that are no UTF-8 arrive as surrogates, which no login could ever match.
        if any("\ud800" <= each <= "\udfff" for each in value):
            raise ValueError("UTF-8 text")
        return SecretStr("" if value in PLACEHOLDERS else value)

    @field_validator("secrets_key")
    @classmethod
    def _keys(cls, secret: SecretStr) -> SecretStr:
        value = secret.get_secret_value()
        if value:
            try:
                vault.read_keys(value)
            except ValueError:
                raise ValueError("the base64 of 32 bytes, or several with commas between them") from None
        return secret

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, secret: SecretStr) -> SecretStr:
        value = secret.get_secret_value()
        scheme = value.partition("://")[0]
        if "://" not in value or scheme not in _DATABASE_SCHEMES:
            raise ValueError("sqlite:///PATH, postgresql://USER:PASSWORD@HOST/NAME or the same with postgresql+psycopg")
        if scheme.startswith("sqlite") and not value.partition("://")[2].startswith("/"):
            raise ValueError("sqlite:///PATH with three slashes, four for an absolute path")
        if scheme.startswith("sqlite") and ("%00" in value or "\0" in value):
            raise ValueError("sqlite:///PATH, the path without a NUL")
        if scheme.startswith("sqlite") and value.partition("://")[2].lstrip("/") in ("", ":memory:"):
            raise ValueError("a file: sqlite:///./pulsemon.db (a database in memory would lose every ping)")
        if scheme.startswith("sqlite") and not _OPTIONS.fullmatch(value.partition("?")[2]):
            raise ValueError("sqlite:///PATH, a ? in the path written %3F and a % written %25")
        if scheme.startswith("postgres") and _TORN_PASSWORD.match(value.partition("://")[2]):
            raise ValueError("postgresql://USER:PASSWORD@HOST/NAME, in the password an @ written %40, / %2F and ? %3F")
        return secret

    @field_validator("public_status_title")
    @classmethod
    def _printable(cls, value: str) -> str:
        if _CONTROL.search(value):
            raise ValueError("text without control characters")
        return value

    @field_validator("app_host")
    @classmethod
    def _name_or_address(cls, value: str) -> str:
        """Refuse what the look-up of names does not even take; whether it is an address of ours turns out there."""
        with contextlib.suppress(UnicodeError):
            if b"\0" not in value.encode("idna"):
                return value
        raise ValueError("an address of this machine or a name of it, such as 127.0.0.1 or ::")

    @field_validator("base_url")
    @classmethod
    def _origin_only(cls, value: str) -> str:
        if not value:
            return value
        scheme, _, authority = value.partition("://")
        host = None if "%" in authority else read_host(authority.removesuffix("/"))
        if host is None or host.port == 0 or scheme.lower() not in DEFAULT_PORTS:
            raise ValueError("scheme and host without a path, such as https://status.example.org")
        return f"{scheme.lower()}://{host.in_url}"

    @field_validator("availability_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in zone_names():
            raise ValueError("an IANA time zone, such as UTC, America/Sao_Paulo or Europe/Lisbon")
        return value

    @field_validator("upstream_heartbeat_url")
    @classmethod
    def _web_address(cls, secret: SecretStr) -> SecretStr:
        value = secret.get_secret_value()
        is_one = re.match(r"https?://[^\s/]", value, re.IGNORECASE) and _has_a_port_that_exists(value)
        if value and not is_one:
            raise ValueError("an http or https URL, such as the ping URL of a monitor on another PulseMon")
        return secret

    @field_validator("smtp_security", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("smtp_host")
    @classmethod
    def _mail_host(cls, value: str) -> str:
        if not value.isascii():
            with contextlib.suppress(idna.IDNAError, UnicodeError):
                value = idna.encode(value, uts46=True).decode("ascii")
        if value and not _MAIL_HOST.fullmatch(value):
            raise ValueError("the name or the address of a mail server, such as smtp.example.org, without a port")
        return value

    @field_validator("smtp_username", "smtp_password")
    @classmethod
    def _login_text(cls, given: str | SecretStr) -> str | SecretStr:
        value = given if isinstance(given, str) else given.get_secret_value()
        if any("\ud800" <= each <= "\udfff" or each in "\0\r\n" for each in value):
            raise ValueError("one line of UTF-8 text")
        return given

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str) -> str:
        if value and mailbox.read_sender(value) is None:
            raise ValueError("an address, or a name and an address: Status <status@example.org>")
        return value

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if not self.smtp_host:
            return self
        # Links in mails are never made of what a request calls us.
        for name, why in (("base_url", "the links in mails lead there"), ("mail_from", "mail is sent in its name")):
            if not getattr(self, name):
                raise ValueError(f"SMTP_HOST is set, so {name.upper()} must be set too: {why}.")
        if bool(self.smtp_username) != bool(self.smtp_password):
            raise ValueError("SMTP_USERNAME and SMTP_PASSWORD go together: set both or neither.")
        return self

    def secrets(self) -> tuple[str, ...]:
        """Return every value that must be in no log and in no error; of URLs the whole, with the secret in it."""
        secrets = (value for _, value in self if isinstance(value, SecretStr))
        whole = tuple(value.get_secret_value() for value in secrets if value)
        return whole + tuple(each.strip() for each in self.secrets_key.get_secret_value().split(",") if each.strip())

    @property
    def mail_server(self) -> MailServer | None:
        """Return where mail is handed in; None where mail is not set up."""
        sender = mailbox.read_sender(self.mail_from)
        if not self.smtp_host or sender is None:
            return None
        return MailServer(
            host=self.smtp_host,
            port=self.smtp_port,
            security=self.smtp_security,
            sender=sender,
            username=self.smtp_username,
            password=self.smtp_password.get_secret_value(),
        )

    @field_validator("outbound_allow", mode="before")
    @classmethod
    def _single_addresses(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(read_allowed(entry.strip()) for entry in value.split(",") if entry.strip())

    @field_validator("panel_host", mode="before")
    @classmethod
    def _host_names(cls, value: Any) -> Any:
        """Names as `core.hosts` spells them; a port says nothing, for a proxy listens on another one."""
        if not isinstance(value, str):
            return value
        hosts = [read_host(entry.strip()) for entry in value.split(",") if entry.strip()]
        if not hosts or any(host is None for host in hosts):  # commas alone would open the panel at every name
            raise ValueError("host names, comma separated, such as panel.example.org,localhost")
        return tuple(dict.fromkeys(host.name for host in hosts if host is not None))

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _addresses(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        entries = tuple(entry.strip() for entry in value.split(",") if entry.strip())
        for entry in entries:
            try:
                ipaddress.ip_network(entry, strict=False)
            except ValueError:
                raise ValueError("addresses or networks, comma separated, such as 10.0.0.5,192.168.0.0/24") from None
        return entries


def _has_a_port_that_exists(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:  # the port is over 65535 or no number, or the address in brackets is none
        return False


def load() -> Settings:
    """Read the environment and the `.env` of the working directory; real variables win.

    Raises:
        StartRefused: a value is wrong, or `.env` cannot be read.
    """
    try:
        settings = Settings()
        redaction.know(*settings.secrets())
        return settings
    except ValidationError as wrong:
        raise StartRefused(_one_line(wrong)) from None
    except UnicodeDecodeError:
        raise StartRefused(".env is not UTF-8 text. Save it as UTF-8.") from None
    except OSError as wrong:
        raise StartRefused(f".env cannot be read: {wrong.strerror}.") from None


def _one_line(wrong: ValidationError) -> str:
    first = wrong.errors(include_url=False)[0]
    if not first["loc"]:  # what is wrong with several together is a sentence of its own
        return str(first["ctx"]["error"])
    name = str(first["loc"][0]).upper()
    is_secret = Settings.model_fields[name.lower()].annotation is SecretStr
    finding = "holds a wrong value" if is_secret else f"is {str(first['input'])[:80]!r}"
    context = first.get("ctx", {})
    expected = {
        "int_parsing": "a whole number",
        "int_parsing_size": "a whole number, and not so large",
        "string_unicode": "UTF-8 text",
        "int_from_float": "a whole number",
        "bool_parsing": "true or false",
        "greater_than_equal": f"at least {context.get('ge')}",
        "less_than_equal": f"at most {context.get('le')}",
        "string_too_long": f"at most {context.get('max_length')} characters",
        "enum": str(context.get("expected", "")).replace("'", ""),
    }.get(first["type"], str(context.get("error", first["msg"])))
    return f"{name} {finding}; it must be {expected}."
