"""Once more, please: before what matters, whoever has the session proves within 15 minutes that it is his.

A handler asks by `require_proof(request)`, before it changes anything. Where the proof is too old the answer is a page
that asks for it, and leads back to what was asked for with what was typed (`web.panel.proving`).
"""

from __future__ import annotations

from starlette.requests import Request

from pulsemon.accounts import sessions
from pulsemon.web.http.principals import session_id_of
from pulsemon.web.http.site import site_of


class ProofNeeded(Exception):
    """Nothing was done: whoever catches it asks for the proof."""


def require_proof(request: Request) -> None:
    """Return where the session's owner proved himself a short while ago. Raises ProofNeeded."""
    if not is_proved(request):
        raise ProofNeeded


def is_proved(request: Request) -> bool:
    """Return whether he did."""
    site = site_of(request)
    return sessions.is_proved(site.database, session_id_of(request), now=site.now())
