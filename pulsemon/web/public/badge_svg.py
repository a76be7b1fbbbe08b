"""A badge drawn as SVG: two boxes and two texts, no script, no style, nothing asked of anybody. Pure.

How wide a text is, nobody knows here: it is estimated, and `textLength` makes every font keep to that.
"""

from __future__ import annotations

import unicodedata
from xml.etree import ElementTree

from pulsemon.web.public import xml_text

# Opened by itself, it may load and run nothing at all.
POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
# Dark enough for white letters (WCAG 2, 4.5 to 1).
_FILLS = {
    "brightgreen": "#1a7f37",
    "green": "#4d7a00",
    "yellow": "#8a6100",
    "orange": "#b54708",
    "red": "#c01c28",
    "blue": "#0b5cad",
    "lightgrey": "#656d76",
}
_LABEL_FILL = "#3d444d"
_HEIGHT, _PADDING = 20, 6
# Longer names are cut: a badge is one line in somebody's text.
_MAX_LETTERS = 60
# Of an 11 pixel sans serif, roughly.
_NARROW, _USUAL, _BROAD, _WIDE = 4.0, 6.6, 9.0, 12.0


def draw(label: str, message: str, colour: str) -> bytes:
    """Return the badge; *colour* is one of shields.io's names."""
    label, message = _cut(xml_text.clean(label)), _cut(xml_text.clean(message))
    left, right = _width(label), _width(message)
    root = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": str(left + right),
            "height": str(_HEIGHT),
            "role": "img",
            "aria-label": f"{label}: {message}",
        },
    )
    ElementTree.SubElement(root, "title").text = f"{label}: {message}"
    _box(root, 0, left, _LABEL_FILL)
    _box(root, left, right, _FILLS[colour])
    texts = ElementTree.SubElement(
        root, "g", {"fill": "#fff", "font-family": "Verdana,DejaVu Sans,sans-serif", "font-size": "11"}
    )
    _text(texts, label, 0, left)
    _text(texts, message, left, right)
    return xml_text.to_bytes(root)


def _box(root: ElementTree.Element, x: int, width: int, fill: str) -> None:
    area = {"x": str(x), "width": str(width), "height": str(_HEIGHT), "fill": fill}
    ElementTree.SubElement(root, "rect", area)


def _text(parent: ElementTree.Element, text: str, x: int, width: int) -> None:
    area = {"x": str(x + _PADDING), "y": "14", "textLength": str(width - 2 * _PADDING)}
    ElementTree.SubElement(parent, "text", area | {"lengthAdjust": "spacingAndGlyphs"}).text = text


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_LETTERS else f"{text[: _MAX_LETTERS - 1]}…"


def _width(text: str) -> int:
    return round(sum(map(_advance, text))) + 2 * _PADDING


def _advance(letter: str) -> float:
    if unicodedata.combining(letter):
        return 0.0
    if unicodedata.east_asian_width(letter) in ("W", "F"):
        return _WIDE
    if letter in "iIjlft.,:;'|!()[] \u202f":
        return _NARROW
    return _BROAD if letter in "mwMW%@" else _USUAL
