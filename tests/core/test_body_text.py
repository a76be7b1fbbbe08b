"""The text of a body: what was declared, a mark, UTF-8, Windows-1252; and names of charsets that are traps."""

from __future__ import annotations

import codecs
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import body_text
from pulsemon.core.body_text import Words, charset_of, text_of
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
