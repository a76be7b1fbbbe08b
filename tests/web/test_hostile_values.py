"""What is accepted anywhere works everywhere it then stands: hostile texts in every field, through every place."""

from __future__ import annotations

import csv
import email
import email.message
import email.policy
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import feedparser
import icalendar
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.channels import letter
from pulsemon.channels.lines import one_line
from pulsemon.channels.message import Announcement
from pulsemon.channels.notices import Publisher
from pulsemon.db import Database
from pulsemon.web.public import file_tree, static_copy
from tests.conftest import ADMIN_TOKEN, ROOT, at, settings_for
from tests.db.test_migrations import FIRST_DDL

# None of them holds a control character, which no field takes; each breaks something that was written without care.
TEXTS = {
    "markup": "<script>alert('x')</script>\"&amp;]]>",
    "a formula": '=HYPERLINK("https://evil.example";"x")',
    "a path": "../../etc/a?b=c#d%2Fe%",
    "a template": "{{ 7 * 7 }} {% raw %} %(x)s %s {0} ${HOME}",
    "a calendar's": "a;b,c\\n\\,d:e",
    "a header's": '"a\\"b", =?utf-8?q?c?= <d@e.example>',
    "letters": "não concluído – 失敗 🎉 عطل ẞ",
    "accents apart": "na\u0303o conclui\u0301do",
    "one letter of many": "\U0001f469\u200d\U0001f4bb" * 20,
    "what XML has not": "a\ufffeb\uffffc",
    "lines that are none": "a\u2028b\u2029c",
    "the other direction": "\u202eexe.txt",
    "as long as may be": "W" * 99 + " " + "é" * 100,
}
# A name of every kind that the first PulseMon took for a slug.
OLD_SLUGS = ["a/b", "CON", "Job", "job", "a b?c#d", "não", "<b>", "x" * 300, "100%", "é\u202e"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[TestClient]:
    """The whole application with every text in every field: monitors, pages, incidents, maintenance, corrections."""
    from pulsemon.server import PulseMon

    database_url = f"sqlite:///{folder / 'pulsemon.db'}"
    _with_old_slugs(folder / "pulsemon.db")
    settings = settings_for(database_url, base_url="http://testserver", trusted_proxies=())
    with TestClient(PulseMon(settings), base_url="http://testserver", headers={"X-Admin-Token": ADMIN_TOKEN}) as client:
        for number, text in enumerate(TEXTS.values()):
            _fill(client, f"m{number}", f"p{number}", text)
        assert client.post("/login", data={"token": ADMIN_TOKEN}, follow_redirects=False).status_code == 303
        yield client


def _with_old_slugs(path: Path) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST_DDL.format(id="INTEGER", instant="DATETIME"))
        for number, slug in enumerate(OLD_SLUGS, 1):
            connection.execute(
                "INSERT INTO monitors VALUES (?, ?, ?, ?, 3600, 0, NULL, 'UNKNOWN', NULL, ?, ?)",
                (
                    number,
                    slug,
                    f"old {slug}",
                    f"token-{number}-of-an-old-one",
                    "2025-01-01 00:00:00",
                    "2025-01-01 00:00:00",
                ),
            )
        connection.commit()


