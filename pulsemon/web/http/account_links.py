"""Links by which users set a password, handed out: mailed where mail is set up, and shown to owners."""

from __future__ import annotations

from starlette.requests import Request

from pulsemon import log
from pulsemon.accounts import letters, links
from pulsemon.accounts.links import LinkKind
from pulsemon.accounts.roles import Action, allowed
from pulsemon.accounts.users import UserView
from pulsemon.channels import mailbox
from pulsemon.errors import Conflict
from pulsemon.web.http.principals import principal_of
from pulsemon.web.http.site import Site, site_of

_log = log.get(__name__)


def hand_out(request: Request, user: UserView, kind: LinkKind, token: str, *, locale: str | None = None) -> str:
    """Return the address of a link that was made for *user*, to be copied; mail it to him where mail is set up.

    It is empty for whoever is no owner: he could choose that password himself, and be somebody else in every project
    that gives this address a role.
    """
    site = site_of(request)
    mail(site, user.email, kind, token, locale=locale)
    if not allowed(principal_of(request), Action.OWN, None):
        return ""
    return site.origin(request) + links.path_of(kind, token)


def mail(site: Site, email: str, kind: LinkKind, token: str, *, locale: str | None = None) -> bool:
    """Owe a mail with the link; return whether one is on its way."""
    address = mailbox.read_address(email)
    if site.settings.mail_server is None or address is None:
        return False
    try:
        language = locale or site.settings.default_locale.value
        letters.owe(site.database, site.vault, kind, address, token, locale=language, now=site.now())
    except Conflict as refused:  # no key to seal it with; the link can be copied all the same
        _log.warning("account_mail.not_written", reason=str(refused))
        return False
    site.wake()
    return True
