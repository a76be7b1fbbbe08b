"""What every route of the API is made of: bodies, parts of lists, instants."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import Depends, HTTPException
from starlette.requests import Request

from pulsemon.input.rules import whole_number
from pulsemon.web.http.bodies import receive_up_to
from pulsemon.web.http.paging import AskedPart, read_long_part, read_part
from pulsemon.web.http.site import site_of
from pulsemon.web.http.turns import address_of

MAX_BODY_BYTES = 65_536
_TOO_LARGE = "The body is larger than 64 KiB."
# Decoding 64 KiB takes up to 6 ms, which the event loop has not; a thread costs a fiftieth.
_QUICK_BYTES = 8_192
# Answers hold tokens.
HEADERS = {"cache-control": "no-store"}


def instant(moment: datetime | None) -> str | None:
    """Return *moment* (aware, UTC) as the API writes it: `2025-09-18T16:42:10.000Z`."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def read_json(request: Request) -> object:
    """Return the decoded body, whatever Content-Type it names.

    Raises:
        HTTPException: 413 over 64 KiB, 400 for what is not JSON, not UTF-8 or nested too deep.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > MAX_BODY_BYTES):
        raise HTTPException(413, _TOO_LARGE, headers={"connection": "close"})
    received = await receive_up_to(request, MAX_BODY_BYTES, too_large=_TOO_LARGE)
    if len(received) <= _QUICK_BYTES:
        return _decode(received)
    return await site_of(request).reading.run(address_of(request.scope), partial(_decode, received))


def _decode(received: bytes) -> object:
    try:
        # A number of thousands of digits is a number out of every range, not a fault of the JSON.
        # Windows' programs write a byte order mark before it.
        decoded: object = json.loads(received.decode("utf-8-sig"), parse_int=whole_number)
    except UnicodeDecodeError:
        raise HTTPException(400, "The body is not UTF-8.") from None
    except RecursionError:
        raise HTTPException(400, "The body is nested too deep.") from None
    except ValueError:
        raise HTTPException(400, "The body is not JSON.") from None
    return decoded


Body = Annotated[object, Depends(read_json)]
Paging = Annotated[AskedPart, Depends(read_part)]
LongPaging = Annotated[AskedPart, Depends(read_long_part)]
