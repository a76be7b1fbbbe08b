"""How the core marks a text that a person will read. It knows no languages itself."""

from __future__ import annotations


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for "translate this later"
    """Mark *text* for the catalogues without translating it now."""
    return text
