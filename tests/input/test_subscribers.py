"""What a subscriber's fields may hold: what is documented is what is taken."""

from __future__ import annotations

import base64
import re

import pytest

from pulsemon.channels import webhook
from pulsemon.errors import Invalid
from pulsemon.input import subscribers
from pulsemon.input.subscribers import WebhookCreate


def is_taken(secret: str) -> bool:
    try:
        return (
            subscribers.from_json({"kind": "webhook", "address": "https://example.org/", "secret": secret}) is not None
        )
    except Invalid:
        return False


def is_documented(secret: str) -> bool:
    text, _null = WebhookCreate.model_json_schema()["properties"]["secret"]["anyOf"]
    return re.fullmatch(text["pattern"], secret) is not None


@pytest.mark.parametrize("size", range(20, 70))
def test_a_secret_of_each_length_is_documented_as_it_is_taken(size: int) -> None:
    secret = "whsec_" + base64.b64encode(bytes(size)).decode()

    assert is_taken(secret) is is_documented(secret) is (24 <= size <= 64)


def test_a_secret_as_pulsemon_makes_it_is_documented_and_taken() -> None:
    secret = webhook.new_secret()

    assert is_documented(secret)
    assert is_taken(secret)


@pytest.mark.parametrize("secret", ["generated", "whsec_********", "whsec_" + "A" * 43])
def test_what_is_no_secret_is_neither(secret: str) -> None:
    assert not is_documented(secret)
    assert not is_taken(secret)
