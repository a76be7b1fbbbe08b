"""A public page's style with its owner's colour, and the policy that lets it pass."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from pulsemon.core import colour
from pulsemon.web.html import rendering
from pulsemon.web.http.security import CSP

_STYLE = (rendering.TEMPLATES / "public/status.css").read_text(encoding="utf-8").strip()


@lru_cache(maxsize=64)
def style_of(accent: str | None) -> str:
    """Return the page's whole style; *accent* (`#rrggbb`) is made legible on light and on dark paper."""
    if accent is None:
        return _STYLE
    light = colour.legible(accent, on=colour.LIGHT_PAPER, towards="#000000")
    dark = colour.legible(accent, on=colour.DARK_PAPER, towards="#ffffff")
    return f"{_STYLE}:root{{--accent:light-dark({light},{dark})}}header{{border-top:.25rem solid var(--accent)}}"


@lru_cache(maxsize=64)
def policy_of(style: str) -> str:
    """Return the policy of a page that carries its style: one block, named by its hash, and nothing else inline."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return CSP.replace("style-src 'self'", f"style-src 'self' 'sha256-{digest}'")
