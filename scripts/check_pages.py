"""Every page of a real server, in both languages, against the HTML standard, and the most read ones against Lighthouse.

    npm install --no-save vnu-jar lighthouse            (anywhere; needs Node, Java and Chromium)
    python scripts/check_pages.py path/to/node_modules

Pages are found by following links from the panel and the public page. Exit status 1 if one is not valid, or a score of
Lighthouse for performance, accessibility or best practices is below 98.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
from screenshots import TOKEN, running_server

LOCALES = ("en", "pt-BR")
STARTS = ("/", "/status")
# What a link leads to that is no page, or ends the session.
NOT_PAGES = re.compile(r"/(static|docs|logout|events|openapi\.json|api|badge)|\.(csv|atom|json|svg|ics|png)$")
# htmx's own attributes are not in the standard, which wants data- before them; nothing else is forgiven.
HTMX = re.compile(r'\shx-[a-z:-]+(="[^"]*")?')
WANTED = {"performance": 0.98, "accessibility": 0.98, "best-practices": 0.98}
CHROME_FLAGS = "--chrome-flags=--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage"


def main() -> int:
    """Check everything and say what was found."""
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "vnu-jar").is_dir():
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    modules = Path(sys.argv[1]).resolve()
    is_valid = True
    for locale in LOCALES:
        with running_server(locale) as url, tempfile.TemporaryDirectory() as folder:
            client = httpx2.Client(base_url=url, headers={"accept": "text/html"}, follow_redirects=True)
            save(client, STARTS, Path(folder), f"{locale} before")
            client.post("/login", data={"token": TOKEN})
            save(client, STARTS, Path(folder), locale)
            is_valid &= validate(modules, Path(folder))
            if locale == "en":
                cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
                for path in STARTS:
                    is_valid &= score(modules, url, path, cookie)
    return 0 if is_valid else 1


def save(client: httpx2.Client, starts: tuple[str, ...], folder: Path, label: str) -> None:
    """Write every page that links lead to from *starts*, one of each kind: /monitors/1 and /monitors/2 are one."""
    waiting, seen = list(starts), set(map(kind_of, starts))
    while waiting:
        path = waiting.pop(0)
        answer = client.get(path)
        if "text/html" not in answer.headers.get("content-type", ""):
            continue
        name = re.sub(r"\W+", "-", f"{label} {path}").strip("-")
        (folder / f"{name}.html").write_text(HTMX.sub("", answer.text), encoding="utf-8")
        for href in re.findall(r'<a [^>]*href="([^"#]+)', answer.text):
            parts = urlsplit(urljoin(path, href.replace("&amp;", "&")))
            if not parts.netloc and not NOT_PAGES.search(parts.path) and kind_of(parts.path) not in seen:
                seen.add(kind_of(parts.path))
                waiting.append(parts.path)


def kind_of(path: str) -> str:
    """Return the path without its numbers."""
    return re.sub(r"\d+", "0", path)


def validate(modules: Path, folder: Path) -> bool:
    """Have the checker of the W3C read every page; print what is wrong."""
    jar = modules / "vnu-jar" / "build" / "dist" / "vnu.jar"
    files = sorted(folder.glob("*.html"))
    command = ["java", "-jar", str(jar), "--errors-only", "--format", "gnu", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stderr.replace(f"file:{folder}/", "").strip() or f"{len(files)} pages are valid: ", end="\n")
    print("  " + ", ".join(each.stem for each in files))
    return done.returncode == 0


def score(modules: Path, url: str, path: str, cookie: str) -> bool:
    """Have Lighthouse look at a page as on a phone and as on a desk; print its scores."""
    is_good = True
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for preset in ([], ["--preset=desktop"]):
        command = [str(modules / ".bin" / "lighthouse"), url + path, "--quiet", "--output=json", CHROME_FLAGS, *preset]
        command.append(f"--extra-headers={json.dumps({'Cookie': cookie})}")
        environment = os.environ | {"CHROME_PATH": chromium}
        report = look(command, environment)
        scores = {name: report["categories"][name]["score"] for name in WANTED}
        is_good &= all(scores[name] >= wanted for name, wanted in WANTED.items())
        print(f"Lighthouse, {path}, {'desktop' if preset else 'phone'}: {scores}")
        for name in WANTED:
            for each in report["categories"][name]["auditRefs"]:
                audit = report["audits"][each["id"]]
                if each["weight"] and audit["score"] is not None and audit["score"] < 1:
                    print(f"    {name}: {audit['title']} ({audit['score']})")
    return is_good


def look(command: list[str], environment: dict[str, str]) -> Any:
    """Return Lighthouse's report; on a busy machine it loses sight of the browser now and then and is asked again."""
    for is_last in (False, False, True):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode == 0:
            return json.loads(done.stdout)
        if is_last:
            raise SystemExit(f"Lighthouse could not look:\n{done.stderr[-2_000:]}")
    return None


if __name__ == "__main__":
    raise SystemExit(main())
