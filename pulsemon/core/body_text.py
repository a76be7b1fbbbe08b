"""The text of a ping's body, which came as bytes: in which charset, and what it says.

Knows no request and keeps nothing. The order: a byte order mark, the charset that was declared, UTF-8, Windows-1252.
A mark stands before what was declared, because no text begins with those letters while many tools declare one charset
for all that they send. A name is looked up in a list of ours, never among Python's codecs, of which some unpack, some
execute escapes and some take quadratic time.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache

# What of a Content-Type is looked at.
_MAX_CONTENT_TYPE = 200
_CHARSET = re.compile(rb";\s*charset\s*=\s*[\"']?([A-Za-z0-9_.:+-]{1,40})", re.IGNORECASE)

_MARKS = (  # the longer ones first: the mark of UTF-16 begins that of UTF-32
    (codecs.BOM_UTF32_LE, "utf_32"),
    (codecs.BOM_UTF32_BE, "utf_32"),
    (codecs.BOM_UTF8, "utf_8_sig"),
    (codecs.BOM_UTF16_LE, "utf_16"),
    (codecs.BOM_UTF16_BE, "utf_16"),
)
# Where bytes below 0x80 are not always the letters of ASCII.
_NOT_ASCII = frozenset(
    {
        "utf_16_le", "utf_16_be", "utf_32_le", "utf_32_be", "iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_kr",
        "hz",
    }
)  # fmt: skip
_CHARSETS = _NOT_ASCII | frozenset(
    {
        "cp437", "cp720", "cp737", "cp775", "cp850", "cp852", "cp855", "cp857", "cp858", "cp860", "cp861", "cp862",
        "cp863", "cp864", "cp865", "cp866", "cp869", "cp874", "cp932", "cp949", "cp950", "cp1125", "cp1250",
        "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "iso8859_2", "iso8859_3",
        "iso8859_4", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_10", "iso8859_13", "iso8859_14",
        "iso8859_15", "iso8859_16", "koi8_r", "koi8_u", "koi8_t", "mac_roman", "mac_cyrillic", "mac_greek",
        "mac_iceland", "mac_latin2", "mac_turkish", "big5hkscs", "euc_jp", "euc_jis_2004", "gb18030", "johab",
        "ptcp154", "kz1048",
    }
)  # fmt: skip
# What Windows sends under the name, as browsers read it too; and names that Python does not know.
_SAME_AS = {
    "latin_1": "cp1252", "iso8859_9": "cp1254", "iso8859_11": "cp874", "tis_620": "cp874", "gb2312": "gb18030",
    "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950", "utf_16": "utf_16_le",
    "utf_32": "utf_32_le", "unicode": "utf_16_le", "ucs_2": "utf_16_le", "x_sjis": "cp932", "x_mac_roman": "mac_roman",
    "windows_874": "cp874", "windows_31j": "cp932", "latin_9": "iso8859_15", "dos_874": "cp874",
    "ibm00858": "cp858", "iso_8859_8_i": "iso8859_8",
}  # fmt: skip
# A byte that is no UTF-8, as `surrogateescape` leaves it, and the letter of Windows-1252; five are no letter there.
_ESCAPED = "".join(map(chr, range(0xDC80, 0xDD00)))
_AS_1252 = {ord(each): bytes([ord(each) - 0xDC00]).decode("cp1252", "replace") for each in _ESCAPED}
_AS_UNKNOWN = dict.fromkeys(map(ord, _ESCAPED), "\ufffd")
_IS_ESCAPED = re.compile("[\udc80-\udcff]")
# A character that was cut lacks or leaves at most so many bytes.
_CUT = 4


def charset_of(content_type: bytes, body: bytes) -> str | None:
    """Return what `text_of` has to be told to read *body* as its Content-Type declares it; None: nothing.

    None as well where it is no name of a charset, or the body is none in it.
    """
    found = _CHARSET.search(content_type[:_MAX_CONTENT_TYPE])
    charset = _known(found[1].decode()) if found else None
    if charset is None or (body.isascii() and charset not in _NOT_ASCII) or _by_mark(body):
        return None
    try:
        body.decode(charset)
    except UnicodeDecodeError as wrong:
        # The body may end, cut at the limit of what is kept, in the middle of a character.
        return charset if wrong.start and wrong.start >= len(body) - _CUT else None
    return charset


def text_of(body: bytes, charset: str | None = None) -> str:
    """Return what *body* says. *charset*: of `charset_of`; whatever else it is, it counts as None."""
    if (body.isascii() and charset not in _NOT_ASCII) and b"\0" not in body:
        return body.decode("ascii")
    mark = _by_mark(body)
    if mark is not None:
        return body.decode(mark, "replace")
    return body.decode(charset, "replace") if charset in _CHARSETS else _undeclared(body)


class Words:
    """What a body says, to look for words in; read when the first one is looked for."""

    def __init__(self, body: bytes | None, charset: str | None = None) -> None:
        self._body, self._charset = body or b"", charset
        self._readings: tuple[str, ...] | None = None

    def hold(self, word: str) -> bool:
        """Return whether *word* stands there, its accents composed (as typed) or apart (as macOS writes them).

        Where a charset was declared wrongly, or a mark is none, it is found in what the bytes say without as well.
        """
        if self._readings is None:
            text, plain = text_of(self._body, self._charset), _undeclared(self._body)
            self._readings = (text,) if text == plain else (text, plain)
        return any(form in text for form in _forms(word) for text in self._readings)


@lru_cache(maxsize=1024)
def _forms(word: str) -> tuple[str, ...]:
    """The forms of the word, not of the body: to normalise one with thousands of accents takes quadratic time."""
    return tuple({word, unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)})


def _by_mark(body: bytes) -> str | None:
    if body[:1] not in b"\xff\xfe\xef\0" or not body:
        return None
    return next((charset for mark, charset in _MARKS if body.startswith(mark)), None)


def _undeclared(body: bytes) -> str:
    """Return UTF-8, with each byte that is none as Windows-1252: logs are of many hands."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        text = body.decode("utf-8", "surrogateescape")
    inner = text[_CUT:-_CUT]
    is_cut = not inner.isascii() and not _IS_ESCAPED.search(text.strip(_ESCAPED))
    return text.translate(_AS_UNKNOWN if is_cut else _AS_1252)


@lru_cache(maxsize=256)
def _known(name: str) -> str | None:
    normal = normalize_encoding(name).lower()
    codec = aliases.get(normal, normal)
    codec = _SAME_AS.get(codec, codec)
    return codec if codec in _CHARSETS else None
