"""`pulsemon snapshot`: the public pages as files; what is not public is not there, and no reader gets half a file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from pulsemon.db import Database
from pulsemon.deadlines import passes
from pulsemon.errors import StartRefused, Unavailable
from pulsemon.monitors import manage as monitors
from pulsemon.status_pages import manage as status_pages
from pulsemon.web.public import file_tree, statuspage
from pulsemon.web.public.static_copy import make_files
from tests.arrange import make, make_down, make_up
from tests.conftest import Server, at, settings_for
from tests.core.test_page_values import PNG

NOW = at("10:00")
SETTINGS = settings_for("sqlite:///unused.db", default_locale="en")


def run(server: Server, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command with the environment of *server*, whether or not it runs."""
    return subprocess.run(
        [sys.executable, "-m", "pulsemon", "snapshot", str(folder)],
        env=server.environment | {"LOG_LEVEL": "ERROR"},
        cwd=server.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_pages_feeds_documents_and_badges_are_there(database: Database) -> None:
    make_up(database, "fine", last_ping=NOW)
    status_pages.create(
        database, status_pages.NewPage("shop", monitors=("fine",), title="Loja", language="pt-BR"), now=NOW
    )
    status_pages.save_logo(database, "shop", PNG, now=NOW)

    files = make_files(database, SETTINGS, now=NOW)

    assert {f"api/v2/{name}.json" for name in statuspage.DOCUMENTS} <= files.keys()
    assert {f"status/shop/{name}" for name in ("feed.atom", "badge.svg", "badge.json", "logo")} <= files.keys()
    assert files["status/shop/logo"] == PNG
    page = files["status/shop/index.html"].decode()
    assert "Uma cópia, de 02/03/2026 10:00:00 (UTC)." in page
    assert "?lang=" not in page
    assert "A copy, as of 2 Mar 2026, 10:00:00 (UTC)." in files["status/index.html"].decode()
    assert json.loads(files["badge/fine.json"])["label"] == "Fine"
    assert all(not name.startswith("/") and ".." not in name for name in files)


def test_what_is_private_or_takes_a_password_is_not(database: Database) -> None:
    make_up(database, "known", last_ping=NOW)
    private = make_down(database, "xylophone", last_ping=NOW)
    monitors.edit(database, monitors.by_id(private.id), {"placement": {"is_public": False}}, now=NOW)
    status_pages.create(database, status_pages.NewPage("giraffe", password="correct horse"), now=NOW)

    files = make_files(database, SETTINGS, now=NOW)

    assert "status/index.html" in files
    for name, content in files.items():
        for word in (b"xylophone", b"giraffe"):
            assert word not in name.encode() + content.lower(), name


def test_a_slug_of_old_that_means_something_in_a_path_becomes_no_file(database: Database) -> None:
    make(database, "../../etc/passwd", now=NOW)

    assert not [name for name in make_files(database, SETTINGS, now=NOW) if "passwd" in name or ".." in name]


def test_without_a_server_the_copy_is_one_of_the_last_moment_that_was_watched(database: Database) -> None:
    make_up(database, "fine", last_ping=NOW)
    passes.beat(database, "node", now=NOW + timedelta(seconds=30))

    files = make_files(database, SETTINGS, now=NOW + timedelta(days=1))

    assert "10:00:30 (UTC)" in files["status/index.html"].decode()


def test_it_works_with_and_without_a_server_and_changes_nothing(
    make_server: Callable[..., Server], database_url: str, tmp_path: Path
) -> None:
    server = make_server(database_url)
    httpx2.get(server.create(name="Relatório")["ping_url"])
    folder = tmp_path / "copy"

    for _ in range(2):
        done = run(server, folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Relatório" in (folder / "status" / "index.html").read_text("utf-8")
        told = json.loads((folder / "api" / "v2" / "summary.json").read_text("utf-8"))
        assert [each["status"] for each in told["components"]] == ["operational"]
        assert not list(folder.rglob("*.unfinished"))
        server.stop()


def test_without_a_database_it_says_so_and_makes_none(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="There is no database"):
        Database.open_to_read(sqlite_url)
    assert not list(tmp_path.iterdir())


def test_a_database_that_is_opened_to_read_takes_no_lock_and_writes_nothing(sqlite_url: str) -> None:
    server = Database.open(sqlite_url)
    with pytest.raises(StartRefused, match="not up to date"):
        Database.open_to_read(sqlite_url)
    server.migrate()
    reader = Database.open_to_read(sqlite_url)
    with pytest.raises(Unavailable):
        make(reader, "job", now=NOW)
    reader.close()
    server.close()


# The folder


def test_what_is_no_longer_wanted_goes_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    file_tree.replace_files(folder, {"a/b/c.html": b"1", "d.html": b"2"})
    (folder / "robots.txt").write_text("mine")
    unchanged = (folder / "d.html").stat().st_ino

    file_tree.replace_files(folder, {"d.html": b"2", "a/e.html": b"3"})

    found = {str(each.relative_to(folder)) for each in folder.rglob("*") if not each.name.startswith(".")}
    assert found == {"a", "a/e.html", "d.html", "robots.txt"}
    assert (folder / "d.html").stat().st_ino == unchanged


def test_a_run_that_was_interrupted_leaves_nothing_that_the_next_does_not_take_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    put = file_tree._put

    def fail_at_b(path: Path, content: bytes) -> None:
        if path.name == "b":
            raise OSError(28, "No space left on device")
        put(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(file_tree, "_put", fail_at_b)
        with pytest.raises(StartRefused, match="No space left"):
            file_tree.replace_files(folder, {"a": b"1", "b": b"2"})
    file_tree.replace_files(folder, {"c": b"3"})

    assert {each.name for each in folder.iterdir() if not each.name.startswith(".")} == {"c"}


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")

    with pytest.raises(StartRefused, match="did not write"):
        file_tree.replace_files(tmp_path, {"index.html": b"ours"})
    with pytest.raises(StartRefused, match="does not exist"):
        file_tree.replace_files(tmp_path / "x" / "y", {})
    assert [each.read_text() for each in tmp_path.iterdir()] == ["mine"]


def test_a_list_that_names_files_elsewhere_takes_none_of_them_away(tmp_path: Path) -> None:
    folder, other = tmp_path / "copy", tmp_path / "other"
    other.write_text("mine")
    file_tree.replace_files(folder, {"a": b"1"})
    (folder / ".pulsemon-files.json").write_text(json.dumps(["../other", str(other), "a"]))

    file_tree.replace_files(folder, {})

    assert other.read_text() == "mine"
    assert not (folder / "a").exists()
