"""A message as the outbox keeps it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.channels.message import KEYS, Message

values = st.one_of(st.none(), st.integers(), st.text())


@given(st.lists(values, min_size=len(KEYS), max_size=len(KEYS)))
def test_a_message_survives_the_outbox(found: list[str | int | None]) -> None:
    message = Message("msg_1", dict(zip(KEYS, found, strict=True)))

    assert Message.from_stored("msg_1", message.to_stored()) == message


@given(st.permutations(KEYS))
def test_stored_keys_come_back_in_the_order_of_the_original_specification(keys: list[str]) -> None:
    stored = "{" + ", ".join(f'"{key}": 1' for key in keys) + ', "later": 2}'

    assert tuple(Message.from_stored("msg_1", stored).payload) == KEYS


@pytest.mark.parametrize("payload", [{}, dict.fromkeys(reversed(KEYS), 1), dict.fromkeys((*KEYS, "more"), 1)])
def test_a_message_of_other_keys_cannot_be_built(payload: dict[str, str | int | None]) -> None:
    with pytest.raises(ValueError, match="slug, name, status"):
        Message("msg_1", payload)


@pytest.mark.parametrize("text", ["", "[]", "1", '{"slug": "a"}', "{"])
def test_what_is_no_message_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ValueError):
        Message.from_stored("msg_1", text)
