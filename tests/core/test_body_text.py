"""The text of a body: what was declared, a mark, UTF-8, Windows-1252; and names of charsets that are traps."""

from __future__ import annotations

import codecs
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import body_text
from pulsemon.core.body_text import Words, charset_of, last_lines, text_of, text_of_tail
from pulsemon.core.rules import Outcome, Rules, read_signal
from pulsemon.core.status import Signal

FAILED = "backup não concluído"
RULES = Rules(failure_keywords=("não concluído",))


def read(body: bytes, content_type: str = "text/plain") -> str:
    return text_of(body, charset_of(content_type.encode(), body))


@pytest.mark.parametrize(
    "charset", ["utf-8", "iso-8859-1", "ISO-8859-15", "windows-1252", "cp850", "IBM860", "utf-16", "utf-16le",
                "UTF-16BE", "utf-32", "utf-32-le", "macintosh", "latin1", "iso_8859-1:1987", "Windows-1250"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{}", '"{}"', " {} ; format=flowed", "'{}'"])
def test_a_body_is_read_as_its_charset_is_declared(charset: str, form: str) -> None:
    python = {"windows-1250": "iso8859-2"}.get(charset.lower(), charset)
    words = FAILED.replace("ã", "ă") if python == "iso8859-2" else FAILED
    body = words.encode(python)

    assert read(body, "text/plain; Charset=" + form.format(charset)) == words


@pytest.mark.parametrize(
    ("charset", "words"),
    [("koi8-r", "копия не сделана"), ("Shift_JIS", "失敗しました"), ("gb2312", "备份失败"), ("euc-kr", "백업 실패"),
     ("iso-2022-jp", "失敗しました"), ("windows-1256", "فشل النسخ"), ("big5", "備份失敗"), ("windows-874", "ล้มเหลว")],
)  # fmt: skip
def test_other_scripts_are_read_as_declared_whole_and_cut_in_the_middle_of_a_letter(charset: str, words: str) -> None:
    body = words.encode({"windows-874": "cp874"}.get(charset, charset))

    assert read(body, f"text/plain; charset={charset}") == words
    if charset in ("Shift_JIS", "gb2312", "euc-kr", "big5"):
        assert read(body[:-1], f"text/plain; charset={charset}").startswith(words[:-1])


# The labels of the WHATWG's Encoding Standard, that is what browsers know; those of UTF-8 and ASCII are read as if
# undeclared, and big5-hkscs has a codec of its own.
LABELS = {
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859_2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    "iso8859_3": "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
    "iso8859_4": "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
    "iso8859_5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    "iso8859_6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e "
    "iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
    "iso8859_7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7 "
    "iso_8859-7:1987 sun_eu_greek",
    "iso8859_8": "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 "
    "iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical",
    "iso8859_10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "iso8859_13": "iso-8859-13 iso8859-13 iso885913",
    "iso8859_14": "iso-8859-14 iso8859-14 iso885914",
    "iso8859_15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9",
    "iso8859_16": "iso-8859-16",
    "koi8_r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8_u": "koi8-ru koi8-u",
    "mac_roman": "csmacintosh mac macintosh x-mac-roman",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
    "cp1250": "cp1250 windows-1250 x-cp1250",
    "cp1251": "cp1251 windows-1251 x-cp1251",
    "cp1252": "cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 "
    "l1 latin1 windows-1252 x-cp1252",
    "cp1253": "cp1253 windows-1253 x-cp1253",
    "cp1254": "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 "
    "windows-1254 x-cp1254",
    "cp1255": "cp1255 windows-1255 x-cp1255",
    "cp1256": "cp1256 windows-1256 x-cp1256",
    "cp1257": "cp1257 windows-1257 x-cp1257",
    "cp1258": "cp1258 windows-1258 x-cp1258",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030",
    "cp950": "big5 cn-big5 csbig5 x-x-big5",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "iso2022_jp": "csiso2022jp iso-2022-jp",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 "
    "windows-949",
    "utf_16_be": "unicodefffe utf-16be",
    "utf_16_le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
}  # fmt: skip


def test_every_label_that_browsers_know_is_known() -> None:
    wrong = {
        name: body_text._known(name)
        for codec, names in LABELS.items()
        for name in names.split()
        if body_text._known(name) != codec or body_text._known(name.upper()) != codec
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("name", "python"),
    [("x-cp1251", "cp1251"), ("x-mac-cyrillic", "mac_cyrillic"), ("windows-1200", "utf-16-le"), ("cp1200", "utf-16-le"),
     ("cp1201", "utf-16-be"), ("unicodeFFFE", "utf-16-be"), ("x-UTF-16LE-BOM", None), ("cp-850", "cp850"),
     ("ibm-850", "cp850"), ("x-cp850", "cp850"), ("x-IBM850", "cp850"), ("cp20866", "koi8_r"), ("cp28595", "iso8859_5"),
     ("cp10007", "mac_cyrillic"), ("cp037", "cp037"), ("IBM037", "cp037"), ("cp37", "cp037"), ("ebcdic-cp-us", "cp037"),
     ("cp500", "cp500"), ("IBM01140", "cp1140"), ("cp273", "cp273"), ("ibm1047", "cp037"), ("x-IBM1047", "cp037"),
     ("cp9999999", None), ("cp99", None), ("windows-", None), ("x-", None), ("cs", None)],
)  # fmt: skip
def test_numbers_of_code_pages_are_known_and_a_failure_is_found_in_them(name: str, python: str | None) -> None:
    if python is None:
        assert body_text._known(name) is None
        return
    words = "копия не сделана" if python in ("cp1251", "mac_cyrillic", "koi8_r", "iso8859_5") else "cópia falhou"
    body = words.encode(python)
    charset = charset_of(f"text/plain; charset={name}".encode(), body)

    assert text_of(body, charset) == words
    told = read_signal(Rules(failure_keywords=(words,)), Signal.SUCCESS, method="POST", body=body, charset=charset)
    assert told == (Signal.FAIL, Outcome.COUNTED)


@pytest.mark.parametrize("declared", ["", "; charset=utf-8", "; charset=iso-8859-1", "; charset=nonsense"])
@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_without_a_mark_and_a_declaration(charset: str, declared: str) -> None:
    assert read(f"{FAILED} – às 3h".encode(charset), "text/plain" + declared) == f"{FAILED} – às 3h"
    assert read(FAILED.encode(charset)[:-1], "text/plain" + declared).startswith(FAILED[:-1])


def test_nuls_elsewhere_make_no_utf_16() -> None:
    for body in (b"a\0", b"fine\0\0\0\0", b"\0" * 40, b"one\0two\0three\0", b"a\0b\0c\0" + FAILED.encode()):
        assert text_of(body) == body.decode()
        assert Words(body).hold("não concluído") == (FAILED.encode() in body)


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("declared", ["", "; charset=iso-8859-1", "; charset=utf-8", "; charset=nonsense"])
def test_a_byte_order_mark_says_more_than_what_is_declared(charset: str, declared: str) -> None:
    assert read(FAILED.encode(charset), "text/plain" + declared) == FAILED


def test_a_mark_in_the_other_byte_order() -> None:
    assert read(codecs.BOM_UTF16_BE + FAILED.encode("utf-16-be")) == FAILED
    assert read(codecs.BOM_UTF32_BE + FAILED.encode("utf-32-be")) == FAILED


@pytest.mark.parametrize(
    "declared", ["", "; charset=utf-8", "; charset=us-ascii", "; charset=", "; charset=iso-2022-jp"]
)
def test_without_a_charset_that_fits_it_is_utf_8_then_windows_1252(declared: str) -> None:
    assert read(FAILED.encode(), "text/plain" + declared) == FAILED
    assert read(FAILED.encode("cp1252") + b" \x96 caf\xe9", "text/plain" + declared) == FAILED + " – café"


def test_bytes_of_many_hands_are_each_read_as_what_they_are() -> None:
    assert text_of("não: ".encode() + b"relat\xf3rio.pdf" + " – fim".encode()) == "não: relatório.pdf – fim"


def test_utf_8_that_was_cut_stays_utf_8() -> None:
    body = ("não " * 20 + "fim").encode()

    assert text_of(body[2:]).startswith("\ufffdo não ")
    assert text_of(body[:-5]).endswith("n\ufffd") or text_of(body[:-5]).endswith("nã")
    assert "Ã" not in text_of(body[2:-5])


@pytest.mark.parametrize(
    "name",
    ["zlib", "bz2_codec", "hex", "base64", "uu", "rot13", "quopri", "idna", "punycode", "unicode_escape", "undefined",
     "raw_unicode_escape", "utf-7", "mbcs", "oem", "utf_8_sig", "../../etc/passwd", "os", "x" * 10_000,
     "%00"],
)  # fmt: skip
def test_a_name_that_is_no_charset_of_texts_is_none(name: str) -> None:
    body = FAILED.encode()

    assert charset_of(f"text/plain; charset={name}".encode("latin-1"), body) is None
    assert text_of(body, name) == FAILED
    assert Words(body, name).hold("não concluído")


def test_every_charset_of_the_list_exists_and_reads_whatever_bytes_come() -> None:
    every = bytes(range(256)) * 4

    for charset in body_text._CHARSETS:
        assert codecs.lookup(charset)._is_text_encoding
        assert isinstance(text_of(every, charset), str)
        assert len(charset) <= 16  # as the column has it


def test_reading_takes_time_in_proportion_to_the_body() -> None:
    hostile = [b"\xff", b"\xc3", b"\x1b$", b"~{", b"a\xcc\x81\xcc\xa3", b"\x84", b"\xed\xa0\x80"]

    def cost(body: bytes, charset: str | None) -> float:
        best = float("inf")
        for _ in range(3):
            began_at = time.thread_time()
            Words(body, charset).hold("não")
            best = min(best, time.thread_time() - began_at)
        return best

    for piece in hostile:
        for charset in (None, "utf_16_le", "iso2022_jp", "hz", "gb18030", "big5hkscs", "cp1252"):
            short, long = piece * (10_000 // len(piece)), piece * (80_000 // len(piece))
            # Eight times as much in not much more than eight times the time; quadratic would be 64.
            assert cost(long, charset) < 24 * cost(short, charset) + 0.002, (piece, charset)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_accents_are_found_composed_and_apart(form: str, typed: str) -> None:
    rules = Rules(failure_keywords=(unicodedata.normalize(typed, "não concluído"),))
    body = unicodedata.normalize(form, FAILED).encode()

    assert read_signal(rules, Signal.SUCCESS, method="POST", body=body) == (Signal.FAIL, Outcome.COUNTED)


def test_a_charset_that_was_declared_wrongly_hides_no_word() -> None:
    for charset in ("cp1252", "utf_16_le", "koi8_r"):
        told = read_signal(RULES, Signal.SUCCESS, method="POST", body=FAILED.encode(), charset=charset)
        assert told == (Signal.FAIL, Outcome.COUNTED)


@given(st.text(st.characters(codec="cp1252"), max_size=60))
def test_whatever_windows_1252_writes_is_read_where_it_is_declared(text: str) -> None:
    body = text.encode("cp1252")

    assert read(body, "text/plain; charset=windows-1252") == text or body.startswith(
        (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
    )


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_no_bytes_and_no_content_type_are_an_error(body: bytes, content_type: bytes) -> None:
    text_of(body, charset_of(b"text/plain; charset=" + content_type, body)).encode()


@pytest.mark.parametrize(
    ("text", "is_cut", "shown"),
    [
        ("one\ntwo\nthree\n", False, ("two\nthree", True)),
        ("two\r\nthree\r\n\r\n", False, ("two\nthree", False)),
        ("10%\r20%\r100%", False, ("20%\n100%", True)),
        ("lf of a line\nthree", True, ("three", True)),
        ("only a half", True, ("only a half", True)),
        ("x" * 30, False, ("x" * 20, True)),
        ("a\0b", False, ("a\ufffdb", False)),
        ("", False, ("", False)),
    ],
)
def test_the_last_lines_of_a_text(text: str, is_cut: bool, shown: tuple[str, bool]) -> None:
    assert last_lines(text, lines=2, characters=20, is_cut=is_cut) == shown


def test_the_end_of_a_body_is_read_in_the_charset_that_its_beginning_names() -> None:
    body = codecs.BOM_UTF16_BE + FAILED.encode("utf-16-be")

    assert text_of_tail(body[:4], body[8:]) == FAILED[3:]
    assert text_of_tail(b"Fal", "não".encode()) == "não"
    assert text_of_tail(b"", "não".encode("cp850"), "cp850") == "não"
