"""Pages of the API's lists: `limit` and `cursor` in the query, and the header that leads to the next page.

A cursor stands for the key that `core.keyset` goes by.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

from pulsemon.core.keyset import LARGEST_ID, LARGEST_LONG_ID

MAX_PAGE = 1000
_LIMIT, _POSITION = re.compile(r"[0-9]{1,4}"), re.compile(r"[0-9]{1,10}")
_UNKNOWN = "This cursor is none that PulseMon gave out."


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for. `position` is what `cursor` stands for."""

    limit: int | None
    cursor: str | None
    position: int | None


def read_page(request: Request) -> Page:
    """Read `limit` and `cursor`. Raises RequestValidationError, which does not repeat them."""
    return _read_page(request, LARGEST_ID)


def read_long_page(request: Request) -> Page:
    """Read the same of a list by longer keys: ids of pings, instants."""
    return _read_page(request, LARGEST_LONG_ID)


def _read_page(request: Request, largest: int) -> Page:
    limit, cursor = request.query_params.get("limit"), request.query_params.get("cursor")
    if limit is not None and not (_LIMIT.fullmatch(limit) and 1 <= int(limit) <= MAX_PAGE):
        raise _bad_query("limit", f"This must be a whole number between 1 and {MAX_PAGE}.", "range")
    position = None if cursor is None else read_cursor(cursor, largest=largest)
    if cursor is not None and position is None:
        raise _bad_query("cursor", _UNKNOWN, "cursor")
    return Page(None if limit is None else int(limit), cursor, position)


def read_position(request: Request, name: str) -> int | None:
    """Read where a page of a panel's list begins; what is none of ours is the beginning of the list."""
    asked = request.query_params.get(name, "")
    is_one = _POSITION.fullmatch(asked) and int(asked) <= LARGEST_ID
    return int(asked) if is_one else None


def _bad_query(name: str, message: str, rule: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("query", name), "msg": message, "type": rule}])


def make_cursor(position: int) -> str:
    """Return *position* in a form that nobody is tempted to compute with."""
    return base64.urlsafe_b64encode(f"after:{position}".encode()).decode().rstrip("=")


def read_cursor(cursor: str, *, largest: int = LARGEST_ID) -> int | None:
    """Return the position that `make_cursor` wrote, at most *largest*; None for anything else."""
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        position = int(text.removeprefix("after:"))
    except ValueError:
        return None
    return position if make_cursor(position) == cursor and 0 <= position <= largest else None


def link(address: str, page: Page, following: int | None, kept: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the header `link` that leads from *page* to the next one; empty where nothing is *following*.

    *following*: the key behind which it begins. *kept*: what else it asks for.
    """
    if following is None:
        return {}
    limit = {} if page.limit is None else {"limit": str(page.limit)}
    query = urlencode(dict(kept or {}) | limit | {"cursor": make_cursor(following)})
    return {"link": f'<{address}?{query}>; rel="next"'}