def _fill(client: TestClient, slug: str, page: str, text: str) -> None:
    short = text[:60].strip()
    tag = re.sub(",", " ", short)[:40].strip()
    fields = {
        "group": short,
        "environment": short[:40].strip(),
        "tags": [tag],
        "failure_keywords": [text[:200].strip()],
    }
    monitor = {"name": text, "slug": slug, "interval_seconds": 3600, **fields}
    _made(client.post("/api/monitors", json=monitor))
    ping = client.get(f"/api/monitors/{slug}").json()["ping_url"].removeprefix("http://testserver")
    agent = {"user-agent": text.encode()[:200]}
    assert client.post(ping, content=b"fine", headers=agent).status_code == 200
    assert client.post(ping, content=text.encode(), headers=agent).status_code == 200
    look = {"slug": page, "title": text[:100].strip(), "description": text, "footer": text, "monitors": [slug]}
    _made(client.post("/api/pages", json=look))
    _made(
        client.post(
            "/api/incidents",
            json={"title": text, "body": text, "status": "identified", "impact": "minor", "monitors": [slug]},
        )
    )
    planned = {"title": text, "description": text, "monitors": [slug], "timezone": "UTC"}
    times = {
        name: (clock.now() + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M")
        for name, hours in (("starts_at", 2), ("ends_at", 3))
    }
    _made(client.post("/api/maintenance", json=planned | times))
    reason = "".join(each if each.isprintable() else " " for each in text)  # what cannot be seen is refused there
    now = clock.now().replace(microsecond=0)
    span = {"started_at": (now - timedelta(hours=1)).isoformat(), "ended_at": now.isoformat()}
    _made(client.post(f"/api/monitors/{slug}/corrections", json=span | {"reason": reason}))


def _made(answer: Any) -> None:
    assert answer.status_code == 201, answer.text


EACH = pytest.mark.parametrize(("number", "text"), list(enumerate(TEXTS.values())), ids=list(TEXTS))


def _get(site: TestClient, path: str) -> Any:
    answer = site.get(path)
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])
    return answer


@EACH
def test_pages_show_it_and_nothing_in_it_is_markup(site: TestClient, number: int, text: str) -> None:
    found = _get(site, f"/api/monitors/m{number}").json()
    assert (found["name"], found["status"]) == (text, "DOWN")
    for path in (
        "/",
        f"/monitors/{len(OLD_SLUGS) + 1 + number}",
        "/status",
        f"/status/p{number}",
        f"/status/p{number}/history",
        "/pages",
        "/incidents",
        "/maintenance",
    ):
        shown = _get(site, path).text
        assert "<script>alert" not in shown, path
        if path == f"/status/p{number}":
            assert text in unescape(shown)


def test_every_link_leads_somewhere(site: TestClient) -> None:
    pages = ["/", "/status", "/pages", "/incidents", "/maintenance", *(f"/status/p{n}" for n in range(len(TEXTS)))]
    pages += [f"/monitors/{number}" for number in (1, 5, len(OLD_SLUGS) + 1, len(OLD_SLUGS) + 3)]
    links = {unescape(each) for page in pages for each in re.findall(r'href="(/[^"#]*)', _get(site, page).text)}
    assert any("tag=" in each for each in links)
    for link in links:
        assert site.get(link).status_code == 200, link


@EACH
def test_programs_read_it_back(site: TestClient, number: int, text: str) -> None:
    summary = _get(site, f"/status/p{number}/api/v2/summary.json").json()
    assert [each["name"] for each in summary["components"]][-1] == text
    assert text in [each["name"] for each in summary["incidents"]]

    families = {each.name: each for each in text_string_to_metric_families(_get(site, "/metrics").text)}
    names = {sample.labels.get("monitor_name") for sample in families["monitor_status"].samples}
    assert text in names


@EACH
def test_feeds_and_calendars_are_well_formed(site: TestClient, number: int, text: str) -> None:
    feed = feedparser.parse(_get(site, f"/status/p{number}/feed.atom").content)
    assert not feed.bozo, feed.get("bozo_exception")
    kept = re.sub("[\ufffe\uffff]", "\ufffd", text)
    assert any(kept[:30].split()[0] in each.title for each in feed.entries) or not kept.strip()

    calendar = _get(site, f"/status/p{number}/maintenance.ics").content
    lines = calendar.split(b"\r\n")
    assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in lines)
    events = icalendar.Calendar.from_ical(calendar).walk("VEVENT")
    assert [str(event["SUMMARY"]) for event in events] == [text]


@EACH
def test_badges_of_monitor_page_and_tag_are_drawn(site: TestClient, number: int, text: str) -> None:
    (tag,) = _get(site, f"/api/monitors/m{number}").json()["tags"]
    for path in (f"/badge/m{number}", f"/status/p{number}/badge", f"/badge/tag/{quote(tag, safe='')}"):
        assert ElementTree.fromstring(_get(site, f"{path}.svg").content).tag.endswith("svg")
        assert json.loads(_get(site, f"{path}.json").content)["schemaVersion"] == 1
        assert site.head(f"{path}.svg").status_code == 200


