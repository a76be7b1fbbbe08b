"""Every cause has a sentence, in English and in Portuguese, and numbers survive the way through the database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.notes import NO_DETAIL, Detail, describe, read_cause
from pulsemon.core.status import Cause
from pulsemon.locale import translator

FULL = Detail(interval_seconds=240, grace_seconds=60, run_limit_seconds=90, exit_status=3)


@pytest.mark.parametrize(
    "detail",
    [FULL, NO_DETAIL, Detail(was_blind=True), Detail(was_blind=True, blind_count=2)],
    ids=["full", "empty", "blind", "blind twice"],
)
@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_sentence_without_a_hole(cause: Cause, detail: Detail) -> None:
    sentence = describe(cause, detail)

    assert sentence.endswith(".")
    assert "%" not in sentence


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_sentence_in_portuguese(cause: Cause) -> None:
    told = describe(cause, FULL, translate=translator("pt-BR").gettext)

    assert told != describe(cause, FULL)
    assert "%" not in told


def test_the_blind_half_of_a_note_is_portuguese_too() -> None:
    blind = Detail(interval_seconds=1, grace_seconds=1, was_blind=True)
    words = describe(Cause.SILENCE, blind, translate=translator("pt-BR").gettext)

    assert "blind" not in words


def test_silence_names_interval_and_grace() -> None:
    assert describe(Cause.SILENCE, FULL) == "No ping within the interval of 4 min and the grace of 1 min."


def test_a_failure_names_its_exit_status_if_there_was_one() -> None:
    assert describe(Cause.FAILURE, FULL) == "The job ended with exit status 3."
    assert describe(Cause.FAILURE, NO_DETAIL) == "The job reported a failure."


def test_a_failure_by_a_word_in_the_body_does_not_blame_the_exit_status() -> None:
    detail = Detail(exit_status=0, is_by_word=True)

    assert describe(Cause.FAILURE, detail) == "The job's output holds a word that means failure."
    assert describe(Cause.FAILURE, detail, translate=translator("pt-BR").gettext) == (
        "A saída da tarefa contém uma palavra que indica falha."
    )


def test_a_down_after_blindness_says_that_a_ping_may_have_been_lost() -> None:
    note = describe(Cause.SILENCE, Detail(interval_seconds=240, grace_seconds=0, was_blind=True))

    assert note.endswith("PulseMon was blind when one was due: a ping may have been lost.")


def test_a_down_after_several_blind_windows_says_how_many_there_were_in_both_languages() -> None:
    detail = Detail(interval_seconds=240, grace_seconds=0, was_blind=True, blind_count=3)
    english, portuguese = (
        describe(Cause.SILENCE, detail, translate=translator(locale).gettext) for locale in ("en", "pt-BR")
    )

    assert english.endswith(
        "PulseMon was blind 3 times since the last ping: several pings in a row may have been lost."
    )
    assert portuguese.endswith("3 vezes desde o último sinal: vários sinais seguidos podem ter se perdido.")


numbers = st.none() | st.integers(0, 10**9)


@given(st.builds(Detail, *[numbers] * 5, st.booleans(), st.booleans(), numbers, st.booleans()))
def test_a_detail_survives_the_database(detail: Detail) -> None:
    assert Detail.from_json(detail.to_json()) == detail


def test_a_detail_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert Detail.from_json('{"exit_status": 3, "weather": "fine"}') == Detail(exit_status=3)
    assert Detail.from_json(None) == NO_DETAIL


@pytest.mark.parametrize("stored", [None, "", "a-cause-of-a-later-version", "PING"])
def test_a_cause_that_is_not_known_is_none(stored: str | None) -> None:
    assert read_cause(stored) is None
    assert [read_cause(each.value) for each in Cause] == list(Cause)
