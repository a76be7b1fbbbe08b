"""What a public page costs and what it is made of: only what is its own is read, and what was read last is kept."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy import insert, select
from starlette.testclient import TestClient

from bench.seeding import seed
from pulsemon import clock
from pulsemon.core.placement import Placement
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.tables.status_pages import PageMonitor, StatusPage
from pulsemon.errors import NotFound, Unavailable
from pulsemon.monitors import manage as monitors
from pulsemon.status_pages import manage as status_pages
from pulsemon.web.public import badges
from pulsemon.web.public.badges import Wish
from pulsemon.web.public.board import Snapshot
from pulsemon.web.public.sections import MAX_UNFOLDED
from tests.arrange import a_ping, make, make_up, record
from tests.conftest import at, settings_for, wait_until
from tests.statements import Statement, recorded_statements
from tests.web.panel.test_monitors import database_away
from tests.web.public.test_status_page import Clock, a_board, create

NOW = at("10:00")
SETTINGS = settings_for("sqlite:///unused.db", default_locale="en")


def selects(statements: list[Statement]) -> list[Statement]:
    return [each for each in statements if each.startswith("SELECT")]


@pytest.mark.parametrize("slug", ["status", "own"])
def test_as_many_queries_with_20_monitors_as_with_2000_and_no_list_of_them_in_any(sqlite_url: str, slug: str) -> None:
    seen, rendered = [], []
    for count, prefix in ((20, "few"), (1_980, "many")):
        seed(sqlite_url, count, prefix=prefix)
        database = Database.open(sqlite_url)
        if prefix == "few":
            status_pages.create(database, status_pages.NewPage("own", monitors=()), now=NOW)
        _choose_all(database)
        board = a_board(database, Clock(clock.now()))
        with recorded_statements() as statements:
            snapshot = board.snapshot()
            assert snapshot is not None
            page = board.page(snapshot, slug)
            board.changes.changes_of(page)
            board.incidents.archive_of(page)
        seen.append(selects(statements))
        with recorded_statements() as statements:
            assert board.rendered(snapshot, "en", slug).plain.count(b"data-slug=") == len(page.monitors)
        rendered.append(len(selects(statements)))
        database.close()

    assert len(page.monitors) == 2_000
    assert len(seen[0]) == len(seen[1])
    assert max(len(each.parameters) for each in seen[1]) < 20
    # The days of twenty are drawn, and those of a page that is folded are not read.
    assert rendered == [6, 0]


def _choose_all(database: Database) -> None:
    """Choose every monitor that is not chosen yet for the page `own`."""
    with database.write() as connection:
        chosen = select(PageMonitor.monitor_id)
        ids = connection.scalars(select(Monitor.id).where(Monitor.id.not_in(chosen)).order_by(Monitor.id)).all()
        page_id = connection.scalar(select(StatusPage.id).where(StatusPage.slug == "own"))
        rows = [{"page_id": page_id, "monitor_id": each, "place": each} for each in ids]
        connection.execute(insert(PageMonitor), rows)


def test_nothing_is_read_of_the_monitors_of_other_pages(database: Database) -> None:
    own, other = make_up(database, "own", last_ping=NOW), make_up(database, "other", last_ping=NOW)
    record(database, a_ping(other, NOW + timedelta(seconds=1), Signal.FAIL))
    status_pages.create(database, status_pages.NewPage("shop", monitors=("own",)), now=NOW)
    board = a_board(database, Clock(NOW))
    snapshot = board.snapshot()
    assert snapshot is not None

    page = board.page(snapshot, "shop")

    assert [each.id for each in page.monitors] == [own.id]
    assert snapshot.readings.keys() == {("page", "shop")}
    with recorded_statements() as statements:
        board.page(snapshot, "shop")
        assert [each.slug for each in board.open_monitors(snapshot, slug="other")] == ["other"]
    assert len([each for each in selects(statements) if "FROM monitors" in each]) == 1


def test_a_page_that_nobody_has_read_is_not_known_while_the_database_is_away(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    make_up(database, "a")
    status_pages.create(database, status_pages.NewPage("shop"), now=NOW)
    now = Clock(NOW)
    board = a_board(database, now)

    def page(slug: str) -> str:
        return board.rendered(board.snapshot(), "en", slug).plain.decode()

    page("status")
    with database_away(postgres_url):
        now.now += timedelta(seconds=5)
        assert "Shown as of" in page("status")
        assert "the database does not answer" in page("shop")
        assert "data-slug" not in page("shop")
        for number in range(20):
            with pytest.raises(Unavailable):
                board.open_monitors(cast(Snapshot, board.snapshot()), slug=f"nobody-{number}")
        assert cast(Snapshot, board.snapshot()).readings.keys() == {("page", "status")}
    now.now += timedelta(seconds=5)
    assert 'data-slug="a"' in page("shop")
    database.close()


def test_what_was_read_before_an_edit_is_not_shown_after_it(postgres_url: str) -> None:
    """The page was read, the monitor became private, somebody read another page, and then the database went away."""
    database = Database.open(postgres_url)
    make_up(database, "known")
    secret = make_up(database, "xylophone")
    status_pages.create(database, status_pages.NewPage("shop", monitors=("known",)), now=NOW)
    now = Clock(NOW)
    board = a_board(database, now)
    board.rendered(board.snapshot(), "en")
    monitors.edit(database, monitors.by_id(secret.id), {"placement": {"is_public": False}}, now=NOW)
    now.now += timedelta(seconds=2)
    board.rendered(board.snapshot(), "en", "shop")

    with database_away(postgres_url):
        now.now += timedelta(seconds=2)
        assert "xylophone" not in board.rendered(board.snapshot(), "en").plain.decode()
        assert "known" in board.rendered(board.snapshot(), "en", "shop").plain.decode()
    database.close()


def test_badges_read_the_monitors_that_they_tell_of(database: Database) -> None:
    make_up(database, "a", last_ping=NOW, placement=Placement(tags=("web",)))
    make_up(database, "b", last_ping=NOW, placement=Placement(tags=("web-old",)))
    make_up(database, "c", last_ping=NOW, placement=Placement(tags=("web",), is_public=False))
    board = a_board(database, Clock(NOW))
    snapshot = board.snapshot()
    assert snapshot is not None

    assert [each.slug for each in board.open_monitors(snapshot, tag="web")] == ["a"]
    assert [each.slug for each in board.open_monitors(snapshot, slug="b")] == ["b"]
    assert board.open_monitors(snapshot, slug="c") == board.open_monitors(snapshot, tag="old") == ()
    assert [each.slug for each in board.open_monitors(snapshot)] == ["a", "b"]
    (one,) = board.open_monitors(snapshot, slug="a")
    assert badges.of_monitor(board, snapshot, one, SETTINGS, Wish("en", None)).message == "Up"


def test_a_monitor_has_a_badge_where_a_page_without_a_password_shows_it(database: Database) -> None:
    for slug in ("open", "locked", "nowhere"):
        make_up(database, slug, last_ping=NOW)
    status_pages.edit(database, "status", status_pages.PageChanges(password="correct horse"), now=NOW)
    status_pages.create(database, status_pages.NewPage("one", monitors=("open",)), now=NOW)
    status_pages.create(
        database, status_pages.NewPage("two", monitors=("locked", "open"), password="correct horse"), now=NOW
    )
    board = a_board(database, Clock(NOW))
    snapshot = board.snapshot()
    assert snapshot is not None

    assert [each.slug for each in board.open_monitors(snapshot)] == ["open"]
    assert board.open_monitors(snapshot, slug="locked") == ()


# Groups


def furnish(database: Database, *, down: bool = False) -> None:
    groups = ("<Loja> & Cia", None)
    views = [
        make(database, f"job-{n}", now=NOW, placement=Placement(group=groups[n % 2])) for n in range(MAX_UNFOLDED + 2)
    ]
    record(database, *(a_ping(each, NOW) for each in views))
    if down:
        record(database, a_ping(views[0], NOW + timedelta(seconds=1), Signal.FAIL))


def test_a_large_page_folds_its_groups_and_says_in_words_how_they_are(database: Database) -> None:
    furnish(database, down=True)
    board = a_board(database, Clock(NOW + timedelta(seconds=2)))

    page = board.rendered(board.snapshot(), "pt-BR").plain.decode()

    groups = re.findall(r'<details class="group (\w+)" data-group="([^"]*)"( open)?', page)
    assert groups == [("down", "&lt;Loja&gt; &amp; Cia", " open"), ("up", "", "")]
    assert "Fora do ar: 1 · No ar: 100" in page
    assert "No ar: 101" in page
    assert page.count("data-slug=") == MAX_UNFOLDED + 2
    assert page.count("data-looks=") == 101
    assert '<a href="?group=">' in page


def test_a_group_alone_has_its_lines_and_their_days(database: Database) -> None:
    furnish(database)
    board = a_board(database, Clock(NOW))
    snapshot = board.snapshot()
    assert snapshot is not None

    alone = board.group(snapshot, "en", "status", "<Loja> & Cia").plain.decode()
    whole = board.rendered(snapshot, "en", group="<Loja> & Cia").plain.decode()

    for markup, count in ((alone, 101), (whole, MAX_UNFOLDED + 2)):
        assert (markup.count("data-slug="), markup.count("data-looks=")) == (count, 101)
    assert 'href="?group=%3CLoja%3E+%26+Cia&amp;lang=pt-BR"' in whole
    assert board.rendered(snapshot, "en", group="nobody") is board.rendered(snapshot, "en")
    assert "<html" not in alone
    with pytest.raises(NotFound):
        board.group(snapshot, "en", "status", "nobody")


def test_a_group_is_asked_for_at_the_pages_own_address(client: TestClient) -> None:
    for number in range(3):
        create(client, slug=f"job-{number}", group="Loja")

    def alone() -> str:
        return client.get("/status", params={"group": "Loja", "only": "group"}).text

    for query in ("group=Loja", "group=%00%ff", "group="):
        assert client.get(f"/status?{query}").status_code == 200
    assert wait_until(lambda: alone().count("data-slug=") == 3)
    assert client.get("/status?group=nobody&only=group").status_code == 404


def test_days_that_cannot_be_read_are_left_out_and_the_states_stay(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database.open(sqlite_url)
    database.migrate()
    make(database, "a")

    def fail(*_: object, **__: object) -> None:
        raise Unavailable("gone")

    monkeypatch.setattr("pulsemon.status_pages.public.read_last_days", fail)
    board = a_board(database, Clock(NOW))

    page = board.rendered(board.snapshot(), "en").plain.decode()

    assert 'data-slug="a"' in page
    assert "data-looks" not in page
    database.close()
