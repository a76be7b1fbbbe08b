"""Pages of the API's lists: `limit` and `cursor` in the query, and the header that leads to the next page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

from pulsemon import monitors
from pulsemon.errors import NotFound
from pulsemon.ping_chain import LARGEST_ID

MAX_PAGE = 1000
_LIMIT = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for. `position` is what `cursor` stands for."""

    limit: int | None
    cursor: str | None
    position: int | None


def read_page(request: Request) -> Page:
    """Read `limit` and `cursor`. Raises RequestValidationError, which does not repeat them."""
    return _read_page(request, monitors.LARGEST_POSITION)


def read_ping_page(request: Request) -> Page:
    """Read the same of a list of pings, whose ids are longer."""
    return _read_page(request, LARGEST_ID)


def _read_page(request: Request, largest: int) -> Page:
    limit, cursor = request.query_params.get("limit"), request.query_params.get("cursor")
    if limit is not None and not (_LIMIT.fullmatch(limit) and 1 <= int(limit) <= MAX_PAGE):
        raise _bad_query("limit", f"This must be a whole number between 1 and {MAX_PAGE}.", "range")
    try:
        position = None if cursor is None else monitors.read_cursor(cursor, largest=largest)
    except NotFound as unknown:
        raise _bad_query("cursor", str(unknown), "cursor") from None
    return Page(None if limit is None else int(limit), cursor, position)


def _bad_query(name: str, message: str, rule: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("query", name), "msg": message, "type": rule}])


def link(address: str, limit: int | None, cursor: str | None, kept: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the header that leads to the next page, none where nothing follows. *kept*: what else it asks for."""
    if cursor is None:
        return {}
    query = urlencode(dict(kept or {}) | ({} if limit is None else {"limit": str(limit)}) | {"cursor": cursor})
    return {"link": f'<{address}?{query}>; rel="next"'}
