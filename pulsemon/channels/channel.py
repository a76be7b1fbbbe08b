"""What a kind of channel is, and what it sends with. `registry` lists the kinds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from pulsemon.channels.http import GuardedClient
from pulsemon.channels.mail import Postman
from pulsemon.channels.message import Addressed, Outcome
from pulsemon.channels.notices import NOBODY, Publisher
from pulsemon.vault import NO_KEYS, Vault


@dataclass(frozen=True, slots=True)
class Means:
    """What is made once and shared by all kinds; whoever made it closes it.

    `locale` is the language of receivers that have none of their own. `postman` None: mail is not set up. `vault`
    opens what is sealed in messages.
    """

    client: GuardedClient
    locale: str
    publisher: Publisher = NOBODY
    postman: Postman | None = None
    vault: Vault = NO_KEYS


class Channel(Protocol):
    """One kind of channel. It opens no database and decides nothing about trying again; it logs nothing.

    `kind` is its name, in `deliveries.kind` too. `shared_receiver` is the receiver that all its
    messages share; None: the host and port of each address are one.
    """

    kind: ClassVar[str]
    shared_receiver: ClassVar[str | None]

    def __init__(self, means: Means) -> None: ...

    async def send(self, addressed: Addressed, *, sent_at: datetime) -> Outcome:
        """Send it once and return what came of it; nothing that a receiver or the network does raises."""
        ...
