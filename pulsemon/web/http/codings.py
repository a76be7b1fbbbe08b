"""Whether a reader takes an answer compressed."""

from __future__ import annotations

import re

# "0" to three places: not at all.
_REFUSED = re.compile(r"q=0(?:\.0{0,3})?")


def takes_gzip(accept_encoding: str) -> bool:
    """Return what the header Accept-Encoding says of gzip; `*` is what is not named. Source: RFC 9110, 12.5.3."""
    said: dict[str, bool] = {}
    for entry in accept_encoding.lower().replace(" ", "").replace("\t", "").split(","):
        coding, _, weight = entry.partition(";")
        said.setdefault(coding, _REFUSED.fullmatch(weight) is None)
    return said.get("gzip", said.get("*", False))
