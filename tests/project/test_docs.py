"""The documents agree with the program, and the check that says so can fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import check_docs  # noqa: E402 - found only after the line above


@pytest.fixture
def edited(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Pages to be read in place of the real ones, by their path below the project."""
    pages: dict[str, str] = {}
    real = check_docs.text_of
    monkeypatch.setattr(check_docs, "text_of", lambda page: pages.get(page.relative_to(ROOT).as_posix()) or real(page))
    return pages


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_the_documents_agree_with_the_program() -> None:
    assert check_docs.problems() == []


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("docs/configuration.md", "| `LOG_LEVEL` |", "| `LOG_VOLUME` |", "the setting LOG_LEVEL is missing"),
        (
            "docs/configuration.md",
            "| `APP_PORT` | `8088` |",
            "| `APP_PORT` | `8080` |",
            "has the default 8088",
        ),
        ("docs/pt-BR/operations.md", "| `check-config` |", "| `check` |", "the command `check-config` is missing"),
        ("docs/operations.md", "--webhook-url", "--webhook", "`monitor create` lacks --webhook-url"),
        ("docs/operations.md", "`pulsemon_expired_total`", "`pulsemon_late`", "pulsemon_expired_total is missing"),
        ("docs/operations.md", "`pulsemon_expired_total`", "`pulsemon_late`", "pulsemon_late is no metric"),
        ("docs/api.md", "/rotate-token`", "/rotate`", "POST /api/monitors/{slug}/rotate-token is missing"),
        ("docs/api.md", "| DELETE `", "| REMOVE `", "DELETE /api/monitors/{slug} is missing"),
        ("docs/security.md", "(webhooks.md#", "(webhook.md#", "leads nowhere"),
        ("docs/security.md", "`test_bare_line_feeds_are_400`", "`test_bare_line_feeds`", "is no test of"),
        ("docs/webhooks.md", "## Which addresses are allowed", "## Addresses", "names a heading"),
        ("README.pt-BR.md", "images/panel.pt-BR.png", "images/status.pt-BR.png", "no page shows it"),
        ("docs/pt-BR/webhooks.md", "## Discord e Slack", "### Discord e Slack", "differs from the English page"),
        ("docs/api.md", '"ping_count": 0,', '"ping_count": 0', "an example is no json"),
        ("pulsemon/web/templates/error.html", "</p>", f"{' ' * 200}</p>", "characters, more than 200"),
    ],
)
def test_a_page_that_does_not_agree_is_named(
    edited: dict[str, str], name: str, old: str, new: str, complaint: str
) -> None:
    assert old in page(name)
    edited[name] = page(name).replace(old, new)

    found = check_docs.problems()

    assert any(complaint in line for line in found), found


def test_anchors_are_made_as_github_makes_them(edited: dict[str, str]) -> None:
    edited["README.md"] = "# A\n## `/h/` & *more*: çã\n## A\n```\n# no heading\n```\n"

    assert check_docs.anchors_of(ROOT / "README.md") == {"a", "h--more-çã", "a-1"}
