"""What a control changes of PulseMon is there: a patch that changes nothing would prove nothing."""

from __future__ import annotations

import ast
import importlib
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def patches() -> Iterator[tuple[str, str]]:
    """Yield (file and line, source) of every text in these tests that imports from PulseMon."""
    for file in sorted(FOLDER.glob("*.py")):
        if file != Path(__file__):
            for line, text in texts(ast.parse(file.read_text("utf-8"))):
                if "from pulsemon" in text:
                    yield f"{file.name}:{line}", textwrap.dedent(text)


def texts(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of the texts in a source, with 0 in place of what is filled in."""
    if isinstance(node, ast.JoinedStr):
        yield node.lineno, "".join(str(each.value) if isinstance(each, ast.Constant) else "0" for each in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.lineno, node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def missing(source: str) -> list[str]:
    """Return what *source* imports from PulseMon, or names of it, and is not there."""
    tree = ast.parse(source)
    known: dict[str, object] = {}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pulsemon"):
            for each in node.names:
                try:
                    known[each.asname or each.name] = imported(str(node.module), each.name)
                except (ImportError, AttributeError):
                    found.append(f"{node.module}.{each.name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = node.value.id
            if name in known and not hasattr(known[name], node.attr):
                found.append(f"{name}.{node.attr}")
    return found


def imported(module: str, name: str) -> object:
    """Return what `from module import name` gives."""
    holder = importlib.import_module(module)
    return getattr(holder, name) if hasattr(holder, name) else importlib.import_module(f"{module}.{name}")


@pytest.mark.parametrize(("place", "source"), [pytest.param(*each, id=each[0]) for each in patches()])
def test_what_a_patch_changes_is_there(place: str, source: str) -> None:
    assert missing(source) == [], place


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from pulsemon import loops\nloops.Loops.start = None", []),
        ("from pulsemon import loops\nloops.NO_SUCH_SEC = 1", ["loops.NO_SUCH_SEC"]),
        ("from pulsemon.operations import no_such", ["pulsemon.operations.no_such"]),
        ("from pulsemon.db import held\nheld._due_ids = lambda *_: []", ["held._due_ids"]),
    ],
)
def test_a_patch_of_something_else_is_found(source: str, found: list[str]) -> None:
    assert missing(source) == found
