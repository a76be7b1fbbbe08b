"""What PulseMon writes: at any path, nobody else's to read, through no link, whole or not at all."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pulsemon import whole_file
from pulsemon.db import Database
from pulsemon.errors import InUse, StartRefused, Unavailable
from pulsemon.operations.backup import back_up
from pulsemon.web.public import file_tree
from tests.arrange import make
from tests.conftest import ROOT, at, settings_for

NOW = at("10:00")
DEFAULT_URL = "sqlite:///./pulsemon.db"

posix = pytest.mark.skipif(sys.platform == "win32", reason="names and links of POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="locks of open files, which Linux has")

FOLDERS = [
    "what?now",
    "what?now=then",
    "a%20b",
    "50%",
    "%3F",
    "a#b",
    "with space",
    "acentuação",
    "quote'\"",
    "back\\slash",
    "semi;colon&x=y",
    "file:x",
    "new\nline",
    os.fsdecode(b"not-utf8-\xff"),
]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT slug FROM monitors")}


@posix
@pytest.mark.parametrize("name", FOLDERS, ids=repr)
def test_a_folder_of_any_name_holds_the_database_and_its_copy_and_nobody_else_reads_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    before = os.umask(0)
    try:
        database = Database.open(DEFAULT_URL)
        database.migrate()
        make(database, "job", now=NOW)
        back_up(DEFAULT_URL, folder / "copy.db")
        modes = {each.name: mode_of(each) for each in folder.iterdir()}
        database.close()
    finally:
        os.umask(before)

    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert set(modes) == {"pulsemon.db", "pulsemon.db-wal", "pulsemon.db-shm", "pulsemon.db.lock", "copy.db"}
    assert set(modes.values()) == {0o600}
    assert names_in(folder / "copy.db") == names_in(folder / "pulsemon.db") == {"job"}


@pytest.mark.parametrize("path", ["a%3Fb.db", "50%25.db"])
def test_a_path_in_database_url_is_written_as_in_any_url(path: str, tmp_path: Path) -> None:
    database = Database.open(settings_for(f"sqlite:///{tmp_path}/{path}").database_url.get_secret_value())
    database.close()

    assert {each.name for each in tmp_path.glob("*.db")} == {path.replace("%3F", "?").replace("%25", "%")}


@pytest.mark.parametrize("url", ["sqlite:///./what?now/x.db", "sqlite:////srv/x.db?", "sqlite:///x.db?timeout=3"])
def test_options_of_old_are_taken_and_a_path_cut_off_at_a_question_mark_is_not(url: str) -> None:
    if "now" not in url:
        assert settings_for(url).database_url.get_secret_value() == url
        return
    with pytest.raises(ValueError, match="%3F"):
        settings_for(url)


# Copies


@posix
def test_a_copy_is_written_through_no_link_and_to_no_name_that_can_be_guessed(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database.open(sqlite_url)
    database.migrate()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    where = tmp_path / "copies"
    where.mkdir()
    (where / "copy.db.unfinished").symlink_to(victim)
    (where / "dangling.db").symlink_to(tmp_path / "not there")

    back_up(sqlite_url, where / "copy.db")
    with pytest.raises(StartRefused, match="exists already"):
        back_up(sqlite_url, where / "dangling.db")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": sqlite_url}
    command = [sys.executable, "-m", "pulsemon", "backup", str(where / "dangling.db")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    database.close()

    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert victim.read_text() == "mine"
    assert not (tmp_path / "not there").exists()
    assert sorted(each.name for each in where.iterdir()) == ["copy.db", "copy.db.unfinished", "dangling.db"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV])
def test_without_hard_links_a_copy_comes_out_and_still_replaces_nothing(
    number: int, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database.open(sqlite_url)
    database.migrate()
    make(database, "job", now=NOW)

    def no_links(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", no_links)
    size = back_up(sqlite_url, tmp_path / "copy.db")
    database.close()

    assert (tmp_path / "copy.db").stat().st_size == size
    assert names_in(tmp_path / "copy.db") == {"job"}
    with whole_file.unfinished(tmp_path / "copy.db", mode=0o600) as made, pytest.raises(FileExistsError):
        whole_file.give_new_name(made, tmp_path / "copy.db")
    assert names_in(tmp_path / "copy.db") == {"job"}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_a_copy_gets_no_name_that_sqlite_takes_for_its_own(
    suffix: str, migrated_sqlite_url: str, tmp_path: Path
) -> None:
    with pytest.raises(StartRefused, match="SQLite"):
        back_up(migrated_sqlite_url, tmp_path / f"copy.db{suffix}")


def _no_tables(path: Path) -> None:
    path.touch()


def _anothers(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE monitors (id INTEGER)")


def _robbed(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    database.migrate()
    database.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("DROP TABLE monitors")
    path.with_name(f"{path.name}.lock").unlink()


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 1_000)


@pytest.mark.parametrize("what", [_no_tables, _anothers, _robbed, _garbage])
def test_what_is_no_database_of_ours_is_not_called_a_copy(what: Callable[[Path], None], tmp_path: Path) -> None:
    what(tmp_path / "pulsemon.db")

    with pytest.raises(StartRefused):
        back_up(f"sqlite:///{tmp_path}/pulsemon.db", tmp_path / "copy.db")

    assert [each.name for each in tmp_path.iterdir()] == ["pulsemon.db"]


def test_a_copy_is_whole_while_the_server_goes_on_writing(sqlite_url: str, tmp_path: Path) -> None:
    database = Database.open(sqlite_url)
    database.migrate()
    for number in range(5):
        make(database, f"job-{number}", now=NOW)
        back_up(sqlite_url, tmp_path / f"copy-{number}.db")
    database.close()

    assert [len(names_in(tmp_path / f"copy-{number}.db")) for number in range(5)] == [1, 2, 3, 4, 5]


@posix
def test_a_static_copy_goes_through_no_link(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "copy", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "page.html").write_text("mine")
    file_tree.replace_files(folder, {"a/page.html": b"1", "b.html": b"1"})
    (folder / "b.html").unlink()
    (folder / "b.html").symlink_to(elsewhere / "page.html")
    (folder / ".b.html.unfinished").symlink_to(elsewhere / "page.html")
    file_tree.replace_files(folder, {"a/page.html": b"1", "b.html": b"2"})

    assert (folder / "b.html").read_bytes() == b"2"
    assert not (folder / "b.html").is_symlink()
    (folder / "a" / "page.html").unlink()
    (folder / "a").rmdir()
    (folder / "a").symlink_to(elsewhere)
    with pytest.raises(StartRefused, match="is a link"):
        file_tree.replace_files(folder, {"a/page.html": b"2"})
    file_tree.replace_files(folder, {})
    assert (elsewhere / "page.html").read_text() == "mine"
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(StartRefused, match="is a link"):
        file_tree.replace_files(tmp_path / "link", {})


def test_a_static_copy_is_for_the_web_server_to_read(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        file_tree.replace_files(tmp_path / "copy", {"a.html": b"1"})
    finally:
        os.umask(before)

    assert sys.platform == "win32" or mode_of(tmp_path / "copy" / "a.html") == 0o644


# The file of a running PulseMon


@pytest.fixture
def path(migrated_sqlite_url: str) -> Path:
    return Path(migrated_sqlite_url.removeprefix("sqlite:///"))


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@posix
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("replacement", [None, b"", b"something else"])
def test_a_write_into_a_file_that_lost_its_name_is_not_acknowledged(
    suffix: str, replacement: bytes | None, path: Path
) -> None:
    database = Database.open(f"sqlite:///{path}")
    make(database, "before", now=NOW)
    gone = beside(path, suffix)
    gone.unlink()
    if replacement is not None:
        gone.write_bytes(replacement)

    for _ in range(2):
        with pytest.raises(Unavailable, match="deleted, moved or replaced"):
            make(database, "after", now=NOW)

    assert database.write_failure
    saved = list(path.parent.glob("*.saved-*"))
    kept = [path] if not suffix and replacement is None else []
    assert not [each for each in kept if each.exists()]
    if suffix and replacement is None:
        assert not saved
        assert "before" in names_in(path)
    else:
        assert len(saved) == 1
        assert mode_of(saved[0]) == 0o600
        assert "before" in names_in(saved[0])
    database.close()


@posix
@pytest.mark.parametrize(
    "what", ["the log emptied", "the log cut and grown again", "a shorter file", "nothing", "text"]
)
def test_a_file_that_is_overwritten_in_its_place_takes_no_write_that_is_acknowledged(what: str, path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    make(database, "before", now=NOW)
    log_file = beside(path, "-wal")
    match what:
        case "the log emptied":
            os.truncate(log_file, 0)
        case "the log cut and grown again":
            size = log_file.stat().st_size
            os.truncate(log_file, 0)
            os.truncate(log_file, size)
        case "a shorter file":
            os.truncate(path, path.stat().st_size - 4096)
        case "nothing":
            os.truncate(path, 0)
        case _:
            path.write_bytes(b"something else" * 100_000)

    for _ in range(2):
        with pytest.raises(Unavailable):
            make(database, "after", now=NOW)

    assert database.write_failure
    database.close()


def test_a_database_that_somebody_tidies_up_meanwhile_goes_on(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    made = [make(database, f"job-{number}", name="x" * 200, now=NOW) for number in range(200)]
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.stat().st_size
        other.execute("DELETE FROM monitors WHERE slug <> 'job-0'")
        other.commit()
        other.execute("VACUUM")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    make(database, "again", now=NOW)

    assert path.stat().st_size < before, len(made)
    assert database.write_failure is None
    database.close()
    assert names_in(path) == {"job-0", "again"}


@posix
def test_a_database_that_is_put_back_is_written_again(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    folder = path.parent
    folder.rename(folder.with_name("away"))
    with pytest.raises(Unavailable):
        make(database, "job", now=NOW)
    folder.with_name("away").rename(folder)

    make(database, "again", now=NOW)

    assert database.write_failure is None
    database.close()
    assert "again" in names_in(path)


@linux
def test_a_file_that_its_system_numbers_anew_is_still_the_one_that_is_open(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    assert database._files is not None
    database._files._known = [(name, (0, 0)) for name, _ in database._files._known]

    make(database, "job", now=NOW)

    database.close()


@linux
@pytest.mark.parametrize("other_name", ["the same", "a hard link"])
def test_a_second_process_is_found_when_the_lock_file_was_taken_away(other_name: str, path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    beside(path, ".lock").unlink()
    where = path
    if other_name == "a hard link":
        where = path.with_name("other.db")
        where.hardlink_to(path)

    with pytest.raises(InUse):
        Database.open(f"sqlite:///{where}", lock_patience_sec=0)
    make(database, "job", now=NOW)
    database.close()

    Database.open(f"sqlite:///{where}", lock_patience_sec=0).close()


@posix
def test_a_lock_file_that_is_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    beside(path, ".lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StartRefused, match=r"pulsemon\.db"):
        Database.open(f"sqlite:///{path}", lock_patience_sec=0)
    assert not (tmp_path / "elsewhere").exists()
