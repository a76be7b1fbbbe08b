"""What counts as an e-mail address, and that none of it can be more than one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pulsemon.channels import mailbox


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


SAME = [
    ("ana@example.org", ["ana+news@example.org", "ana+a+b@example.org"]),
    ("anasilva@gmail.com", ["a.n.a.silva@gmail.com", "anasilva+x@googlemail.com", "ana.silva@googlemail.com"]),
    ("ana-silva@proton.me", ["anasilva@protonmail.com", "ana.silva@pm.me", "ana_silva+x@protonmail.ch"]),
    ("ana@yahoo.com.br", ["ana-shop@yahoo.com.br", "ana-a-b@yahoo.com.br"]),
    ("ana@icloud.com", ["ana@me.com", "ana+x@mac.com"]),
    ("ana.silva@yandex.ru", ["ana-silva@ya.ru", "ana.silva+x@yandex.com"]),
    ("ana@fastmail.com", ["anything@ana.fastmail.com", "ana+x@fastmail.com"]),
]
OTHERS = ["ana.silva@example.org", "ana-b@example.org", "ana@gmail.com", "+@example.org", "an@example.org"]


@pytest.mark.parametrize(("address", "spellings"), SAME, ids=lambda each: each if isinstance(each, str) else "")
def test_spellings_of_one_mailbox_are_one(address: str, spellings: list[str]) -> None:
    assert {mailbox.mailbox_of(each) for each in spellings} == {mailbox.mailbox_of(address)}


def test_other_mailboxes_are_others() -> None:
    every = [address for address, _ in SAME] + OTHERS
    assert len({mailbox.mailbox_of(each) for each in every}) == len(every)


@pytest.mark.parametrize(
    "typed",
    ["ANA+x@GMail.com", "ana@ｇｍａｉｌ.com", "ana@gmail。com", " ana@googlemail.com "],
)
def test_what_looks_like_another_name_is_read_before_it_is_compared(typed: str) -> None:
    read = mailbox.read_address(typed)
    assert read is not None
    assert mailbox.mailbox_of(read) == "ana@gmail.com"


@pytest.mark.parametrize("typed", ['"ana"@gmail.com', "ana@gmail.com.", "ａｎａ@gmail.com", "ana@[127.0.0.1]"])
def test_what_could_be_a_second_spelling_of_an_address_is_none(typed: str) -> None:
    assert mailbox.read_address(typed) is None


LOCAL = st.from_regex(r"[a-c+._-]{1,8}", fullmatch=True)
HOST = st.sampled_from([each.rpartition("@")[2] for address, more in SAME for each in [address, *more]])


@given(LOCAL, HOST, LOCAL, HOST)
def test_whoever_is_of_one_mailbox_is_found_by_its_patterns(local: str, host: str, other: str, another: str) -> None:
    one, two = (mailbox.read_address(each) for each in (f"{local}@{host}", f"{other}@{another}"))
    if one is None or two is None or mailbox.mailbox_of(one) != mailbox.mailbox_of(two):
        return
    assert any(two.startswith(beginning) and two.endswith(end) for beginning, end in mailbox.patterns_of(one))
