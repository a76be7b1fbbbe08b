"""A route may name what its path holds whoever is imported first, and a stranger's number is no trouble."""

from __future__ import annotations

import subprocess
import sys

import pytest
from starlette.routing import compile_path

from pulsemon.web.http import convertors
from tests.conftest import ROOT


@pytest.mark.parametrize("module", ["panel.routes", "panel.record", "public.history", "http.security"])
def test_any_module_of_routes_can_be_imported_first(module: str) -> None:
    code = (
        f"import pulsemon.web.{module}; from starlette.convertors import CONVERTOR_TYPES as known;"
        "assert {'id', 'incident'} <= known.keys()"
    )

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("path", "fits"),
    [
        ("/7", True),
        ("/" + "9" * 19, True),
        ("/" + "9" * 20, False),
        ("/" + "9" * 5_000, False),
        ("/-1", False),
        ("/x", False),
    ],
)
def test_an_id_has_as_many_digits_as_an_id_can_have(path: str, fits: bool) -> None:
    convertors.register()

    assert (compile_path("/{number:id}")[0].match(path) is not None) == fits


@pytest.mark.parametrize(
    ("path", "fits"), [("/0123456789abcdef", True), ("/subscribe", False), ("/0123456789ABCDEF", False)]
)
def test_an_incident_looks_like_no_word(path: str, fits: bool) -> None:
    convertors.register()

    assert (compile_path("/{public_id:incident}")[0].match(path) is not None) == fits
