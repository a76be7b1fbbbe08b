"""What counts as an e-mail address, and that none of it can be more than one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pulsemon.notify import mailbox


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ana@example.org", "ana@example.org"),
        ("  Ana.Maria+status@Example.ORG ", "ana.maria+status@example.org"),
        ("o'neil_x-1@mail.example.com.br", "o'neil_x-1@mail.example.com.br"),
        ("ana@maçã.example", "ana@xn--ma-tiap.example"),
        ("ana@MÜNCHEN.example", "ana@xn--mnchen-3ya.example"),
        ("a@1.example", "a@1.example"),
        (f"{'a' * 64}@example.org", f"{'a' * 64}@example.org"),
    ],
)
def test_what_is_an_address_is_kept_in_one_form(text: str, address: str) -> None:
    assert mailbox.read_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ana",
        "@example.org",
        "ana@",
        "ana@localhost",
        "ana@[127.0.0.1]",
        "ana@127.0.0.1",
        "ana@example.org.",
        "ana@-example.org",
        "ana@exam_ple.org",
        "ana@example..org",
        ".ana@example.org",
        "ana..maria@example.org",
        '"ana"@example.org',
        "Ana <ana@example.org>",
        "ana@example.org, eve@example.org",
        "ana@example.org\nBcc: eve@example.org",
        "ana@example.org\r\nRCPT TO:<eve@example.org>",
        "ana eve@example.org",
        "ána@example.org",
        "ana@example.org\0",
        "ana@exa\ud800mple.org",
        f"{'a' * 65}@example.org",
        f"a@{'b' * 250}.org",
        f"a@{'ü' * 200}.org",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    assert mailbox.read_address(text) is None


@given(st.text(max_size=80) | st.from_regex(r"[^@]{0,20}@[^@]{0,30}"))
@example("a@xn--a.org")
@example("ﬀ@ﬀ.org")
@example("a@b。org")
def test_whatever_is_taken_is_one_plain_address_and_stays_it(text: str) -> None:
    address = mailbox.read_address(text)
    if address is None:
        return
    assert address.isascii()
    assert address.isprintable()
    assert not set(address) & set(' <>,;:"()[]\\')
    assert address.count("@") == 1
    assert mailbox.read_address(address) == address


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("status@example.org", ("", "status@example.org")),
        ("<status@example.org>", ("", "status@example.org")),
        ("Páginas de status <Status@example.org>", ("Páginas de status", "status@example.org")),
        ('"Shop, Inc." <s@example.org>', ("Shop, Inc.", "s@example.org")),
        ("status", None),
        ("A <b> <c@example.org>", None),
        ("A\nB <c@example.org>", None),
        (f"{'x' * 71} <c@example.org>", None),
        ("A <c@example.org> B", None),
    ],
)
def test_the_sender_is_an_address_with_or_without_a_name(text: str, sender: tuple[str, str] | None) -> None:
    assert mailbox.read_sender(text) == sender


def test_a_masked_address_names_its_host_and_one_letter() -> None:
    assert mailbox.masked("ana@example.org") == "a•••@example.org"
