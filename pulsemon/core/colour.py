"""Colours that people choose, made legible on the page's light and dark paper."""

from __future__ import annotations

# What text needs against its paper. Source: WCAG 2.2, 1.4.3.
MIN_CONTRAST = 4.5
# Of the page's papers the one that each scheme's text stands out from least (web/templates/public/status.css).
LIGHT_PAPER, DARK_PAPER = "#f5f6f8", "#171f29"
_STEPS = 25

Rgb = tuple[float, float, float]


def legible(colour: str, *, on: str, towards: str) -> str:
    """Return *colour* (`#rrggbb`), mixed with *towards* as little as it takes to be read on the paper *on*."""
    for number in range(_STEPS + 1):
        mixed = _mixed(colour, towards, number / _STEPS)
        if contrast(mixed, on) >= MIN_CONTRAST:
            return mixed
    return towards


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21. Source: WCAG 2.2, relative luminance."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(each) for each in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def _parts(colour: str) -> Rgb:
    return int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255


def _mixed(colour: str, other: str, share: float) -> str:
    pairs = zip(_parts(colour), _parts(other), strict=True)
    return "#" + "".join(f"{round(255 * (one + (two - one) * share)):02x}" for one, two in pairs)
