"""The kinds of channels."""

from __future__ import annotations

from pulsemon.channels.account_mail import AccountMail
from pulsemon.channels.channel import Channel, Means
from pulsemon.channels.email import Email
from pulsemon.channels.webhook import Webhook
from pulsemon.core import retries

_KINDS: tuple[type[Channel], ...] = (
    Webhook,
    Email,
    AccountMail,
)
KINDS = {each.kind: each for each in _KINDS}
# Each with limits of its own; how long an attempt lasted says nothing of whoever is next in it.
SHARED_RECEIVERS = frozenset(each.shared_receiver for each in _KINDS if each.shared_receiver is not None)


def channels(means: Means) -> dict[str, Channel]:
    """Return one channel of each kind, by its name."""
    return {name: kind(means) for name, kind in KINDS.items()}


def receiver(kind: str, address: str) -> str:
    """Return the receiver of what goes to *address* by a channel of *kind*."""
    shared = KINDS[kind].shared_receiver
    return retries.receiver(address) if shared is None else shared
