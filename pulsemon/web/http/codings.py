"""Whether a reader takes an answer compressed."""

from __future__ import annotations


def takes_gzip(accept_encoding: str) -> bool:
    """Return what the header Accept-Encoding says of gzip. Source: RFC 9110, 12.5.3."""
    for entry in accept_encoding.lower().split(","):
        coding, _, parameters = entry.partition(";")
        if coding.strip() in ("gzip", "*"):
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