@EACH
def test_a_spreadsheet_computes_nothing_and_shows_every_letter(site: TestClient, number: int, text: str) -> None:
    ids = {each["slug"]: position for position, each in enumerate(_get(site, "/api/monitors").json(), 1)}
    answer = _get(site, f"/monitors/{ids[f'm{number}']}/report.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")  # without it Excel takes UTF-8 for the system's own
    table = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert not [cell for row in table for cell in row if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+"', answer.headers["content-disposition"])


@EACH
def test_a_mail_says_it_in_its_subject_and_its_text(number: int, text: str) -> None:
    told = Announcement(
        f"msg_{number}",
        "incident",
        "i1",
        at("10:00"),
        "status",
        None,
        text[:100],
        title=text,
        status="identified",
        text=text,
    )
    content = letter.write(
        told, sender=(text[:60], "status@example.org"), to="ana@example.org", token="t", locale="pt-BR",
        publisher=Publisher("https://status.example.org", text[:100], "UTC"), written_at=at("10:00"),
    )  # fmt: skip
    head, _, _ = content.partition(b"\r\n\r\n")
    assert head.isascii()
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert not mail.defects
    assert set(mail.keys()) >= {"From", "To", "Subject", "Date", "Message-ID"}
    assert len(mail.keys()) == len(set(mail.keys()))
    said = one_line(text, 200).split()[0][:20]
    assert said in mail["Subject"]
    assert said in mail.get_content()


@pytest.mark.parametrize("number", range(len(OLD_SLUGS)))
def test_a_slug_that_only_an_old_database_holds_is_reached_everywhere(site: TestClient, number: int) -> None:
    slug = OLD_SLUGS[number]
    path = quote(slug, safe="")
    made = _get(site, "/api/monitors").json()[number]

    assert made["slug"] == slug
    assert _get(site, made["ping_url"].removeprefix("http://testserver")).json() == {"ok": True}
    assert _get(site, f"/api/monitors/{path}").json()["slug"] == slug
    assert _get(site, f"/api/history/{path}").json() is not None
    assert ElementTree.fromstring(_get(site, f"/badge/{path}.svg").content).tag.endswith("svg")
    answer = _get(site, f"/monitors/{number + 1}/report.csv")
    assert answer.headers["content-disposition"].isascii()


def test_a_copy_is_written_to_files(site: TestClient, folder: Path) -> None:
    settings = settings_for(f"sqlite:///{folder / 'pulsemon.db'}", base_url="http://testserver")
    database = Database.open_to_read(settings.database_url.get_secret_value())
    try:
        files = static_copy.make_files(database, settings, now=clock.now())
    finally:
        database.close()
    file_tree.replace_files(folder / "copy", files)
    written = {str(each.relative_to(folder / "copy")) for each in (folder / "copy").rglob("*") if each.is_file()}
    assert files.keys() <= written
    assert all(re.fullmatch(r"[A-Za-z0-9._/-]+", name) and ".." not in name for name in files)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("words", [["list"], ["list", "--json"]])
def test_a_console_with_few_letters_lists_them_all(
    sqlite_url: str, make_client: Callable[..., TestClient], tmp_path: Path, encoding: str, words: list[str]
) -> None:
    client = make_client(sqlite_url)
    client.headers["X-Admin-Token"] = ADMIN_TOKEN
    for number, text in enumerate(TEXTS.values()):
        _made(client.post("/api/monitors", json={"name": text, "slug": f"m{number}", "interval_seconds": 60}))
    client.__exit__(None, None, None)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    environment |= {"DATABASE_URL": sqlite_url, "LANG": "C"}

    done = subprocess.run(
        [sys.executable, "-m", "pulsemon", "monitor", *words],
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )

    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    shown = done.stdout.decode(encoding)
    if "--json" in words:
        assert [each["name"] for each in json.loads(shown)] == list(TEXTS.values())
    else:
        assert len(shown.rstrip("\n").split("\n")) == len(TEXTS)
