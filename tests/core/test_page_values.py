"""What a page's owner gives it: colours made legible, passwords kept, pictures known by their bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import colour, images, passwords

PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\x0f\x04\0"
    b"\t\xfb\x03\xfd\xfb\x5e\x6b\x2b\0\0\0\0IEND\xaeB`\x82"
)


@given(st.integers(0, 0xFFFFFF))
def test_every_colour_is_legible_on_both_papers(number: int) -> None:
    chosen = f"#{number:06x}"

    light = colour.legible(chosen, on=colour.LIGHT_PAPER, towards="#000000")
    dark = colour.legible(chosen, on=colour.DARK_PAPER, towards="#ffffff")

    assert colour.contrast(light, colour.LIGHT_PAPER) >= colour.MIN_CONTRAST
    assert colour.contrast(dark, colour.DARK_PAPER) >= colour.MIN_CONTRAST


def test_a_colour_that_is_legible_stays_as_it_is() -> None:
    assert colour.legible("#3b4fc4", on=colour.LIGHT_PAPER, towards="#000000") == "#3b4fc4"
    assert colour.contrast("#000000", "#ffffff") == pytest.approx(21)


def test_a_password_is_kept_as_something_else_and_known_again() -> None:
    kept = passwords.keep("segredo é", b"0123456789abcdef")

    assert "segredo" not in kept
    assert passwords.matches("segredo é", kept)
    assert not passwords.matches("segredo e", kept)
    assert not passwords.matches("", "")
    assert not passwords.matches("x", "scrypt$no$8$1$a$b")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(20) + b"\xff\xd9", "image/jpeg"),
        (b"RIFF\x14\0\0\0WEBPVP8 " + bytes(20), "image/webp"),
        (PNG[:-12], None),
        (b"RIFF\xff\xff\0\0WEBPVP8 ", None),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', None),
        (b"GIF89a" + bytes(20), None),
        (b"", None),
    ],
)
def test_a_picture_is_what_its_bytes_say(content: bytes, kind: str | None) -> None:
    assert images.media_type(content) == kind
