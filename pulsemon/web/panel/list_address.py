"""What an address asks of the list of monitors, and the addresses of its other parts. Pure.

Nothing in such an address is an error: what makes no sense is left out, and the list says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from pulsemon.core import search
from pulsemon.core.search import Wanted
from pulsemon.core.shown import Shown
from pulsemon.core.texts import N_
from pulsemon.db.types import is_storable
from pulsemon.monitors.listing import Ask, Cursor, Order

_NO_STATE = N_("The address names a state that there is not: monitors of all states are shown.")
_NO_ORDER = N_("The address names an order that there is not: what is wrong stands first.")
_NO_TEXT = N_("The address holds characters that no text can hold: that part of it is left out.")
_TOO_LONG = N_("The search is longer than 200 characters: what comes after them is left out.")
_NO_PLACE = N_("The address names a place in the list that there is not: this is its beginning.")
# No group, environment or tag is as long: what is cut fits none either.
_MAX_FILTER = 200
FIELDS = ("q", "state", "group", "environment", "tag", "sort")


@dataclass(frozen=True, slots=True)
class ListAddress:
    """The filters, the order and the place. `remarks`: what made no sense, in English."""

    q: str = ""
    state: Shown | None = None
    group: str = ""
    environment: str = ""
    tag: str = ""
    order: Order = Order.WORST
    after: Cursor | None = None
    before: Cursor | None = None
    remarks: tuple[str, ...] = ()

    @property
    def ask(self) -> Ask:
        """Return what the list is asked for."""
        return Ask(self.wanted, self.state, self.order)

    @property
    def wanted(self) -> Wanted:
        """Return what has to fit, whatever its state."""
        filters = {"groups": self.group, "environments": self.environment, "tags": self.tag}
        return search.read(self.q, **{name: [text] for name, text in filters.items() if text})

    @property
    def is_filtered(self) -> bool:
        """Return whether some monitors are left out."""
        return bool(self.wanted.parts) or self.state is not None

    @property
    def fields(self) -> dict[str, str]:
        """Return the filters and the order as the fields of a form; those that say nothing are missing."""
        order = "" if self.order is Order.WORST else self.order.value
        values = (self.q, self.state or "", self.group, self.environment, self.tag, order)
        return {name: str(value) for name, value in zip(FIELDS, values, strict=True) if value}

    def link(self, *, done: str = "", **changes: object) -> str:
        """Return the address with other filters, from the beginning; *done*: what is said there of an action."""
        changed = replace(self, **{"after": None, "before": None} | changes)  # type: ignore[arg-type]  # by name
        places = {"after": changed.after, "before": changed.before}
        kept = changed.fields | {name: place.to_text() for name, place in places.items() if place is not None}
        query = urlencode(kept | ({"done": done} if done else {}))
        return f"/?{query}" if query else "/"


def read(given: Mapping[str, str]) -> ListAddress:
    """Read the fields of an address or of a form."""
    texts = {name: text.strip() for name, text in given.items() if is_storable(text)}
    remarks = [_NO_TEXT] if any(name in given and name not in texts for name in FIELDS) else []
    state, order = texts.get("state", ""), texts.get("sort", "")
    if state and state not in tuple(Shown):
        remarks.append(_NO_STATE)
    if len(texts.get("q", "")) > search.MAX_TYPED:
        remarks.append(_TOO_LONG)
    if order and order not in tuple(Order):
        remarks.append(_NO_ORDER)
    ordered = Order(order) if order in tuple(Order) else Order.WORST
    after, before = (
        Cursor.from_text(given[name], ordered) if given.get(name) else None for name in ("after", "before")
    )
    # Pages had numbers once, and links to them may be kept somewhere.
    if any(given.get(name) for name in ("after", "before", "page")) and after is None and before is None:
        remarks.append(_NO_PLACE)
    return ListAddress(
        q=texts.get("q", "")[: search.MAX_TYPED],
        state=Shown(state) if state in tuple(Shown) else None,
        group=texts.get("group", "")[:_MAX_FILTER],
        environment=texts.get("environment", "")[:_MAX_FILTER],
        tag=texts.get("tag", "")[:_MAX_FILTER],
        order=ordered,
        after=after,
        before=before,
        remarks=tuple(remarks),
    )
