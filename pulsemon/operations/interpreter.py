"""Which mendings of Python itself matter to PulseMon, and whether the interpreter that runs has them.

A distribution mends an older version without changing its number (Debian's 3.11.2 has most), so a fault counts only
where its mending is not found: each names a trace that the mending left in the standard library. Only what a request or
a text can reach here is listed, with what stands in front of it; the rest is for whoever keeps the machine.

Source: the security announcements of Python, by their CVE.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import policy
from http import cookies
from urllib.parse import urlsplit

Version = tuple[int, int, int]
Series = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of Python: what it does, what of ours stands in front of it ('': nothing), and where it is mended.

    `mended`: the least patch level by series; a series that is not named had the mending from its first release.
    """

    cve: str
    effect: str
    guard: str
    mended: Mapping[Series, int]
    is_patched: Callable[[], bool]


def _refuses_brackets() -> bool:
    try:
        urlsplit("http://a[::1]b/")
    except ValueError:
        return True
    return False


FAULTS = (
    Fault(
        "CVE-2024-7592",
        "a cookie with backslashes takes seconds to read",
        "PulseMon reads its own cookies, by itself",
        {(3, 11): 10, (3, 12): 6},
        lambda: hasattr(cookies, "_unquote_sub"),
    ),
    Fault(
        "CVE-2024-6923",
        "a line break in a text can become a header of a mail",
        "PulseMon takes line breaks out of texts that become headers",
        {(3, 11): 10, (3, 12): 5},
        lambda: hasattr(policy.default, "verify_generated_headers"),
    ),
    Fault(
        "CVE-2025-0938",
        "a URL with brackets inside its host is read in another way than others read it",
        "webhooks are judged by the address that is connected to",
        {(3, 11): 12, (3, 12): 10, (3, 13): 3},
        _refuses_brackets,
    ),
)


def missing(running: Version | None = None) -> tuple[Fault, ...]:
    """Return the faults that this Python has; for another version than the one that runs, by its number alone."""
    version: Version = running or sys.version_info[:3]
    old = tuple(each for each in FAULTS if version[2] < each.mended.get(version[:2], 0))
    return old if running else tuple(each for each in old if not each.is_patched())


def least_version(faults: tuple[Fault, ...], series: Series | None = None) -> str:
    """Return the first version of a *series*, by default of the one that runs, that has none of *faults*."""
    wanted: Series = series or sys.version_info[:2]
    return f"{wanted[0]}.{wanted[1]}.{max(each.mended.get(wanted, 0) for each in faults)}"
