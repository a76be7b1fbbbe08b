"""A message as the outbox keeps it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.channels.message import KEYS, Announcement, Message, read_stored
from pulsemon.core.deliveries import MONITOR, to_stored
from pulsemon.subscribers import announcements
from tests.conftest import at

values = st.one_of(st.none(), st.integers(), st.text())


@given(st.lists(values, min_size=len(KEYS), max_size=len(KEYS)))
def test_a_message_survives_the_outbox(found: list[str | int | None]) -> None:
    told = dict(zip(KEYS, found, strict=True))

    assert read_stored("msg_1", to_stored(MONITOR, told)) == Message("msg_1", told)


@given(st.permutations(KEYS), st.booleans())
def test_stored_keys_come_back_in_the_order_of_the_original_specification(keys: list[str], says_kind: bool) -> None:
    """Until schema 0009 a monitor's message said no kind."""
    stored = "{" + ", ".join(f'"{key}": 1' for key in keys) + ', "later": 2' + ', "kind": "monitor"}' * says_kind
    read = read_stored("msg_1", stored + "}" * (not says_kind))

    assert isinstance(read, Message)
    assert tuple(read.payload) == KEYS


@pytest.mark.parametrize("kind", ["incident", "maintenance", "confirm", "test"])
def test_what_subscribers_are_told_survives_the_outbox(kind: str) -> None:
    page = {"slug": "shop", "title": None, "timezone": "UTC"}
    stored = announcements.payload_of(kind, "opened", page=page, at=at("10:00"), monitors=["API"], title="Slow")

    assert read_stored("msg_1", stored) == Announcement(
        "msg_1", kind, "opened", at("10:00"), "shop", None, "UTC", title="Slow", monitors=("API",)
    )


@pytest.mark.parametrize("payload", [{}, dict.fromkeys(reversed(KEYS), 1), dict.fromkeys((*KEYS, "more"), 1)])
def test_a_message_of_other_keys_cannot_be_built(payload: dict[str, str | int | None]) -> None:
    with pytest.raises(ValueError, match="slug, name, status"):
        Message("msg_1", payload)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "1",
        "{",
        "[" * 100_000,
        '{"slug": "a"}',
        '{"kind": "monitor", "slug": "a"}',
        '{"kind": "incident"}',
        '{"kind": "of a later version"}',
        '{"kind": []}',
        to_stored("incident", dict.fromkeys(KEYS, 1)),
    ],
)
def test_what_is_no_message_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ValueError):
        read_stored("msg_1", text)
