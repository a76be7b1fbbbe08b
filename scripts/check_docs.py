"""Hold the documents against the program, and print what is missing: `python scripts/check_docs.py`, exit status 1.

Templates, which no linter reads, are held to a length of lines that somebody can review.

Settings, commands, routes and metrics are read from the program itself (the application is started on a database of
its own), never from a list here. What it does not do: judge whether a sentence is true.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import cast
from urllib.parse import unquote

import typer
from fastapi.routing import APIRoute
from pydantic import SecretStr
from starlette.testclient import TestClient

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pulsemon import cli  # noqa: E402 - found only after the line above
from pulsemon.server import PulseMon  # noqa: E402
from pulsemon.settings import PLACEHOLDERS, Settings  # noqa: E402
from pulsemon.web.app import make_fastapi  # noqa: E402
from pulsemon.web.http.site import Site  # noqa: E402

CONFIGURATION = ("docs/configuration.md", "docs/pt-BR/configuration.md")
OPERATIONS = ("docs/operations.md", "docs/pt-BR/operations.md")
API = "docs/api.md"
ARCHITECTURE = "docs/architecture.md"
MAX_TEMPLATE_LINE = 200

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^|(?<=\n\n))(?: {4}[^\n]*(?:\n|$))+")
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
_ANCHOR_DROPS = re.compile(r"[^\w\- ]")
_ENV_LINE = re.compile(r"^([A-Z_]+)=(.*)$", re.MULTILINE)


def problems() -> list[str]:
    """Return one line for each thing that is missing or wrong."""
    found: list[str] = []
    for check in (
        _settings,
        _env_example,
        _commands,
        _routes_and_metrics,
        _modules,
        _links,
        _images,
        _languages,
        _examples,
        _tests,
        _templates,
    ):
        found += check()
    return found


def main() -> int:
    """Print the problems; return 1 if there are any."""
    found = problems()
    for line in found:
        print(line)
    print(f"docs: {len(found)} problems" if found else f"docs: {len(documents())} pages agree with the program")
    return 1 if found else 0


# --- the pages


def documents() -> list[Path]:
    """Return every page that we wrote."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@cache
def text_of(page: Path) -> str:
    """Return a page."""
    return page.read_text("utf-8")


