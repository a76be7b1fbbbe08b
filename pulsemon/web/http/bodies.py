"""Bodies of forms: received in the event loop up to their limit, then read in threads of their own.

A form that chooses a thousand monitors has as many fields, and its library looks at it byte by byte in Python: 50 ms
and more, for which the event loop, and with it every ping, would stand still.
"""

from __future__ import annotations

import asyncio

from fastapi import HTTPException
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from pulsemon.web.http.site import site_of
from pulsemon.web.http.turns import address_of

# Where the body that was received stands in the scope of a request.
RECEIVED_KEY = "pulsemon.body"
# A text of 10,000 characters may be 90,000 bytes of a form; such forms say so, others have this.
MAX_FORM_BYTES = 65_536
MAX_FIELDS = 50
# Of one field, counted as it is sent: a letter may be nine bytes.
MAX_PART_BYTES = 128 * 1024


async def receive_up_to(request: Request, max_bytes: int, *, too_large: str) -> bytes:
    """Return the whole body.

    Raises:
        HTTPException: 413, it is larger than *max_bytes*, with *too_large* for its text; 400, it did not arrive.
    """
    if RECEIVED_KEY in request.scope:  # a form that was read, and is to be carried on
        kept: bytes = request.scope[RECEIVED_KEY]
        return kept
    received = bytearray()
    try:
        async for chunk in request.stream():
            received += chunk
            if len(received) > max_bytes:
                # The rest is not read, so the connection cannot serve another request.
                raise HTTPException(413, too_large, headers={"connection": "close"})
    except ClientDisconnect:
        raise HTTPException(400, "The body did not arrive.") from None
    request.scope[RECEIVED_KEY] = bytes(received)
    return bytes(received)


async def read_fields(
    request: Request, *, max_fields: int = MAX_FIELDS, max_files: int = 0, max_bytes: int = MAX_FORM_BYTES
) -> FormData:
    """Return the fields of a form, whichever way it is encoded.

    Raises:
        HTTPException: 413, it is larger than *max_bytes*; 400, it cannot be read.
    """
    received = await receive_up_to(request, max_bytes, too_large="The form is too large.")

    async def receive() -> Message:
        return {"type": "http.request", "body": received, "more_body": False}

    async def parse() -> FormData:
        whole = Request(request.scope, receive)
        part_bytes = min(max_bytes, MAX_PART_BYTES)
        return await whole.form(max_files=max_files, max_fields=max_fields, max_part_size=part_bytes)

    # The parser is written for an event loop, which its thread makes for it: a file over 1 MB goes to the disk there.
    return await site_of(request).reading.run(address_of(request.scope), lambda: asyncio.run(parse()))
