"""XML documents out of texts that people wrote, whatever is in them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

# What XML 1.0 cannot hold, escaped or not. Source: https://www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Return *text* with U+FFFD for what XML cannot hold; markup in it is escaped by `to_bytes`."""
    return _NOT_XML.sub("\ufffd", text)


def to_bytes(root: ElementTree.Element) -> bytes:
    """Return the document as UTF-8."""
    return ElementTree.tostring(root, encoding="unicode").encode()
