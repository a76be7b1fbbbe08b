"""The fields of a form, as routes ask for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException
from starlette.requests import Request

from pulsemon.input.rules import MAX_MONITORS
from pulsemon.web.http.bodies import MAX_FIELDS, MAX_FORM_BYTES, read_fields, receive_up_to

# A text of 10,000 characters may be 90,000 bytes of a form, and the slugs of a thousand monitors 150,000.
MAX_LISTS_BYTES = 512 * 1024
_MAX_SMALL_BYTES = 4_096
_Lists = dict[str, list[str]]


async def read_form(request: Request) -> dict[str, str]:
    """Return name -> text of the fields of a form; files are refused. Raises HTTPException as `read_fields` does."""
    fields = await read_fields(request)
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def lists_up_to(max_fields: int, *, max_bytes: int = MAX_FORM_BYTES) -> Callable[[Request], Awaitable[_Lists]]:
    """Return what reads name -> all texts of the fields of a form. It raises HTTPException as `read_fields` does."""

    async def read(request: Request) -> _Lists:
        fields = await read_fields(request, max_fields=max_fields, max_bytes=max_bytes)
        return {name: [each for each in fields.getlist(name) if isinstance(each, str)] for name in fields}

    return read


async def read_small_form(request: Request) -> dict[str, str]:
    """Return name -> text of the fields of a form that any visitor may send: a password, an e-mail address.

    It is small enough to be read in the event loop, without a thread.

    Raises:
        HTTPException: 413, it is larger than either can be; 400, it did not arrive, or has more fields than any form.
    """
    received = await receive_up_to(request, _MAX_SMALL_BYTES, too_large="The form is too large.")
    try:
        fields = parse_qsl(received.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise HTTPException(400, f"The form has more than {MAX_FIELDS} fields.") from None
    return dict(fields)


Form = Annotated[dict[str, str], Depends(read_form)]
SmallForm = Annotated[dict[str, str], Depends(read_small_form)]
# A box for each of many monitors, and long texts.
FormLists = Annotated[_Lists, Depends(lists_up_to(MAX_MONITORS + MAX_FIELDS, max_bytes=MAX_LISTS_BYTES))]
