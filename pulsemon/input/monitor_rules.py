"""What a monitor's fields may hold, and the words for what they may not. Which fields there are: `input.monitors`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from pulsemon.channels import webhook
from pulsemon.core import placement, schedule
from pulsemon.core.texts import N_
from pulsemon.input.fields import LINES, TEXT, WORDS, Rule, up_to
from pulsemon.input.rules import (
    CONTROL,
    INVISIBLE,
    UNPRINTABLE,
    VISIBLE,
    VISIBLE_TEXT,
    documented,
    not_blank,
    printable,
)
from pulsemon.monitors.rows import GENERATE

MAX_SLUG_LENGTH = 100
MAX_SECONDS = 315_360_000  # 3,650 days
MAX_URL_LENGTH = 2000
MAX_IN_A_ROW = 100
MAX_POSITION = 2**31 - 1
MAX_KEYWORDS, MAX_KEYWORD_LENGTH = 20, 200
# What readers get instead of a secret; sent back, it means that the secret stays as it is.
SECRET_MASK = "whsec_********"  # noqa: S105 - it stands for a secret and is none

# Each rule that only monitors have, and what to write instead. The panel renders the same templates in the reader's
# language; `rules.MESSAGES` has the rest.
MESSAGES: dict[str, str] = {
    "no-project": N_("There is no such project."),
    "how-many": N_("Send at least one monitor and at most %(max)d at once."),
    "slug": N_(
        "This must begin with a letter or a digit and go on with letters, digits, dots, hyphens or underscores; "
        "at most %(max)d characters, no accents."
    ),
    "url": N_("This must be an http:// or https:// address with a host, without spaces."),
    "secret": N_("This must be whsec_ followed by the base64 of %(min)d to %(max)d bytes, or the word generate."),
    "keywords": N_(
        "This may hold at most %(max)d texts of 1 to %(length)d characters each, one on each line, "
        "without control characters."
    ),
    "tags": N_("This may hold at most %(max)d tags of 1 to %(length)d characters each, without commas in them."),
    "either": N_("A monitor goes by its schedule or by its interval: send one of the two."),
}

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _slug(text: str) -> str:
    if len(text) > MAX_SLUG_LENGTH or not _SLUG.fullmatch(text):
        raise PydanticCustomError("slug", "")
    return text


_UNSEEN = "".join(re.findall(rf"[\s{INVISIBLE}]", "".join(map(chr, range(0x10000)))))


def _pasted(text: object) -> object:
    """Leave out what came along with an address: line ends, blanks, characters that nobody sees."""
    return text.strip(_UNSEEN) if isinstance(text, str) else text


def _url(text: str) -> str:
    if any(each.isspace() for each in text) or re.search(f"[{INVISIBLE}]", text) or not webhook.is_url(text):
        raise PydanticCustomError("url", "")
    return text


def _secret(text: str) -> str:
    if text not in (GENERATE, SECRET_MASK) and not webhook.is_secret(text):
        raise PydanticCustomError("secret", "")
    return text


def _keyword(text: str) -> str:
    # Spaces around a word would be lost as soon as somebody saves the form, where each stands on a line.
    word = text.strip()
    if not 0 < len(word) <= MAX_KEYWORD_LENGTH or UNPRINTABLE.search(text):
        raise PydanticCustomError("keywords", "")
    return word


def _keywords(words: list[str]) -> list[str]:
    if len(words) > MAX_KEYWORDS:
        raise PydanticCustomError("keywords", "")
    return list(dict.fromkeys(words))


def _schedule(expression: str) -> str:
    try:
        schedule.parse(expression)
    except schedule.ScheduleError as wrong:
        raise PydanticCustomError(wrong.code, "") from None
    # Between its parts may stand whatever Python takes for a space, line ends and control characters among it.
    return " ".join(expression.split())


SLUG = Rule(
    TEXT,
    Annotated[str, AfterValidator(_slug), documented(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")],
    {"slug": up_to(MAX_SLUG_LENGTH)},
)
WEBHOOK_URL = Rule(
    TEXT,
    Annotated[
        str,
        Field(max_length=MAX_URL_LENGTH),
        BeforeValidator(_pasted),
        AfterValidator(printable),
        AfterValidator(_url),
        documented(format="uri", pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+[^\s]*$"),
    ],
    {"too-long": up_to(MAX_URL_LENGTH)},
)
_BASE64_OF_24_TO_64_BYTES = (
    "([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?|([A-Za-z0-9+/]{4}){21}([A-Za-z0-9+/]{2}==)?"
)
# What `webhook.is_secret` takes, for a JSON schema.
SECRET_PATTERN = f"whsec_({_BASE64_OF_24_TO_64_BYTES})"
WEBHOOK_SECRET = Rule(
    TEXT,
    Annotated[
        str,
        AfterValidator(printable),
        AfterValidator(_secret),
        documented(pattern=rf"^(generate|whsec_\*{{8}}|{SECRET_PATTERN})$"),
    ],
    {"secret": (("min", 24), ("max", 64))},
)
SCHEDULE = Rule(
    TEXT,
    Annotated[str, AfterValidator(_schedule), documented(minLength=1, maxLength=schedule.MAX_LENGTH)],
    {"schedule-too-long": up_to(schedule.MAX_LENGTH)},
)
KEYWORDS = Rule(
    LINES,
    Annotated[
        list[
            Annotated[
                str,
                AfterValidator(_keyword),
                documented(maxLength=MAX_KEYWORD_LENGTH, pattern=rf"^[^{CONTROL}]*[^\s{CONTROL}][^{CONTROL}]*$"),
            ]
        ],
        AfterValidator(_keywords),
        documented(maxItems=MAX_KEYWORDS),
    ],
    {"keywords": (("max", MAX_KEYWORDS), ("length", MAX_KEYWORD_LENGTH))},
)


def _heading(text: str) -> str:
    return not_blank(printable(text.strip()))


def heading_up_to(max_length: int) -> Rule:
    """Return the rule of a short text that is not blank."""
    return Rule(
        TEXT,
        Annotated[
            str,
            Field(max_length=max_length),
            AfterValidator(_heading),
            documented(minLength=1, pattern=VISIBLE_TEXT),
        ],
        {"too-long": up_to(max_length)},
    )


def _tag(text: str) -> str:
    tag = text.strip()
    if not 0 < len(tag) <= placement.MAX_TAG_LENGTH or "," in tag or UNPRINTABLE.search(tag) or not VISIBLE.search(tag):
        raise PydanticCustomError("tags", "")
    return tag


def _tags(tags: list[str]) -> list[str]:
    distinct = list(dict.fromkeys(tags))
    if len(distinct) > placement.MAX_TAGS:
        raise PydanticCustomError("tags", "")
    return distinct


TAGS = Rule(
    WORDS,
    Annotated[
        list[
            Annotated[
                str,
                AfterValidator(_tag),
                documented(
                    minLength=1,
                    maxLength=placement.MAX_TAG_LENGTH,
                    pattern=rf"^[^,{CONTROL}]*[^\s,{CONTROL}{INVISIBLE}][^,{CONTROL}]*$",
                ),
            ]
        ],
        AfterValidator(_tags),
        documented(maxItems=placement.MAX_TAGS),
    ],
    {"tags": (("max", placement.MAX_TAGS), ("length", placement.MAX_TAG_LENGTH))},
)
