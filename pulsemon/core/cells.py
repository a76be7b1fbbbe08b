"""Cells of a table that a spreadsheet reads."""

from __future__ import annotations

# What spreadsheets take for the beginning of a formula, the full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(text: str) -> str:
    """Return *text* so that no spreadsheet computes with it."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
