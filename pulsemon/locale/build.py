"""Make the catalogues: collect the strings of the source, merge them into the .po file, compile it; and names of zones.

    python -m pulsemon.locale.build            after changing a string; then translate what is new in the .po file
    python -m pulsemon.locale.build --check    exit status 1 when something is missing, unclear or out of date

Development only: Babel is not needed to run PulseMon.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog, Message

_PACKAGE = Path(__file__).parent.parent
_FOLDER = Path(__file__).parent / "pt_BR" / "LC_MESSAGES"
PO_FILE = _FOLDER / "pulsemon.po"
MO_FILE = _FOLDER / "pulsemon.mo"
ZONES_FILE = Path(__file__).parent / "zones.json"
_METHODS = [("**/templates/**.html", "jinja2"), ("**.py", "python")]
# `_` and `_n` are the bound methods of the words of a page; N_ marks what is translated later.
_KEYWORDS = {"gettext": None, "ngettext": (1, 2), "_": None, "_n": (1, 2), "N_": None}
_WIDTH = 110


def build() -> None:
    """Bring the .po file up to date with the source and compile it."""
    from babel.messages.pofile import write_po

    catalogue = _read()
    catalogue.update(_extract(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    _with_header(catalogue)
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with PO_FILE.open("wb") as out:
        write_po(out, catalogue, width=_WIDTH, sort_output=True, omit_header=False, include_lineno=False)
    MO_FILE.write_bytes(_compiled(catalogue))
    ZONES_FILE.write_text(_zones(), encoding="utf-8")


def problems() -> Iterator[str]:
    """Yield what is wrong with the catalogue, one line each."""
    kept = _read()
    wanted = {_key(message) for message in _messages(_extract())}
    there = {_key(message) for message in _messages(kept)}
    for key in sorted(wanted - there):
        yield f"not in the .po file: {key!r}"
    for key in sorted(there - wanted):
        yield f"no longer in the source: {key!r}"
    for message in _messages(kept):
        texts = [message.string] if isinstance(message.string, str) else list(message.string or ("",))
        if message.fuzzy:
            yield f"fuzzy: {_key(message)!r}"
        elif not all(texts):
            yield f"not translated: {_key(message)!r}"
        else:
            yield from (f"{_key(message)!r}: {error}" for error in message.check(kept))
    if not MO_FILE.is_file() or MO_FILE.read_bytes() != _compiled(kept):
        yield "the .mo file is not what the .po file says"
    if not ZONES_FILE.is_file() or ZONES_FILE.read_text(encoding="utf-8") != _zones():
        yield "zones.json does not hold the names that Babel has"


def _extract() -> Catalog:
    """Collect every string of the package that is marked for translation."""
    from babel.messages.catalog import Catalog
    from babel.messages.extract import extract_from_dir

    found = Catalog(locale="pt_BR", project="PulseMon", fuzzy=False)
    options = {"**/templates/**.html": {"trimmed": "true"}}
    for path, _, texts, comments, context in extract_from_dir(
        str(_PACKAGE), _METHODS, options, keywords=_KEYWORDS, strip_comment_tags=True
    ):
        found.add(texts, locations=[(f"pulsemon/{path}", 0)], auto_comments=comments, context=context)
    return found


def _read() -> Catalog:
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po

    catalogue = Catalog(locale="pt_BR")
    if PO_FILE.is_file():
        with PO_FILE.open("rb") as source:
            catalogue = read_po(source, locale="pt_BR")
    return _with_header(catalogue)


def _with_header(catalogue: Catalog) -> Catalog:
    """Set what Babel would fill with today's date and placeholders: the same strings must give the same bytes."""
    catalogue.header_comment = "# PulseMon in Brazilian Portuguese. MIT, as the rest of PulseMon."
    catalogue.project = "PulseMon"
    catalogue.version = ""
    catalogue.msgid_bugs_address = ""
    catalogue.last_translator = catalogue.language_team = "PulseMon"
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    catalogue.fuzzy = False
    return catalogue


def _compiled(catalogue: Catalog) -> bytes:
    from babel.messages.mofile import write_mo

    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    return compiled.getvalue()


def _zones() -> str:
    """Return the names of time zones by language, as CLDR has them; a zone that it has no name for is left out."""
    from babel import Locale
    from babel.core import get_global

    aliases, of_zone = get_global("zone_aliases"), get_global("meta_zones")
    named = {zone: of_zone.get(zone) or of_zone.get(aliases.get(zone, "")) for zone in sorted({*of_zone, *aliases})}
    # CLDR goes on calling a zone as it was first called, Asia/Calcutta; browsers and owners say Asia/Kolkata.
    named |= {aliases[zone]: meta for zone, meta in named.items() if zone in aliases and not named.get(aliases[zone])}
    found: dict[str, dict[str, str]] = {}
    for tag in ("en", "pt_BR"):
        names = {key: value.get("long", {}) for key, value in Locale.parse(tag).meta_zones.items()}
        each = {zone: _zone_name(zone, names[meta]) for zone, meta in named.items() if meta in names}
        found[tag.replace("_", "-")] = {zone: name for zone, name in sorted(each.items()) if name}
    return json.dumps(found, ensure_ascii=False, indent=0) + "\n"


def _zone_name(zone: str, names: Mapping[str, str]) -> str:
    """Return what the zone is called all year: the name of its winter would be wrong in its summer."""
    if "generic" in names:
        return names["generic"]
    winter, summer = (datetime(2026, month, 1, tzinfo=ZoneInfo(zone)).utcoffset() for month in (1, 7))
    return names.get("standard", "") if winter == summer else ""


def _messages(catalogue: Catalog) -> Iterator[Message]:
    """Leave out the header, which is the message with the empty id."""
    return (message for message in catalogue if message.id)


def _key(message: Message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def main(arguments: list[str]) -> int:
    """Carry out the command line; return the exit status."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m pulsemon.locale.build [--check]\n")
        return 2
    if not arguments:
        build()
    found = list(problems())
    for line in found:
        sys.stderr.write(f"{line}\n")
    if found and not arguments:
        sys.stderr.write(f"Translate them in {PO_FILE}, then run this again.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
