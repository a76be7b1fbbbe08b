"""What an owner says of a plan of maintenance: when it is, what it concerns, who is told of it."""

from __future__ import annotations

from dataclasses import dataclass

from pulsemon.core.maintenance import Plan


@dataclass(frozen=True, slots=True)
class Definition:
    """`monitors`: slugs; None: all of the project. How JSON and the form write them is said in `input.maintenance`."""

    title: str
    plan: Plan
    description: str | None = None
    monitors: tuple[str, ...] | None = None
    announce_hours: int = 168
    tells_subscribers: bool = True
