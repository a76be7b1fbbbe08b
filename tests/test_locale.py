"""The catalogues are complete, and a reader gets the language they asked for first."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pulsemon.core.notes import Detail, describe
from pulsemon.core.status import Cause
from pulsemon.locale import build, negotiate, translator
from tests.conftest import ROOT


def test_every_string_of_the_source_is_translated_and_compiled() -> None:
    assert list(build.problems()) == []


def test_the_check_fails_when_a_string_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    whole = build.PO_FILE.read_text(encoding="utf-8")
    part = build.PO_FILE.__class__(str(tmp_path)) / "pulsemon.po"
    part.write_text(whole.replace('msgstr "No ar"', 'msgstr ""'), encoding="utf-8")
    monkeypatch.setattr(build, "PO_FILE", part)

    assert build.main(["--check"]) == 1
    assert "not translated: ('Up',)" in list(build.problems())
    part.write_text(whole.replace('msgid "Up"', 'msgid "Upp"'), encoding="utf-8")
    assert {"not in the .po file: ('Up',)", "no longer in the source: ('Upp',)"} <= set(build.problems())


def test_the_running_program_needs_no_babel() -> None:
    code = "import sys; sys.modules['babel'] = None; import pulsemon.web.html.rendering, pulsemon.locale"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_a_sentence_in_both_languages(cause: Cause) -> None:
    detail = Detail(interval_seconds=60, grace_seconds=5, run_limit_seconds=9, exit_status=2, was_blind=True)

    english = describe(cause, detail)
    portuguese = describe(cause, detail, translate=translator("pt-BR").gettext)

    assert english != portuguese
    assert "%(" not in english + portuguese


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt-BR"),
        ("en-US,en;q=0.9", "en"),
        ("pt-PT", "pt-BR"),
        ("fr, en;q=0.1, pt;q=0.2", "pt-BR"),
        ("en;q=0, pt;q=0.1", "pt-BR"),
        ("fr", "en"),
        ("*", "en"),
        ("", "en"),
        ("en;q=x, pt", "pt-BR"),
        (";;;,,,q=", "en"),
        ("x" * 100_000, "en"),
    ],
)
def test_the_header_is_read_by_weight_and_then_by_order(header: str, expected: str) -> None:
    assert negotiate(header, default="en") == expected
