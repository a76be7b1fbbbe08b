"""What a control changes of PulseMon is there: a patch that changes nothing would prove nothing."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
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
    return look_through(ast.parse(source))[0]


def unlike(source: str) -> list[str]:
    """Return the functions that *source* replaces by what cannot be called as they are."""
    tree = ast.parse(source)
    _, known = look_through(tree)
    made = {each.name: each.args for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Attribute)):
            continue
        replacement = node.value.args if isinstance(node.value, ast.Lambda) else made.get(ast.unparse(node.value))
        real = getattr(known.get(ast.unparse(target.value)), target.attr, None)
        if replacement is not None and inspect.isfunction(real) and not can_stand_for(real, replacement):
            found.append(ast.unparse(target))
    return found


def can_stand_for(real: Callable[..., object], replacement: ast.arguments) -> bool:
    """Return whether a function with these arguments takes so many by position and the same by name."""
    parameters = inspect.signature(real).parameters.values()
    by_name = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    by_position = sum(each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters)
    taken = [each.arg for each in (*replacement.posonlyargs, *replacement.args)]
    takes_position = replacement.vararg is not None or len(taken) == by_position
    takes_names = replacement.kwarg is not None or by_name <= {*taken, *(each.arg for each in replacement.kwonlyargs)}
    return takes_position and takes_names


def look_through(tree: ast.AST) -> tuple[list[str], dict[str, object]]:
    """Return what is named of PulseMon and is not there, and name -> what is imported from it."""
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
    return found, known


def imported(module: str, name: str) -> object:
    """Return what `from module import name` gives."""
    holder = importlib.import_module(module)
    return getattr(holder, name) if hasattr(holder, name) else importlib.import_module(f"{module}.{name}")


@pytest.mark.parametrize(("place", "source"), [pytest.param(*each, id=each[0]) for each in patches()])
def test_what_a_patch_changes_is_there(place: str, source: str) -> None:
    assert missing(source) == [], place
    assert unlike(source) == [], place


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


@pytest.mark.parametrize(
    ("patch", "found"),
    [
        ("places.share = lambda due, flying, standing, *, places, per_receiver: {}", []),
        ("places.share = lambda *_, **names: {}", []),
        ("places.share = lambda due, flying, standing, *, places, width: {}", ["places.share"]),
        ("places.share = lambda due, *, places, per_receiver: {}", ["places.share"]),
        ("def mine(due):\n    return {}\nplaces.share = mine", ["places.share"]),
        ("places.PATIENCE = 3", []),
    ],
)
def test_a_patch_that_cannot_be_called_as_what_it_replaces_is_found(patch: str, found: list[str]) -> None:
    assert unlike(f"from pulsemon.core import places\n{patch}") == found
