"""Passwords of users: which ones nobody may have, and what is kept of the others."""

from __future__ import annotations

import unicodedata

import pytest
from argon2 import PasswordHasher, extract_parameters

from pulsemon.accounts import passwords

GOOD = "a horse, a battery and a staple"


@pytest.fixture(scope="module")
def kept() -> str:
    return passwords.keep(GOOD)


def test_what_is_kept_matches_its_password_alone(kept: str) -> None:
    assert passwords.matches(GOOD, kept)
    for wrong in ("", GOOD + " ", GOOD.upper(), "\udcff", "x" * 10_000):
        assert not passwords.matches(wrong, kept)
    assert GOOD not in kept
    assert passwords.keep(GOOD) != kept


@pytest.mark.parametrize("kept", ["", "x", "$argon2id$v=19$m=1", "scrypt$1$1$1$a$b", "é"])
def test_nothing_matches_what_was_never_kept(kept: str) -> None:
    assert not passwords.matches(GOOD, kept)


def test_an_accent_may_be_typed_in_two_ways() -> None:
    kept = passwords.keep(unicodedata.normalize("NFD", "coração de estudante"))

    assert passwords.matches(unicodedata.normalize("NFC", "coração de estudante"), kept)


def test_nobodys_password_costs_what_a_users_does(kept: str) -> None:
    assert extract_parameters(passwords.nobodys()) == extract_parameters(kept)
    assert extract_parameters(kept).parallelism == 1


def test_other_parameters_are_out_of_date(kept: str) -> None:
    assert not passwords.is_outdated(kept)
    assert passwords.is_outdated(PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(GOOD))


@pytest.mark.parametrize(
    "password", [GOOD, "x9" + "abcdefghiklm", "日本語のパスワードです、長い", "a" * 11 + "bc", "q" * 99 + "rs"]
)
def test_there_are_no_rules_of_digits_and_signs(password: str) -> None:
    assert passwords.problem_of(password) is None


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("", "password-length"),
        ("eleven char", "password-length"),
        ("x" * 201, "password-length"),
        ("broken \udc80 surrogate", "password-length"),
        ("password1234", "password-common"),
        ("PASSWORD1234", "password-common"),
        ("1qaz2wsx3edc", "password-common"),
        ("aaaaaaaaaaaa", "password-common"),
        ("passwordpassword", "password-common"),
        ("123456789012", "password-common"),
        ("abcdefghijklm", "password-common"),
    ],
)
def test_what_is_tried_first_is_refused(password: str, problem: str) -> None:
    assert passwords.problem_of(password) == problem


def test_every_line_of_the_file_is_refused() -> None:
    lines = passwords._common()

    assert len(lines) > 300
    assert {passwords.problem_of(each) for each in lines} == {"password-common"}
