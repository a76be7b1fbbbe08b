"""Python's garbage collector: set for a process that serves for months."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Fewer, later collections: the objects of a request die by reference counting.
_THRESHOLDS = (50_000, 20, 20)


@contextmanager
def no_collection() -> Iterator[None]:
    """Let imports go without a look for garbage, there or later: hardly anything of theirs is.

    The looks took a fifth of the start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def settle() -> None:
    """Leave what the start made out of every later collection: it stays as long as the process serves.

    Nothing undoes this at the stop: the process ends there, and a restart would wait for it. Where another start
    follows in the same process, that collects what the one before it left.
    """
    if gc.get_threshold() == _THRESHOLDS:
        gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
