"""In which projects something changed: what edits, transitions and messages say, and when everybody is told."""

from __future__ import annotations

import pytest

from pulsemon.db import Database, versions
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.db.versions import renew_version
from pulsemon.monitors import changes as changes_module
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.changes import Changes
from tests.arrange import START, a_ping, a_project, make, record, seconds
from tests.statements import recorded_statements


def test_each_change_is_told_of_its_project_once(database: Database) -> None:
    other = a_project(database)
    mine, theirs = make(database, "mine"), make(database, "theirs", project_id=other)
    changes = Changes(database)
    assert changes.look() is None  # nothing is known of before
    assert changes.look() == frozenset()

    record(database, a_ping(mine, START))
    assert changes.look() == {DEFAULT_ID}
    record(database, a_ping(mine, START + seconds(60)))  # no transition
    assert changes.look() == frozenset()
    record(database, a_ping(theirs, START))
    record(database, a_ping(mine, START + seconds(90)))
    assert changes.look() == {other}

    with versions.within(other):
        monitors.pause(database, monitors.by_id(theirs.id), now=START)
    assert changes.look() == {other}
    make(database, "new", project_id=other)
    assert changes.look() == {other}
    monitors.resume(database, monitors.by_id(mine.id), now=START)  # UP: nothing to resume, nothing changed
    assert changes.look() == frozenset()


def test_of_an_edit_that_names_no_project_everybody_is_told(database: Database) -> None:
    changes = Changes(database)
    changes.look()
    with database.write() as connection:
        renew_version(connection)
    assert changes.look() is None
    assert changes.look() == frozenset()


def test_a_move_is_told_in_both_projects(database: Database) -> None:
    other = a_project(database)
    mine = make(database, "mine")
    changes = Changes(database)
    changes.look()
    move = monitors.Move(other, {DEFAULT_ID: "default", other: "shop"}, lambda *_: None)
    monitors.edit(database, monitors.by_id(mine.id), {}, now=START, move=move)
    assert changes.look() == {DEFAULT_ID, other}


def test_a_look_is_a_few_statements_and_in_a_storm_nobody_is_sorted_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "MOST_LOOKED_AT", 2)
    mine = make(database, "mine")
    changes = Changes(database)
    changes.look()
    record(database, a_ping(mine, START))
    with recorded_statements() as statements:
        assert changes.look() == {DEFAULT_ID}
    assert len([each for each in statements if each.startswith("SELECT")]) == 3
    for number in range(3):
        monitors.pause(database, monitors.by_id(mine.id), now=START + seconds(number))
        monitors.resume(database, monitors.by_id(mine.id), now=START + seconds(number))
    assert changes.look() is None
