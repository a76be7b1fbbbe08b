"""PulseMon: a self-hosted monitor of heartbeats with a public status page.

`pulsemon.monitor` decorates the functions of a job (pulsemon/client.py). It is imported when it is asked for.
"""

from __future__ import annotations

__version__ = "1.0.0"

# `typing` takes longer to import than everything that `pulsemon ping --help` does of its own.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pulsemon.client import monitor as monitor


def __getattr__(name: str) -> object:
    if name == "monitor":
        from pulsemon.client import monitor

        return monitor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
