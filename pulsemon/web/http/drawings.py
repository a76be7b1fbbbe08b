"""Parts of pages that many readers look at while they change: drawn once for all who look alike, and sent as changes.

A drawing is rows of text between a head and a foot. Who has an earlier one is sent the rows that changed since.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

# So many different lists are kept; each is about 100 kB.
MAX_KEPT = 32
# Earlier drawings of a list that changes can be told from.
MAX_EARLIER = 4
# At most one drawing a second; where drawing takes long it may take this share of a core.
REST_SEC = 1.0
SHARE = 25
# The words "3 min ago" become wrong without any change.
LONGEST_SEC = 10.0
# Of gzip: beyond this level the processor gains nothing that the network would notice.
LEVEL = 5
# Numbers that only grow: what a drawing is made of has not changed while they are the same.
Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """What was drawn: `rows` by the id of each, in order."""

    head: str
    rows: Mapping[int, str]
    foot: str
    etag: str = field(init=False)
    _answers: dict[str, tuple[bytes, bytes]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Name it by its content."""
        whole = "\0".join((self.head, *self.rows.values(), self.foot))
        object.__setattr__(self, "etag", f'"{hashlib.sha256(whole.encode()).hexdigest()[:20]}"')

    def changes(self, since: Drawing | None) -> tuple[bytes, bytes]:
        """Return what has to be sent to who has *since* (None: nothing): JSON, and the same compressed."""
        key = "" if since is None else since.etag
        found = self._answers.get(key)
        if found is None:
            text = json.dumps(self._changes(since), ensure_ascii=False).encode()
            found = self._answers[key] = (text, gzip.compress(text, LEVEL, mtime=0))
        return found

    def _changes(self, since: Drawing | None) -> dict[str, Any]:
        told: dict[str, Any] = {"etag": self.etag, "order": list(self.rows)}
        known: Mapping[int, str] = {} if since is None else since.rows
        told["rows"] = {each: html for each, html in self.rows.items() if known.get(each) != html}
        if since is None or since.head != self.head:
            told["head"] = self.head
        if since is None or since.foot != self.foot:
            told["foot"] = self.foot
        return told


@dataclass(slots=True)
class _Kept:
    drawings: list[Drawing] = field(default_factory=list)  # the newest last
    version: Version = (-1,)
    drawn_at: float = 0.0
    rest_sec: float = REST_SEC
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Answer:
    """The newest drawing; `earlier`: the one that the reader has, if it is known; when to ask again, in seconds.

    `is_new`: it was drawn for this answer.
    """

    drawing: Drawing
    earlier: Drawing | None
    ask_again_sec: float
    is_new: bool


class Drawings:
    """Drawings by whatever makes them differ. Any thread; one draws, the others get what there was."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self,
        key: Hashable,
        draw: Callable[[], Drawing],
        *,
        version: Version,
        etags: Container[str] = (),
        at_once: bool = False,
    ) -> Answer:
        """Return the drawing of *key*: as it is while nothing changed, that is at this *version*, else drawn anew.

        More often than it may be drawn, what there is is given out, with the time to ask again; *at_once*: to nobody
        who opens a page, because he may have changed something himself.
        """
        kept, is_new = self._find(key), False
        if not self._is_good(kept, version, at_once) and kept.lock.acquire(blocking=at_once or not kept.drawings):
            try:
                if not self._is_good(kept, version, at_once):
                    self._draw(kept, draw, version)
                    is_new = True
            finally:
                kept.lock.release()
        drawings = tuple(kept.drawings)
        earlier = next((each for each in drawings if each.etag in etags), None)
        rest = kept.rest_sec
        if kept.version != version:  # there is something newer, which may be drawn in a moment
            rest = max(0.1, rest - (self._monotonic() - kept.drawn_at))
        return Answer(drawings[-1], earlier, rest, is_new)

    def _find(self, key: Hashable) -> _Kept:
        with self._lock:
            kept = self._kept.setdefault(key, _Kept())
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
            return kept

    def _is_good(self, kept: _Kept, version: Version, at_once: bool) -> bool:
        if not kept.drawings or (at_once and kept.version < version):
            return False
        age = self._monotonic() - kept.drawn_at
        # What no change tells of, such as a blind window that another node noted, whoever opens the page sees.
        return age < (LONGEST_SEC if kept.version == version and not at_once else kept.rest_sec)

    def _draw(self, kept: _Kept, draw: Callable[[], Drawing], version: Version) -> None:
        began = self._monotonic()
        drawing = draw()
        kept.drawn_at = self._monotonic()
        kept.rest_sec = min(LONGEST_SEC, max(REST_SEC, SHARE * (kept.drawn_at - began)))
        kept.version = version
        if drawing.etag not in (each.etag for each in kept.drawings):
            kept.drawings.append(drawing)
            del kept.drawings[:-MAX_EARLIER]
        elif kept.drawings[-1].etag != drawing.etag:  # as it was before
            kept.drawings.sort(key=lambda each: each.etag == drawing.etag)
