"""Where a delivery stands, and the one form in which messages are kept. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class DeliveryState(StrEnum):
    """What `deliveries.state` holds."""

    PENDING = "pending"  # owed: due, being sent, or resting until its next attempt
    HELD = "held"  # held back by maintenance
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"
    CANCELLED = "cancelled"  # never to be sent: its receiver is gone, or it tells no news any more


# Nothing came of these yet.
UNSETTLED = (DeliveryState.PENDING, DeliveryState.HELD)
# By these a receiver knows what they say, or will; what was given up it was told as well as can be.
TOLD = (DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.GIVEN_UP)

# The kind of channel that a monitor's own webhook is.
WEBHOOK = "webhook"
# What a stored message is about, where it tells of one monitor.
MONITOR = "monitor"


def to_stored(kind: str, told: Mapping[str, Any]) -> str:
    """Return a message as it is kept: JSON, in which `kind` says what it is about.

    `channels.message.read_stored` reads it.
    """
    text = json.dumps({"kind": kind} | dict(told), ensure_ascii=False)
    # Half a surrogate pair of a damaged database would be refused by the database, and the transition with it.
    return text.encode("utf-8", "replace").decode()
