"""Mails about users' own accounts, owed through the outbox; the token of the link in one is sealed."""

from __future__ import annotations

import json
from datetime import datetime

from pulsemon.accounts.links import LIFETIMES, LinkKind
from pulsemon.channels import account_mail, registry
from pulsemon.channels.account_mail import AccountMail
from pulsemon.db import Database, deliveries
from pulsemon.db.deliveries import Owed
from pulsemon.db.types import to_text
from pulsemon.vault import Vault


def owe(
    database: Database, vault: Vault, kind: LinkKind, address: str, token: str, *, locale: str, now: datetime
) -> None:
    """Owe a mail with the link that *token* opens. Raises Conflict: there is no key to seal it with."""
    payload = {
        "kind": kind.value,
        "sealed": vault.seal(token, belongs_to=account_mail.belongs_to(address)),
        "expires_at": to_text(now + LIFETIMES[kind]) + "+00:00",
        "locale": locale,
    }
    owed = Owed(
        kind=AccountMail.kind,
        receiver=registry.receiver(AccountMail.kind, address),
        payload=json.dumps(payload, separators=(",", ":")),
        address=address,
    )
    with database.write() as connection:
        deliveries.owe(connection, [owed], now=now)
