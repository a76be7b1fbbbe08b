"""What every route of the API is made of: bodies, parts of lists, instants."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pulsemon.input.rules import whole_number
from pulsemon.web.http.bodies import receive_up_to
from pulsemon.web.http.paging import AskedPart, read_long_part, read_part
from pulsemon.web.http.site import site_of
from pulsemon.web.http.turns import address_of

MAX_BODY_BYTES = 65_536
_TOO_LARGE = "The body is larger than 64 KiB."
# A thousand monitors of a kilobyte each; their names, slugs and intervals alone take 150 kB.
MAX_ARRAY_BYTES = 1_048_576
_ARRAY_TOO_LARGE = "The body is larger than 1 MiB."
# Decoding 64 KiB takes up to 6 ms, which the event loop has not; a thread costs a fiftieth.
_QUICK_BYTES = 8_192
# Answers hold tokens.
HEADERS = {"cache-control": "no-store"}


def instant(moment: datetime | None) -> str | None:
    """Return *moment* (aware, UTC) as the API writes it: `2025-09-18T16:42:10.000Z`."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def array(items: Iterable[Mapping[str, Any]], headers: Mapping[str, str], *, status_code: int = 200) -> Response:
    """Return an answer that is an array of *items*.

    They are encoded one by one: of ten thousand at once, no other thread could run for a tenth of a second.
    """
    encoded = [json.dumps(each, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for each in items]
    content = f"[{','.join(encoded)}]"
    return Response(content, status_code, HEADERS | dict(headers), media_type="application/json")


async def read_json(request: Request) -> object:
    """Return the decoded body, whatever Content-Type it names.

    Raises:
        HTTPException: 413 over 64 KiB, 400 for what is not JSON, not UTF-8 or nested too deep.
    """
    return await _decoded(request, await _receive(request, MAX_BODY_BYTES, _TOO_LARGE))


async def read_json_if_any(request: Request) -> object:
    """Return the decoded body as `read_json` does; None where there is none."""
    received = await _receive(request, MAX_BODY_BYTES, _TOO_LARGE)
    return await _decoded(request, received) if received else None


async def read_one_or_many(request: Request) -> object:
    """Return the decoded body as `read_json` does; one that is an array may be longer.

    Raises:
        HTTPException: 413 over 1 MiB, and over 64 KiB where it is no array; 400 as there.
    """
    received = await _receive(request, MAX_ARRAY_BYTES, _ARRAY_TOO_LARGE)
    if len(received) > MAX_BODY_BYTES and not received.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        raise HTTPException(413, _TOO_LARGE)
    return await _decoded(request, received)


async def _receive(request: Request, max_bytes: int, too_large: str) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > max_bytes):
        raise HTTPException(413, too_large, headers={"connection": "close"})
    return await receive_up_to(request, max_bytes, too_large=too_large)


async def _decoded(request: Request, received: bytes) -> object:
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
OptionalBody = Annotated[object, Depends(read_json_if_any)]
BodyOrMany = Annotated[object, Depends(read_one_or_many)]
Paging = Annotated[AskedPart, Depends(read_part)]
LongPaging = Annotated[AskedPart, Depends(read_long_part)]