def prose_of(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _INDENTED.sub("\n", _FENCE.sub("", text_of(page)))


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that a page's headings get, as GitHub makes them."""
    seen: dict[str, int] = {}
    anchors = set()
    for _, heading in _HEADING.findall(_FENCE.sub("", text_of(page))):
        plain = _LINK.sub(r"\2", heading).replace("`", "").lower()
        anchor = _ANCHOR_DROPS.sub("", plain).replace(" ", "-")
        count = seen.get(anchor, 0)
        seen[anchor] = count + 1
        anchors.add(f"{anchor}-{count}" if count else anchor)
    return anchors


# --- settings


def _settings() -> Iterator[str]:
    for name in CONFIGURATION:
        text = text_of(ROOT / name)
        rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", text, re.MULTILINE))
        yield from (f"{name}: {row} is no setting" for row in rows.keys() - _setting_defaults().keys())
        for setting, default in _setting_defaults().items():
            shown = rows.get(setting)
            if shown is None:
                yield f"{name}: the setting {setting} is missing"
            elif default and shown != f"`{default}`":
                yield f"{name}: {setting} has the default {default}, not {shown}"
            elif not default and shown.startswith("`"):
                yield f"{name}: {setting} has no default, so not {shown}"


def _setting_defaults() -> dict[str, str]:
    """Return NAME -> default, written as in a `.env`; empty where there is none."""
    settings = Settings.model_construct()
    plain = {name: value.get_secret_value() for name, value in settings if isinstance(value, SecretStr)}
    defaults = settings.model_dump(mode="json") | plain
    return {name.upper(): _written(value) for name, value in defaults.items()}


def _written(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _env_example() -> Iterator[str]:
    lines = dict(_ENV_LINE.findall((ROOT / ".env.example").read_text("utf-8")))
    defaults = _setting_defaults()
    if list(lines) != list(defaults):
        yield f".env.example: it lists {', '.join(lines)}; the settings are {', '.join(defaults)}, in this order"
    for name, value in lines.items():
        if value not in PLACEHOLDERS and value != defaults.get(name):
            yield f".env.example: {name} has the default {defaults.get(name)!r}, not {value!r}"


# --- commands


def _commands() -> Iterator[str]:
    top = typer.main.get_command(cli.app)
    for name in OPERATIONS:
        text = text_of(ROOT / name)
        for words, options in _walk(top, ()):
            row = next((line for line in text.splitlines() if line.startswith(f"| `{' '.join(words)}")), "")
            where = row if words else text
            if words and not row:
                yield f"{name}: the command `{' '.join(words)}` is missing"
            yield from (f"{name}: `{' '.join(words)}` lacks {option}" for option in options if option not in where)


def _walk(command: object, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield each command with its options; a group only where it has options of its own."""
    parameters = getattr(command, "params", [])
    options = [each.opts[0] for each in parameters if each.param_type_name == "option"]
    children = getattr(command, "commands", None)
    if not children or options:
        yield words, options
    for name, child in (children or {}).items():
        yield from _walk(child, (*words, name))


# --- routes and metrics, from the running application


def _routes_and_metrics() -> Iterator[str]:
    document, metrics = _ask_the_application()
    text = text_of(ROOT / API)
    described = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    for method, path in dict.fromkeys([*described, *_declared()]):
        if not _is_described(text, method, path):
            yield f"{API}: {method} {path} is missing"
    for name in OPERATIONS:
        operations = text_of(ROOT / name)
        missing = [each for each in metrics if not re.search(rf"`{each}[`{{]", operations)]
        yield from (f"{name}: the metric {each} is missing" for each in missing)
        rows = re.findall(r"^\| `((?:pulsemon|monitor)_\w+)", operations, re.MULTILINE)
        yield from (f"{name}: {row} is no metric" for row in rows if row not in metrics)


def _declared() -> Iterator[tuple[str, str]]:
    """Yield (method, path) of every route, the panel's too; HEAD is said once for all."""
    app = make_fastapi(cast("Site", None))  # declaring routes asks nothing of the site
    for route in app.routes:
        if isinstance(route, APIRoute):
            path = re.sub(r":\w+\}", "}", route.path)
            yield from ((method, path) for method in sorted(route.methods or ()) if method != "HEAD")


def _is_described(text: str, method: str, path: str) -> bool:
    """Return whether a row of the tables of routes has both: the path in full, or its end beside a path it fits."""
    rows = [line for line in text.splitlines() if line.startswith("| ") and method in line.split("`")[0]]
    head, _, tail = path.rpartition("/")
    return any(f"`{path}`" in row or (f"`{head}" in row and f"`/{tail}`" in row) for row in rows)


@cache
def _ask_the_application() -> tuple[dict[str, dict[str, dict[str, object]]], list[str]]:
    """Start PulseMon, create a monitor and ping it; return the OpenAPI document and the names of all metrics."""
    token = "the-token-of-the-documents-check"  # long enough to be one
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/pulsemon.db"
        settings = Settings(_env_file=None, database_url=url, admin_token=token, log_level="ERROR")  # type: ignore[call-arg, arg-type]
        with TestClient(PulseMon(settings)) as client:
            headers = {"X-Admin-Token": token}
            body = {"name": "Docs", "slug": "docs", "interval_seconds": 60}
            made = client.post("/api/monitors", json=body, headers=headers).json()
            client.get(f"/h/docs/{made['token']}").raise_for_status()
            samples = client.get("/metrics", headers=headers).text.splitlines()
            document = client.get("/openapi.json").json()
    names = {re.split(r"[ {]", line, maxsplit=1)[0] for line in samples if line and not line.startswith("#")}
    return document, sorted(name for name in names if not name.endswith("_created"))


# --- the map


def _modules() -> Iterator[str]:
    """Hold the map against the tree, both ways: a module stands in it under its folder."""
    there = {each.relative_to(ROOT) for each in (ROOT / "pulsemon").rglob("*.py") if "migrations" not in each.parts}
    drawn = set(_drawn(text_of(ROOT / ARCHITECTURE)))
    for module in sorted(there - drawn):
        if module.name != "__init__.py":
            yield f"{ARCHITECTURE}: {module} is not on the map"
    for module in sorted(drawn - there):
        yield f"{ARCHITECTURE}: {module} is on the map and not in the tree"


def _drawn(page: str) -> Iterator[Path]:
    """Yield each module on the map: a folder opens a line, what stands deeper below it is in it."""
    block = page.partition("## The map")[2].partition("\n## ")[0]
    folders: list[tuple[int, str]] = []
    for line in filter(str.strip, block.splitlines()):
        indent = len(line) - len(line.lstrip())
        while folders and indent <= folders[-1][0]:
            folders.pop()
        if opened := re.match(r"(\w+)/", line.strip()):
            folders.append((indent, opened[1]))
        if folders and folders[0][1] == "pulsemon":
            folder = Path(*(name for _, name in folders))
            yield from (folder / name for name in re.findall(r"(?<![\w/])\w+\.py\b", line))


# --- links and images


def _links() -> Iterator[str]:
    for page in documents():
        for _, _, target in _LINK.findall(_CODE.sub("", prose_of(page))):
            if not re.match(r"[a-z]+:", target):
                yield from _broken(page, target)


def _broken(page: Path, target: str) -> Iterator[str]:
    name = page.relative_to(ROOT)
    path, _, anchor = unquote(target).partition("#")
    aim = (page.parent / path).resolve() if path else page
    if not aim.exists():
        yield f"{name}: the link {target} leads nowhere"
    elif anchor and (aim.suffix != ".md" or anchor not in anchors_of(aim)):
        yield f"{name}: the link {target} names a heading that {aim.name} does not have"


def _images() -> Iterator[str]:
    shown = {
        (page.parent / unquote(target)).resolve()
        for page in documents()
        for _, _, target in _LINK.findall(prose_of(page))
    }
    for image in sorted((ROOT / "docs" / "images").glob("*")):
        if image.resolve() not in shown:
            yield f"{image.relative_to(ROOT)}: no page shows it"


# --- two languages, and what can be run


def _languages() -> Iterator[str]:
    """The two languages say the same: as many headings, rows of tables and blocks of code, in the same order."""
    pairs = [(ROOT / "README.md", ROOT / "README.pt-BR.md")]
    pairs += [(ROOT / "docs" / page.name, page) for page in sorted((ROOT / "docs" / "pt-BR").glob("*.md"))]
    for english, portuguese in pairs:
        if not english.exists():
            yield f"{portuguese.relative_to(ROOT)}: there is no English page of that name"
        elif (ours := _outline(english)) != (theirs := _outline(portuguese)):
            where = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), -1)
            yield f"{portuguese.relative_to(ROOT)}: differs from the English page at {_at(ours, theirs, where)}"


def _at(ours: Sequence[str], theirs: Sequence[str], where: int) -> str:
    return f"{ours[where]!r} / {theirs[where]!r}" if where >= 0 else f"its end ({len(ours)} / {len(theirs)} parts)"


def _outline(page: Path) -> list[str]:
    """Return the page's parts in order: headings by their level, fences by their language, tables by their rows."""
    outline = []
    fenced = False
    for line in text_of(page).splitlines():
        if line.startswith("```"):
            fenced = not fenced
            outline += [line] if fenced else []
        elif not fenced and (found := re.match(r"#+ |\| |\* | {4}\S|!\[", line)):
            outline.append(found.group().strip()[:1] if line[0] == " " else found.group().strip())
    return outline


def _tests() -> Iterator[str]:
    """Every test that a page names is there, in the file that the link before it leads to."""
    for page in documents():
        for link, names in re.findall(r"\]\(([^()]*tests/[^()]*\.py)\): ((?:`test_\w+`(?:, )?)+)", text_of(page)):
            file = (page.parent / link).resolve()
            there = set(re.findall(r"^ *(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE))
            named = re.findall(r"`(\w+)`", names)
            yield from (f"{page.relative_to(ROOT)}: {name} is no test of {link}" for name in named if name not in there)


def _examples() -> Iterator[str]:
    for page in documents():
        for language, code in _FENCE.findall(text_of(page)):
            try:
                if language == "json":
                    json.loads(code)
                elif language == "python":
                    compile(code, str(page), "exec")
            except (ValueError, SyntaxError) as wrong:
                yield f"{page.relative_to(ROOT)}: an example is no {language}: {wrong}"


# --- templates


def _templates() -> Iterator[str]:
    for template in sorted((ROOT / "pulsemon" / "web" / "templates").rglob("*.*")):
        for number, line in enumerate(text_of(template).splitlines(), 1):
            if len(line) > MAX_TEMPLATE_LINE:
                yield f"{template.relative_to(ROOT)}:{number}: {len(line)} characters, more than {MAX_TEMPLATE_LINE}"


if __name__ == "__main__":
    # Of the settings only the defaults matter here, whatever this machine's environment says.
    for setting in Settings.model_fields:
        os.environ.pop(setting.upper(), None)
    sys.exit(main())
