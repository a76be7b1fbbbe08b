"""The reader's language: gettext catalogues for pt-BR, English as written in the source.

Everybody may import this module. The catalogues are made by `python -m pulsemon.locale.build` (development only).
"""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

LOCALES = ("en", "pt-BR")
_FOLDER = Path(__file__).parent


@cache
def translator(locale: str) -> gettext.NullTranslations:
    """Return the catalogue of *locale*; one we do not have reads as English, the language of the source."""
    if locale == "pt-BR":
        return gettext.translation("pulsemon", localedir=_FOLDER, languages=["pt_BR"])
    return gettext.NullTranslations()


def negotiate(accept_language: str, *, default: str) -> str:
    """Return the locale of ours that the header asks for first, else *default*.

    Any Portuguese is read as pt-BR and any English as en: a near language serves better than a foreign one.
    Malformed entries are passed over. Source: RFC 9110, 12.5.4.
    """
    wanted: list[tuple[float, int, str]] = []
    for position, entry in enumerate(accept_language[:1000].split(",")):
        tag, _, parameters = entry.strip().partition(";")
        quality = 1.0
        if parameters.strip().startswith("q="):
            try:
                quality = float(parameters.strip()[2:])
            except ValueError:
                continue
        language = tag.strip().lower().partition("-")[0]
        locale = {"pt": "pt-BR", "en": "en", "*": default}.get(language)
        if locale and 0 < quality <= 1:
            wanted.append((-quality, position, locale))
    return min(wanted)[2] if wanted else default
