"""A mail as bytes: its headers, its words in both languages, and that no text of anybody becomes a header."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pulsemon.channels import letter, notices
from pulsemon.channels.message import Announcement
from pulsemon.channels.notices import Publisher
from pulsemon.core import incidents
from pulsemon.core.incidents import IncidentStatus
from pulsemon.locale import LOCALES

AT = datetime(2026, 3, 2, 13, 5, tzinfo=UTC)
TOKEN = "T" * 43
PUBLISHER = Publisher("https://status.example.org", "Status — PulseMon")
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "References",
    "Auto-Submitted",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
]


def told(**changes: Any) -> Announcement:
    values: dict[str, Any] = {
        "message_id": "msg_0123456789abcdef",
        "kind": "incident",
        "event": "resolved",
        "at": AT,
        "page_slug": "shop",
        "page_title": "Shop",
        "timezone": "America/Sao_Paulo",
        "public_id": "k3Jd83kd",
        "title": "Slow checkout",
        "text": "All is well **again**.",
        "status": "resolved",
        "monitors": ("API", "Web"),
    }
    return Announcement(**values | changes)


def write(what: Announcement, *, locale: str = "en", publisher: Publisher = PUBLISHER, **changes: Any) -> bytes:
    values: dict[str, Any] = {"sender": ("Páginas", "status@example.org"), "to": "ana@example.org", "token": TOKEN}
    return letter.write(what, locale=locale, publisher=publisher, written_at=AT, **values | changes)


def read(content: bytes) -> EmailMessage:
    return cast(EmailMessage, message_from_bytes(content, policy=default))


def text_of(content: bytes) -> str:
    return str(read(content).get_content()).replace("\r\n", "\n")


def test_an_incident_in_english_and_in_portuguese() -> None:
    english, portuguese = (read(write(told(), locale=locale)) for locale in ("en", "pt-BR"))

    assert english["Subject"] == "[Shop] Incident: Slow checkout – Resolved"
    assert portuguese["Subject"] == "[Shop] Incidente: Slow checkout – Resolvido"
    link = f"https://status.example.org/subscriptions/{TOKEN}/unsubscribe"
    assert english.get_content().splitlines() == [
        "Incident: Slow checkout – Resolved",
        "",
        "Time: 2 Mar 2026, 10:05 (Brasilia Time)",
        "Affects: API, Web",
        "",
        "All is well **again**.",
        "",
        "More: https://status.example.org/status/shop/history/k3Jd83kd",
        "",
        "-- ",
        "You get this because you subscribed to Shop.",
        f"Unsubscribe: {link}",
    ]
    assert "Horário: 02/03/2026 10:05 (horário de Brasília)" in portuguese.get_content()
    assert english["List-Unsubscribe"] == f"<{link}>"
    assert english["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert english["Auto-Submitted"] == "auto-generated"
    assert english["Message-ID"] == "<msg_0123456789abcdef@status.example.org>"


def test_maintenance_says_from_when_to_when() -> None:
    plan = told(kind="maintenance", event="announced", status=None, starts_at=AT, ends_at=AT + timedelta(hours=2))

    text = text_of(write(plan, locale="pt-BR"))

    assert text.startswith("Manutenção: Slow checkout – Planejada\n")
    assert "Início: 02/03/2026 10:05 (horário de Brasília)\nFim: 02/03/2026 12:05 (horário de Brasília)\n" in text


def test_an_automatic_incident_is_told_in_the_words_of_the_public_page() -> None:
    many = told(title=None, text=None, status="investigating", monitors=tuple(f"M{number}" for number in range(13)))
    one = told(title=None, text=None, status="resolved", monitors=("Backup",))

    assert notices.title_of(many, "en") == "13 monitors are down"
    assert "Affects: M0, M1, M2, M3, M4, M5, M6, M7, M8, M9 and 3 more" in read(write(many)).get_content()
    assert notices.heading(one, "en") == "Incident: Backup was down – Resolved"
    assert notices.heading(one, "pt-BR") == "Incidente: Backup esteve fora do ar – Resolvido"
    for each, status in ((many, IncidentStatus.INVESTIGATING), (one, IncidentStatus.RESOLVED)):
        assert f"\n\n{incidents.text(None, status)}\n\n" in text_of(write(each))


def test_the_mail_that_asks_has_a_link_to_confirm_and_nothing_of_anybody_s() -> None:
    content = write(told(kind="confirm", event="confirm", title=None, text=None, monitors=(), public_id=""))
    mail = read(content)

    assert mail["Subject"] == "[Shop] Please confirm your subscription"
    assert f"https://status.example.org/subscriptions/{TOKEN}/confirm\n" in text_of(content)
    assert "List-Unsubscribe" not in mail


def test_a_page_without_a_title_has_the_one_of_the_settings() -> None:
    assert read(write(told(page_title=None)))["Subject"].startswith("[Status — PulseMon] ")


def test_the_same_announcement_gives_the_same_bytes() -> None:
    assert write(told()) == write(told())


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    "hostile",
    [
        "Title\r\nBcc: eve@evil.example\r\n\r\n<html>",
        "Title\nX-Evil: 1",
        "\ud800 half a pair \udfff",
        "😀" * 60,
        "é" * 200,
        "=?utf-8?q?Bcc=3A_eve=40evil=2Eexample?=",
        "x" * 200,
        "a\u2028b\u202ec\x00d\x1b[31m",
        "",
        ".\r\n.",
        "From me",
    ],
    ids=[
        "headers",
        "line feed",
        "surrogates",
        "emoji",
        "accents",
        "encoded word",
        "long",
        "controls",
        "",
        "dots",
        "From",
    ],
)
def test_no_text_of_anybody_becomes_a_header_or_ends_the_mail(locale: str, hostile: str) -> None:
    content = write(told(title=hostile, page_title=hostile, text=hostile, monitors=(hostile,) * 3), locale=locale)
    mail = read(content)

    assert list(mail.keys()) == HEADERS
    assert mail["To"] == "ana@example.org"
    assert "\n" not in str(mail["Subject"])
    lines = content.split(b"\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert all(byte < 128 for byte in content)
    assert b"\n" not in content.replace(b"\r\n", b"")
    words = content.partition(b"\r\n\r\n")[0].split()
    assert all(len(word) <= 75 for word in words if word.startswith(b"=?"))


@given(st.text(max_size=250), st.text(max_size=250))
@example("\r", "\x85")
def test_any_text_gives_a_mail_that_reads_back(title: str, text: str) -> None:
    content = write(told(title=title, page_title=title, text=text, monitors=(title,)))
    mail = read(content)

    assert list(mail.keys()) == HEADERS
    assert mail["Message-ID"] == "<msg_0123456789abcdef@status.example.org>"
    assert text_of(content).endswith(f"/subscriptions/{TOKEN}/unsubscribe\n")


def test_a_link_to_a_long_host_is_one_line_that_a_mail_reader_finds() -> None:
    host = ".".join(["a" * 60] * 4)
    mail = write(told(), publisher=Publisher(f"https://{host}", "x"), to=f"{'b' * 64}@{host[:180]}.org")

    line = f"List-Unsubscribe: <https://{host}/subscriptions/{TOKEN}/unsubscribe>\r\n"
    assert line.encode() in mail
    assert f"\r\nTo: {'b' * 64}@".encode() in mail


def test_a_long_name_of_the_sender_leaves_the_address_as_it_is() -> None:
    address = f"{'s' * 64}@{'long.' * 20}example.org"

    mail = read(write(told(), sender=("Página “de”, status; " * 3, address)))

    assert mail["From"].addresses[0].addr_spec == address
    assert mail["From"].addresses[0].display_name.startswith("Página “de”, status;")


def test_two_messages_about_one_incident_belong_together() -> None:
    first, second = (read(write(replace(told(), message_id=name))) for name in ("msg_1", "msg_2"))

    assert first["References"] == second["References"] == "<incident-k3Jd83kd@status.example.org>"
    assert first["Message-ID"] != second["Message-ID"]
