"""Where a login leads to: the page that was asked for, or the form that was sent after its session had ended."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote_plus, urlencode

from starlette.datastructures import FormData
from starlette.requests import Request

# In an address: draw the form as it was sent, and do nothing else. Routes say by `redraws` that they can.
DRAW = "draw"
# In the login's address: what led here was not done.
UNDONE = "undone"
# JSON can write what no page can hold.
_BROKEN = re.compile(r"[\ud800-\udfff]")
# Longer addresses are none of ours.
MAX_ADDRESS_LENGTH = 2_000
# Two backslashes or a tab are two slashes to a browser, and two slashes are another host.
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]")
# Texts of 10,000 characters, in any script, as a form sends them. What is longer cannot be kept through a login.
MAX_KEPT_BYTES = 128 * 1024
# What nobody wants to see in the source of a page; the rest was on the screen.
_SECRET = frozenset({"token", "password", "password_again", "old_password", "code"})


class LoginNeeded(Exception):
    """A form was sent without a session; whoever catches it shows the login, and *keeps_form* if it can come back."""

    def __init__(self, *, keeps_form: bool) -> None:
        super().__init__()
        self.keeps_form = keeps_form


def read_address(text: str) -> str:
    """Return *text* if it is an address on this host that a login may lead to; "" for any other."""
    if not text.startswith("/") or text.startswith("//") or len(text) > MAX_ADDRESS_LENGTH or _UNSAFE.search(text):
        return ""
    path, _, query = text.partition("?")
    if path == "/":  # the list of monitors as somebody asked for it; not the login itself
        return text if query and not {"next", UNDONE} & dict(parse_qsl(query, keep_blank_values=True)).keys() else ""
    return "" if path in ("/login", "/logout", "/prove", "/forgot") else text


def address_of(request: Request) -> str:
    """Return the address that a request asks for, as it was sent; "" if no login may lead to it."""
    path, query = path_of(request), request.scope["query_string"].decode("latin-1")
    return read_address(f"{path}?{query}" if query else path)


def path_of(request: Request) -> str:
    """Return the path that a request asks for, as it was sent."""
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return raw_path.partition(b"?")[0].decode("latin-1")


def login_address(request: Request) -> str:
    """Return the address of the login that leads back to what *request* asks for."""
    wanted = address_of(request)
    return f"/?next={quote_plus(wanted)}" if wanted else "/"


def undone_address(page: str) -> str:
    """Return the address of the login that says that nothing was done, and leads to *page* on this host."""
    wanted = read_address(page)
    return f"/?next={quote_plus(wanted)}&{UNDONE}=yes" if wanted else f"/?{UNDONE}=yes"


@dataclass(frozen=True, slots=True)
class KeptForm:
    """A form that was sent without a session: to which address, and the fields in their order; no files, no secrets.

    `project`: the slug of the one that it was opened in, where its address said so.
    """

    address: str
    fields: tuple[tuple[str, str], ...]
    project: str = ""

    @property
    def sent_address(self) -> str:
        """Return the address that it was sent to."""
        return f"{self.address}?{urlencode({'project': self.project})}" if self.project else self.address

    @property
    def drawing_address(self) -> str:
        """Return the address that draws it again and does nothing else."""
        return f"{self.address}?{urlencode({DRAW: 'yes'} | ({'project': self.project} if self.project else {}))}"

    def to_text(self) -> str:
        """Return what `from_text` reads; "" where it is too long to be carried through a login."""
        text = json.dumps([self.address, self.fields, self.project], ensure_ascii=False)
        return text if len(quote_plus(text)) <= MAX_KEPT_BYTES else ""

    @classmethod
    def from_text(cls, text: str) -> KeptForm | None:
        """Read what `to_text` wrote; None for anything else, for it comes back from a browser."""
        try:
            address, fields, *said = json.loads(text)
            project = said[0] if said else ""  # a page of the version before says nothing of it
            kept = tuple((name, value) for name, value in fields)
        except (ValueError, TypeError, RecursionError):
            return None
        texts: Sequence[object] = [address, project, *(part for pair in kept for part in pair)]
        if not all(isinstance(each, str) and not _BROKEN.search(each) for each in texts) or not read_address(address):
            return None
        # `DRAW` is put behind it, and would be part of a query or a fragment that stands there.
        if "?" in address or "#" in address:
            return None
        return cls(address, kept, project)


def kept_form(request: Request, fields: FormData) -> KeptForm:
    """Return what is kept of a form that *request* sent."""
    texts = [(name, value) for name, value in fields.multi_items() if isinstance(value, str)]
    kept = tuple((name, value) for name, value in texts if name not in _SECRET)
    return KeptForm(read_address(path_of(request)), kept, request.query_params.get("project", ""))
