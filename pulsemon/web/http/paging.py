"""Parts of the API's lists: `limit` and `cursor` in the query, and the header that leads to the next part.

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

MAX_LIMIT = 1000
_LIMIT, _POSITION = re.compile(r"[0-9]{1,4}"), re.compile(r"[0-9]{1,10}")
_UNKNOWN = "This cursor is none that PulseMon gave out."


@dataclass(frozen=True, slots=True)
class AskedPart:
    """Which part of a list is asked for. `position` is what `cursor` stands for."""

    limit: int | None
    cursor: str | None
    position: int | None


def read_part(request: Request) -> AskedPart:
    """Read `limit` and `cursor`. Raises RequestValidationError, which does not repeat them."""
    return _read_part(request, LARGEST_ID)


def read_long_part(request: Request) -> AskedPart:
    """Read the same of a list by longer keys: ids of pings, instants."""
    return _read_part(request, LARGEST_LONG_ID)


def _read_part(request: Request, largest: int) -> AskedPart:
    limit, cursor = request.query_params.get("limit"), request.query_params.get("cursor")
    if limit is not None and not (_LIMIT.fullmatch(limit) and 1 <= int(limit) <= MAX_LIMIT):
        raise _bad_query("limit", f"This must be a whole number between 1 and {MAX_LIMIT}.", "range")
    position = None if cursor is None else read_cursor(cursor, largest=largest)
    if cursor is not None and position is None:
        raise _bad_query("cursor", _UNKNOWN, "cursor")
    return AskedPart(None if limit is None else int(limit), cursor, position)


def read_position(request: Request, name: str) -> int | None:
    """Read where a part of a panel's list begins; what is none of ours is the beginning of the list."""
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


def link(
    address: str, asked: AskedPart, following: int | None, kept: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the header `link` that leads from the part that was *asked* for to the next one.

    *following*: the key behind which that begins; the header is empty where it is None. *kept*: what else it asks for.
    """
    if following is None:
        return {}
    limit = {} if asked.limit is None else {"limit": str(asked.limit)}
    query = urlencode(dict(kept or {}) | limit | {"cursor": make_cursor(following)})
    return {"link": f'<{address}?{query}>; rel="next"'}
