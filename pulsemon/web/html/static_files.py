"""Style, scripts and pictures under `/static`: kept by browsers as long as their content holds, and sent compressed."""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pulsemon.web.html import rendering
from pulsemon.web.http.codings import takes_gzip

FOLDER = (Path(__file__).parent.parent / "static").resolve()  # as StaticFiles names what it found
_TEXTS = frozenset({".css", ".js", ".svg", ".html", ".txt"})


class Files(StaticFiles):
    """Files whose URL carries a hash of their content may be kept for ever; the others are asked for anew."""

    def file_response(self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200) -> Response:
        """Say how long it may be kept, and compress a text for whoever takes that."""
        response: Response = super().file_response(full_path, stat_result, scope, status_code)
        path = Path(full_path)
        # The very hash: whoever asks for tomorrow's address today must not leave today's file in a shared cache.
        own = rendering.asset(path.relative_to(FOLDER).as_posix()).partition("?")[2]
        is_versioned = scope.get("query_string", b"") == own.encode()
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if is_versioned else "no-cache"
        if path.suffix in _TEXTS:
            response.headers["vary"] = "Accept-Encoding"
            if isinstance(response, FileResponse) and _may_compress(Headers(scope=scope)):
                return _compressed(path, stat_result.st_mtime, response)
        return response


def _may_compress(headers: Headers) -> bool:
    """Whoever asks for a part of a file means the bytes of the file itself."""
    return takes_gzip(headers.get("accept-encoding", "")) and "range" not in headers


def _compressed(path: Path, changed_at: float, plain: FileResponse) -> Response:
    headers = {name: value for name, value in plain.headers.items() if name not in ("content-length", "accept-ranges")}
    return Response(_gzip(path, changed_at), plain.status_code, headers | {"content-encoding": "gzip"})


# A handful of files; the greatest takes 30 ms to compress, once.
@lru_cache(maxsize=64)
def _gzip(path: Path, changed_at: float) -> bytes:
    return gzip.compress(path.read_bytes(), 9, mtime=0)
