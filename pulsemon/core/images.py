"""What a picture is, told by its bytes and not by its name. SVG is none of them: it can hold scripts."""

from __future__ import annotations

import struct

MAX_LOGO_BYTES = 256 * 1024
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"


def media_type(content: bytes) -> str | None:
    """Return `image/png`, `image/jpeg` or `image/webp`; None where *content* is none of them, or cut off."""
    if content.startswith(_PNG):
        return "image/png" if content[12:16] == b"IHDR" and _PNG_END in content[-64:] else None
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg" if b"\xff\xd9" in content[-64:] else None
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP" and content[12:15] == b"VP8":
        (length,) = struct.unpack("<I", content[4:8])
        return "image/webp" if length + 8 <= len(content) else None
    return None
