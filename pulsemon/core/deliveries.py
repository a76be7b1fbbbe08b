"""Where a delivery stands. Pure."""

from __future__ import annotations

from enum import StrEnum


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
