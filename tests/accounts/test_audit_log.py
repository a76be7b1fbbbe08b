"""The log of who did what: read by filters, found to have a hole wherever somebody made one, cut by retention alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from pulsemon.accounts import audit_log, audit_table
from pulsemon.accounts.audit_log import Fault, Filter
from pulsemon.db import Database, audit
from pulsemon.db.audit import HEAD_KEY, TAIL_KEY, Actor, ActorKind, acting
from pulsemon.db.tables.audit import AuditEntry
from pulsemon.db.tables.base import Meta
from tests.arrange import START, rows
from tests.conftest import at

COUNT = 6


def a_log(database: Database, count: int = COUNT) -> None:
    """Write so many entries, a minute apart: `job-0`, `job-1` ..., of Ana and of a key in turns, in two projects."""
    for number in range(count):
        kind, name = ((ActorKind.USER, "ana@example.org"), (ActorKind.KEY, "Terraform"))[number % 2]
        actor = Actor(kind, name, START + timedelta(minutes=number), f"id-{number % 2}", "192.0.2.7")
        with acting(actor), database.write() as connection:
            action = ("monitor.edit", "page.edit", "monitor.create")[number % 3]
            audit.note(connection, action, f"job-{number}", project_id=(1, 2, None)[number % 3], after={"n": number})


def objects(database: Database, **wanted: Any) -> list[str]:
    return [entry.object for entry in audit_log.list_of(database, Filter(**wanted), limit=100)[0]]


def faults(database: Database) -> list[tuple[Fault, int | None]]:
    return [(each.fault, each.id) for each in audit_log.verify(database).faults]


def test_entries_are_read_newest_first_and_in_parts(database: Database) -> None:
    a_log(database)

    first, following = audit_log.list_of(database, Filter(), limit=4)
    rest, end = audit_log.list_of(database, Filter(), limit=4, after=following)

    assert [entry.object for entry in (*first, *rest)] == [f"job-{n}" for n in reversed(range(COUNT))]
    assert end is None
    assert (first[-1].after, first[-1].before, first[-1].actor) == ({"n": 2}, None, "ana@example.org")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"project_id": 2}, ["job-4", "job-1"]),
        ({"actor": "ana@example.org"}, ["job-4", "job-2", "job-0"]),
        ({"actor": "id-1"}, ["job-5", "job-3", "job-1"]),
        ({"actor": "key"}, ["job-5", "job-3", "job-1"]),
        ({"actor": "ana"}, []),
        ({"action": "monitor"}, ["job-5", "job-3", "job-2", "job-0"]),
        ({"action": "monitor.edit"}, ["job-3", "job-0"]),
        ({"action": "moni"}, []),
        ({"action": "%"}, []),
        ({"object": "job-2"}, ["job-2"]),
        ({"since": at("10:02"), "until": at("10:04")}, ["job-3", "job-2"]),
        ({"project_id": 1, "actor": "Terraform"}, ["job-3"]),
        ({"actor": "\0", "action": "\0", "object": "\0"}, []),
    ],
)
def test_entries_are_found(database: Database, wanted: dict[str, Any], found: list[str]) -> None:
    a_log(database)

    assert objects(database, **wanted) == found


def test_a_log_that_nobody_touched_is_whole(database: Database) -> None:
    assert audit_log.verify(database) == audit_log.Report(0, audit.BEGINNING, ())
    a_log(database)

    report = audit_log.verify(database)

    assert (report.count, report.faults, report.newest) == (COUNT, (), rows(database, AuditEntry)[-1].hash)


def changed(database: Database, number: int, **values: Any) -> None:
    with database.write() as connection:
        connection.execute(update(AuditEntry).where(AuditEntry.id == number).values(values))


@pytest.mark.parametrize(
    "values",
    [
        {"at": at("09:00")},
        {"actor_kind": "machine"},
        {"actor_id": "another"},
        {"actor": "bob@example.org"},
        {"action": "monitor.delete"},
        {"object": "other"},
        {"project_id": None},
        {"before": "{}"},
        {"after": '{"n":7}'},
        {"remote_addr": None},
    ],
)
def test_an_entry_that_was_changed_is_found(database: Database, values: dict[str, Any]) -> None:
    a_log(database)
    changed(database, 4, **values)

    assert faults(database) == [(Fault.CHANGED, 4)]


def test_an_entry_whose_hash_was_made_anew_is_missed_by_the_next_one(database: Database) -> None:
    a_log(database)
    row = dict(rows(database, AuditEntry)[3]._mapping) | {"object": "other"}
    changed(database, 4, object="other", hash=audit.hash_of(row))

    assert faults(database) == [(Fault.LINK, 5)]


def removed(database: Database, *ids: int) -> None:
    with database.write() as connection:
        connection.execute(delete(AuditEntry).where(AuditEntry.id.in_(ids)))


def inserted(database: Database) -> None:
    """Put a copy of an entry to the end, as if it had been done again, and another one before all."""
    row = dict(rows(database, AuditEntry)[2]._mapping)
    with database.write() as connection:
        connection.execute(insert(AuditEntry), [row | {"id": 3_000}])


def inserted_before(database: Database) -> None:
    row = dict(rows(database, AuditEntry)[0]._mapping) | {"id": -1}
    with database.write() as connection:
        connection.execute(insert(AuditEntry), [row])


def swapped(database: Database) -> None:
    with database.write() as connection:
        for old, new in ((3, 99), (4, 3), (99, 4)):
            connection.execute(update(AuditEntry).where(AuditEntry.id == old).values(id=new))


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda database: removed(database, 3), [(Fault.LINK, 4)]),
        (lambda database: removed(database, 3, 4), [(Fault.LINK, 5)]),
        (lambda database: removed(database, 1), [(Fault.BEGINNING, 2)]),
        (lambda database: removed(database, 1, 2, 3), [(Fault.BEGINNING, 4)]),
        (lambda database: removed(database, COUNT), [(Fault.END, COUNT - 1)]),
        (lambda database: removed(database, *range(1, COUNT + 1)), [(Fault.END, None)]),
        (inserted, [(Fault.LINK, 3_000), (Fault.END, 3_000)]),
        (inserted_before, [(Fault.LINK, 1)]),
        (swapped, [(Fault.LINK, 3), (Fault.LINK, 4), (Fault.LINK, 5)]),
    ],
)
def test_a_hole_is_found_and_where(
    database: Database, harm: Callable[[Database], None], found: list[tuple[Fault, int | None]]
) -> None:
    a_log(database)
    harm(database)

    assert faults(database) == found


def test_a_chain_that_was_made_anew_as_a_whole_is_found_by_a_hash_of_before(database: Database) -> None:
    a_log(database)
    noted = audit_log.verify(database).newest
    a_log(database, 2)
    assert audit_log.verify(database, known=noted).holds_known is True
    assert audit_log.verify(database, known=audit_log.verify(database).newest).holds_known is True

    forge(database)

    assert audit_log.verify(database).faults == ()
    assert audit_log.verify(database, known=noted).holds_known is False


def forge(database: Database) -> None:
    """Take an entry out and make all hashes anew, as whoever may write to the database can."""
    removed(database, 2)
    newest = audit.BEGINNING
    for row in rows(database, AuditEntry):
        values = dict(row._mapping) | {"previous_hash": newest}
        newest = audit.hash_of(values)
        changed(database, row.id, previous_hash=values["previous_hash"], hash=newest)
    with database.write() as connection:
        connection.execute(update(Meta).where(Meta.key == HEAD_KEY).values(value=newest))


def test_where_the_row_of_the_newest_hash_is_gone_changes_go_on_and_it_is_found(database: Database) -> None:
    a_log(database, 2)
    with database.write() as connection:
        connection.execute(delete(Meta).where(Meta.key == HEAD_KEY))
    assert faults(database) == [(Fault.END, 2)]

    a_log(database, 2)

    assert [row.object for row in rows(database, AuditEntry)] == ["job-0", "job-1"] * 2
    assert faults(database) == [(Fault.LINK, 3)]


def test_retention_cuts_the_beginning_in_small_parts_and_the_chain_holds(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "_STEP", 2)
    a_log(database)

    left = []
    while audit_log.remove_old(database, before=at("10:03")):
        left.append(len(rows(database, AuditEntry)))
        assert faults(database) == []
    assert left == [4]
    assert [row.object for row in rows(database, AuditEntry)] == ["job-3", "job-4", "job-5"]
    assert faults(database) == []
    assert not audit_log.remove_old(database, before=at("10:03"))

    removed(database, 4)
    assert faults(database) == [(Fault.BEGINNING, 5)]


def test_a_log_that_retention_emptied_is_whole_and_goes_on(database: Database) -> None:
    a_log(database)
    assert not audit_log.remove_old(database, before=at("23:00"))
    assert (rows(database, AuditEntry), faults(database)) == ([], [])

    a_log(database, 2)
    assert faults(database) == []
    removed(database, COUNT + 1)
    assert faults(database) == [(Fault.BEGINNING, COUNT + 2)]


def test_a_cut_without_retention_is_found_though_retention_cut_before(database: Database) -> None:
    a_log(database)
    audit_log.remove_old(database, before=at("10:02"))
    assert [row.value for row in rows(database, Meta, Meta.key == TAIL_KEY)] != []

    removed(database, 3)

    assert faults(database) == [(Fault.BEGINNING, 4)]


def test_an_entry_that_came_late_by_its_clock_keeps_those_behind_it(database: Database) -> None:
    """What is removed is a beginning, so that no hole is made: a node whose clock was wrong holds some up."""
    a_log(database, 1)
    with acting(Actor(ActorKind.USER, "ana", at("12:00"))), database.write() as connection:
        audit.note(connection, "monitor.edit", "later", project_id=1)
    a_log(database, 1)

    assert not audit_log.remove_old(database, before=at("11:00"))

    assert [row.object for row in rows(database, AuditEntry)] == ["later", "job-0"]
    assert faults(database) == []


def test_the_table_guards_against_formulas_and_holds_every_entry(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "PART", 2)
    a_log(database, 3)
    with acting(Actor(ActorKind.KEY, "=HYPERLINK(1)", START)), database.write() as connection:
        audit.note(connection, "key.create", '@evil, "quoted"', project_id=1)

    text = "".join(audit_table.to_lines(audit_log.in_parts(database, Filter()), {1: "default"}))

    lines = text.split("\r\n")
    assert lines[0] == "at,actor,actor_kind,actor_id,action,object,project,before,after,remote_addr,hash"
    assert lines[1].startswith(
        '2026-03-02T10:00:00.000Z,\'=HYPERLINK(1),key,,key.create,"\'@evil, ""quoted""",default,,,,'
    )
    assert [line.split(",")[5] for line in lines[2:5]] == ["job-2", "job-1", "job-0"]
    assert lines[3].split(",")[6] == "2"  # a project that is gone
    assert '"{""n"":2}"' in lines[2]
    assert lines[5:] == [""]
