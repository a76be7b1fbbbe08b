"""Python's garbage collector: set for a process that serves for months, and back for one that goes on without it."""

from __future__ import annotations

import gc

# Fewer, later collections: the objects of a request die by reference counting.
_THRESHOLDS = (50_000, 20, 20)
_PYTHONS_OWN = gc.get_threshold()


def settle() -> None:
    """Leave what the start made out of every later collection: it stays as long as the process serves."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def unsettle() -> None:
    """Undo `settle`: what stayed may be collected, and is looked through as Python does by itself.

    Else each start within one process would leave a whole stopped application behind for ever.
    """
    gc.unfreeze()
    gc.set_threshold(*_PYTHONS_OWN)
