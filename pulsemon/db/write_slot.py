"""The one slot in which SQLite is written: whoever comes first writes first."""

from __future__ import annotations

import threading
from collections import deque


class WriteSlot:
    """A lock that serves its waiters in the order in which they came.

    Python's own lock may be taken again by the thread that just gave it back; under load the ping lane would then
    starve everybody else.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._is_held = False

    def acquire(self, timeout_sec: float) -> bool:
        """Wait at most *timeout_sec* for the slot; return whether it is now ours."""
        with self._mutex:
            if not self._is_held:
                self._is_held = True
                return True
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        if gate.acquire(timeout=timeout_sec):
            return True
        with self._mutex:
            if gate in self._waiting:
                self._waiting.remove(gate)
                return False
        return True  # it was handed over in the very moment we gave up

    def release(self) -> None:
        """Hand the slot to the next in line."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_held = False
