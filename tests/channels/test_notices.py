"""What a subscriber's webhook gets: JSON for programs, and a sentence where Discord or Slack would refuse it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.channels import webhook
from pulsemon.channels.message import Announcement
from pulsemon.channels.notices import NOBODY, Publisher
from tests.channels.test_letter import AT, PUBLISHER, told
from tests.channels.test_webhook import DISCORD, SLACK

PLAIN = "https://hooks.example.org/x"


def body(what: Announcement, *, url: str = PLAIN, locale: str = "en", publisher: Publisher = PUBLISHER) -> Any:
    return json.loads(webhook.announcement_body(what, url=url, locale=locale, publisher=publisher))


@pytest.mark.parametrize(("url", "key"), [(DISCORD, "content"), (SLACK, "text")])
def test_discord_and_slack_get_a_sentence_in_the_subscribers_language(url: str, key: str) -> None:
    plan = told(kind="maintenance", event="announced", starts_at=AT, ends_at=AT + timedelta(hours=1), status=None)

    said = body(plan, url=url, locale="pt-BR")
    sentence = said.pop(key).replace("\\", "")

    assert sentence == (
        "[Shop] Manutenção: Slow checkout – Planejada. De 02/03/2026 10:05 (horário de Brasília) a 02/03/2026 11:05 "
        "(horário de Brasília). All is well **again**. https://status.example.org/status/shop"
    )
    assert said == body(plan)


@pytest.mark.parametrize(("url", "key"), [(DISCORD, "content"), (SLACK, "text")])
def test_no_text_of_anybody_mentions_or_links(url: str, key: str) -> None:
    hostile = "@everyone <!channel> <@1> https://evil.example [x](http://evil.example)"

    sentence = body(told(title=hostile, page_title=hostile, text=hostile), url=url)[key]

    for part in ("@everyone", "<!channel>", "<@1>", "https://evil", "http://evil"):
        assert part not in sentence, part


@given(st.text(min_size=500, max_size=600))
def test_a_sentence_is_never_longer_than_discord_takes(text: str) -> None:
    what = told(title=text, page_title=text, text=text, monitors=(text,) * 50)

    assert len(body(what, url=DISCORD)["content"]) <= 2_000


def test_the_same_announcement_gives_the_same_bytes_and_half_a_pair_breaks_nothing() -> None:
    what = told(title="\ud800", text="\udfff", monitors=("\ud800",))

    first, second = (webhook.announcement_body(what, url=PLAIN, locale="en", publisher=NOBODY) for _ in range(2))

    assert first == second
    assert json.loads(first)["page"] == {"slug": "shop", "title": "Shop", "url": None}


def test_a_test_message_says_nothing_else() -> None:
    said = body(told(kind="test", event="test", title=None, text=None, status=None, monitors=(), public_id=""))

    assert said == {
        "type": "test",
        "page": {"slug": "shop", "title": "Shop", "url": "https://status.example.org/status/shop"},
        "occurred_at": "2026-03-02T13:05:00Z",
    }
