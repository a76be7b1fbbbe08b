"""Which answers a reader has already, as If-None-Match says."""

from __future__ import annotations


def read_etags(if_none_match: str) -> frozenset[str]:
    """Return the tags that a header names, each in quotation marks; `*` stands for any.

    They are compared weakly: a proxy that compresses by itself marks a tag as weak. Source: RFC 9110, 13.1.2
    """
    return frozenset(each.strip().removeprefix("W/") for each in if_none_match.split(","))
