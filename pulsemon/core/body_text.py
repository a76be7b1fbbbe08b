"""The text of a ping's body, which came as bytes: in which charset, and what it says.

Knows no request and keeps nothing. The order: a byte order mark, the charset that was declared, UTF-8, Windows-1252.
A mark stands before what was declared, because no text begins with those letters while many tools declare one charset
for all that they send; so does UTF-16 without a mark, because no text has a NUL beside each letter. A name is looked up
in a list of ours, never among Python's codecs, of which some unpack, some execute escapes and some take quadratic time.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
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
        "hz", "cp037", "cp273", "cp424", "cp500", "cp875", "cp1026", "cp1140",
    }
)  # fmt: skip
_CHARSETS = _NOT_ASCII | frozenset(
    {
        "cp437", "cp720", "cp737", "cp775", "cp850", "cp852", "cp855", "cp856", "cp857", "cp858", "cp860", "cp861",
        "cp862", "cp863", "cp864", "cp865", "cp866", "cp869", "cp874", "cp932", "cp949", "cp950", "cp1125", "cp1250",
        "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "iso8859_2", "iso8859_3",
        "iso8859_4", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_10", "iso8859_13", "iso8859_14",
        "iso8859_15", "iso8859_16", "koi8_r", "koi8_u", "koi8_t", "mac_roman", "mac_cyrillic", "mac_greek",
        "mac_iceland", "mac_latin2", "mac_turkish", "big5hkscs", "euc_jp", "euc_jis_2004", "gb18030", "johab",
        "ptcp154", "kz1048", "hp_roman8", "mac_croatian", "mac_romanian",
    }
)  # fmt: skip
# What Windows sends under the name, as browsers read it too.
_SAME_AS = {
    "latin_1": "cp1252", "iso8859_9": "cp1254", "iso8859_11": "cp874", "tis_620": "cp874", "gb2312": "gb18030",
    "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950", "utf_16": "utf_16_le",
    "utf_32": "utf_32_le",
}  # fmt: skip
# Names that Python does not know, without their punctuation, an `x-` and IANA's `cs`: of the list of browsers (the
# WHATWG's Encoding Standard), of Java, .NET and MySQL.
_NAMES = {
    "unicode": "utf_16_le", "ucs2": "utf_16_le", "iso10646ucs2": "utf_16_le", "unicodefeff": "utf_16_le",
    "unicodelittle": "utf_16_le", "unicodefffe": "utf_16_be", "unicodebig": "utf_16_be", "ucs4": "utf_32_be",
    "iso10646ucs4": "utf_32_be", "latin9": "iso8859_15", "isolatin9": "iso8859_15", "iso88596e": "iso8859_6",
    "iso88596i": "iso8859_6", "suneugreek": "iso8859_7", "iso88598e": "iso8859_8", "iso88598i": "iso8859_8",
    "visual": "iso8859_8", "logical": "iso8859_8", "koi": "koi8_r", "koi8": "koi8_r", "koi8ru": "koi8_u",
    "mac": "mac_roman", "macukrainian": "mac_cyrillic", "maccentraleurroman": "mac_latin2", "gb2312": "gb18030",
    "gb231280": "gb18030", "cnbig5": "cp950", "eucpkdfmtjapanese": "euc_jp", "eucjpms": "euc_jp", "eucjpwin": "euc_jp",
    "isoir149": "cp949", "ksc56011989": "cp949", "windows31j": "cp932", "macce": "mac_latin2",
}  # fmt: skip
# Code pages of Windows and IBM that Python calls otherwise. 1047, of Unix on the mainframe, has the letters of 037;
# only some signs ([ ] ^) stand elsewhere. 1141 and 1148 are 273 and 500 with a euro.
_CODE_PAGES = {
    "1047": "cp037", "1141": "cp273", "1148": "cp500", "20273": "cp273", "20424": "cp424", "936": "gb18030",
    "54936": "gb18030", "51936": "gb18030", "52936": "hz", "1200": "utf_16_le", "1201": "utf_16_be",
    "12000": "utf_32_le", "12001": "utf_32_be", "10000": "mac_roman", "10006": "mac_greek", "10007": "mac_cyrillic",
    "10010": "mac_romanian",
    "10029": "mac_latin2", "10079": "mac_iceland", "10081": "mac_turkish", "10082": "mac_croatian", "20866": "koi8_r",
    "21866": "koi8_u", "20932": "euc_jp", "51932": "euc_jp", "51949": "cp949", "50220": "iso2022_jp", "1361": "johab",
    "50221": "iso2022_jp", "50222": "iso2022_jp", "50225": "iso2022_kr", "819": "cp1252", "28591": "cp1252",
    "28599": "cp1254", **{str(28590 + part): f"iso8859_{part}" for part in (2, 3, 4, 5, 6, 7, 8, 13, 15)},
}  # fmt: skip
_CODE_PAGE = re.compile(r"(?:cp|ibm|windows|win|dos|ms|oem|ccsid|mscp|codepage)0*([1-9][0-9]{1,4})")
# A byte that is no UTF-8, as `surrogateescape` leaves it, and the letter of Windows-1252; five are no letter there.
_ESCAPED = "".join(map(chr, range(0xDC80, 0xDD00)))
_AS_1252 = {ord(each): bytes([ord(each) - 0xDC00]).decode("cp1252", "replace") for each in _ESCAPED}
_AS_UNKNOWN = dict.fromkeys(map(ord, _ESCAPED), "\ufffd")
_IS_ESCAPED = re.compile("[\udc80-\udcff]")
# A carriage return alone too: with it progress bars overwrite what they said.
_LINE_END = re.compile("\r\n|\r|\n")
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
    if charset not in _NOT_ASCII and _by_zeros(body):
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
    mark = _by_mark(body) or (_by_zeros(body) if charset not in _NOT_ASCII else None)
    if mark is not None:
        return body.decode(mark, "replace")
    return body.decode(charset, "replace") if charset in _CHARSETS else _undeclared(body)


def text_of_tail(first: bytes, tail: bytes, charset: str | None = None) -> str:
    """Return what the end of a body says, whose *first* bytes tell the charset where a byte order mark does."""
    return text_of(next((mark for mark, _ in _MARKS if first.startswith(mark)), b"") + tail, charset)


def last_lines(text: str, *, lines: int, characters: int, is_cut: bool = False) -> tuple[str, bool]:
    """Return the last *lines* of *text*, at most so many *characters*, and whether something stands before them.

    *is_cut*: something does already, so that the first line is none.
    """
    said = _LINE_END.split(text.replace("\0", "\ufffd").rstrip())
    if is_cut and len(said) > 1:
        said = said[1:]
    shown = "\n".join(said[-lines:])
    return shown[-characters:], is_cut or len(said) > lines or len(shown) > characters


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


def _by_zeros(body: bytes) -> str | None:
    """Return which UTF-16 *body* is if it says so without a mark: most of its letters have a NUL, all on one side."""
    if b"\0" not in body or len(body) < _CUT:
        return None
    first, second = body[::2].count(0), body[1::2].count(0)
    # Seven of ten: dashes, quotes and a name in another script may stand between Latin letters.
    if min(first, second) or 20 * max(first, second) < 7 * len(body):
        return None
    return "utf_16_be" if first else "utf_16_le"


def _undeclared(body: bytes) -> str:
    """Return UTF-8, with each byte that is none as Windows-1252: logs are of many hands."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        text = body.decode("utf-8", "surrogateescape")
    inner = text[_CUT:-_CUT]
    is_cut = not inner.isascii() and not _IS_ESCAPED.search(text.strip(_ESCAPED))
    return text.translate(_AS_UNKNOWN if is_cut else _AS_1252)


def _squeezed(name: str) -> str:
    """Return what is common to the spellings of a name: `ISO_8859-1`, `iso8859-1` and `iso88591`."""
    return re.sub("[^a-z0-9]", "", name.lower())


def _all_names() -> dict[str, str]:
    """Return every name of a charset that is known, squeezed -> Python's name of its codec."""
    spelled = {**aliases, **{each: each for each in (*_CHARSETS, *_SAME_AS)}}
    of_python = {_squeezed(name): _SAME_AS.get(codec, codec) for name, codec in spelled.items()}
    return {name: codec for name, codec in {**of_python, **_NAMES}.items() if codec in _CHARSETS}


_CODECS = _all_names()


@lru_cache(maxsize=256)
def _known(name: str) -> str | None:
    whole = _squeezed(name)
    plain = whole.lstrip("x")
    for each in (whole, plain, plain.removeprefix("cs")):
        if each in _CODECS:
            return _CODECS[each]
        page = _CODE_PAGE.fullmatch(each)
        if page:
            codec = _CODE_PAGES.get(page[1], f"cp{page[1].zfill(3)}")
            return codec if codec in _CHARSETS else None
    return None
