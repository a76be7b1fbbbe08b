"""Ports that are a test's alone, however many test runs share the machine.

The usual way, to let the system choose a port, close it and name it to a server, is a race. The system chooses from the
range of which outgoing connections take theirs: a client that knocks while a server is away may be given the server's
own port, and may even be connected with itself. So these ports lie below that range, in blocks, and a process locks the
block that it gives them out of.
"""

from __future__ import annotations

import os
import random
import socket
import tempfile
from itertools import cycle
from pathlib import Path

# Above 10,080, which browsers take for another service's and do not open.
_LOWEST = 10_500
# Of these one process gives out one after the other, so that a port rests for a long time before it comes again.
_BLOCK = 500
_locks: list[int] = []  # held until this process ends


def _first_outgoing() -> int:
    """Return where the range of outgoing connections begins."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        return 32_768  # what Linux has by default; other systems begin higher


def _own_block() -> range:
    """Lock a block that no other process has, and return it; empty where there is none."""
    try:
        import fcntl
    except ImportError:
        return range(0)
    folder = Path(tempfile.gettempdir()) / f"pulsemon-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    starts = list(range(_LOWEST, _first_outgoing() - _BLOCK, _BLOCK))
    random.shuffle(starts)
    for start in starts:
        lock = os.open(folder / str(start), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        _locks.append(lock)
        return range(start, start + _BLOCK)
    return range(0)


_block = _own_block()
_next_ports = cycle(_block)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens, and that no other test is given."""
    for port, _ in zip(_next_ports, _block, strict=False):
        if _is_free(port):
            return port
    with socket.socket() as probe:  # no block, or somebody else's programs fill it
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
