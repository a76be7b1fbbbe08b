"""Tests of what a reader says about compression."""

from __future__ import annotations

import pytest

from pulsemon.web.http.codings import takes_gzip


@pytest.mark.parametrize(
    "said",
    ["gzip", "GZIP", "deflate, gzip;q=0.1", "br;q=1.0 , gzip ; q=0.001", "*", "*;q=0.5", "*;q=0, gzip", "gzip, *;q=0"],
)
def test_gzip_is_taken(said: str) -> None:
    assert takes_gzip(said)


@pytest.mark.parametrize(
    "said", ["", "identity", "br, deflate", "gzip;q=0", "gzip; q=0.000", "gzip;q=0, *", "*;q=0", "x-gzipped", ",;,"]
)
def test_gzip_is_not_taken(said: str) -> None:
    assert not takes_gzip(said)
