"""What an owner says of a monitor, as it is kept: who it is, when it is expected, whom to tell, where it stands."""

from __future__ import annotations

from dataclasses import dataclass

from pulsemon.core.placement import NOWHERE_SPECIAL, Placement
from pulsemon.core.rules import NO_RULES, Rules


@dataclass(frozen=True, slots=True)
class Definition:
    """Each attribute is a column of `monitors`, save the secret, which has a table of its own, and the placement.

    How JSON and forms write them is said in `input.monitors`.
    """

    name: str
    slug: str
    interval_seconds: int | None = None
    grace_seconds: int = 0
    webhook_url: str | None = None
    webhook_secret: str | None = None
    max_run_seconds: int | None = None
    schedule: str | None = None
    timezone: str = "UTC"
    failures_to_down: int = 1
    successes_to_up: int = 1
    rules: Rules = NO_RULES
    placement: Placement = NOWHERE_SPECIAL
