"""The fields of a form, as routes ask for them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException
from starlette.requests import Request

from pulsemon.input.rules import MAX_MONITORS
from pulsemon.web.http.bodies import MAX_FIELDS, read_fields, receive_up_to

# A text of 10,000 characters may be 90,000 bytes of a form, and the slugs of a thousand monitors 150,000.
MAX_LISTS_BYTES = 512 * 1024
_MAX_SMALL_BYTES = 4_096


async def read_form(request: Request) -> dict[str, str]:
    """Return name -> text of the fields of a form; files are refused. Raises HTTPException as `read_fields` does."""
    fields = await read_fields(request)
    return {name: value for name, value in fields.items() if isinstance(value, str)}


async def read_lists(request: Request) -> dict[str, list[str]]:
    """Return the text fields of a form, each with all its values: a box for each of many monitors, and long texts.

    Raises HTTPException as `read_fields` does.
    """
    fields = await read_fields(request, max_fields=MAX_MONITORS + MAX_FIELDS, max_bytes=MAX_LISTS_BYTES)
    return {name: [each for each in fields.getlist(name) if isinstance(each, str)] for name in fields}


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
FormLists = Annotated[dict[str, list[str]], Depends(read_lists)]
