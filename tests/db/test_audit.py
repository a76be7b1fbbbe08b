"""Who did what is written with the change, in one chain whoever writes at once, and hashed as it is kept."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import select, update

from pulsemon.accounts import audit_log
from pulsemon.db import Database, audit
from pulsemon.db.audit import BEGINNING, CHANGED, Actor, ActorKind, acting
from pulsemon.db.tables.audit import AuditEntry
from pulsemon.db.tables.base import Meta
from pulsemon.errors import Unavailable
from tests.arrange import START, rows
from tests.conftest import at
from tests.db.test_charsets import TEXT, database_in, in_use

__all__ = ["database_in"]
ANA = Actor(ActorKind.USER, "ana@example.org", START, "5d41402abc4b2a76", "192.0.2.7")


def done(database: Database, action: str = "monitor.edit", object: str = "job", **fields: Any) -> None:  # noqa: A002
    with database.write() as connection:
        audit.note(connection, action, object, **{"project_id": 1} | fields)


def test_what_somebody_does_is_noted_with_it(database: Database) -> None:
    with acting(ANA):
        done(database, before={"grace_seconds": 60}, after={"grace_seconds": 300})

    (entry,) = rows(database, AuditEntry)
    assert (entry.actor_kind, entry.actor_id, entry.actor) == ("user", "5d41402abc4b2a76", "ana@example.org")
    assert (entry.at, entry.action, entry.object, entry.project_id) == (START, "monitor.edit", "job", 1)
    assert (entry.before, entry.after) == ('{"grace_seconds":60}', '{"grace_seconds":300}')
    assert (entry.remote_addr, entry.previous_hash) == ("192.0.2.7", BEGINNING)
    assert entry.hash == audit.hash_of(entry._mapping)


def test_where_nobody_acts_nothing_is_noted(database: Database) -> None:
    done(database)
    with acting(ANA):
        pass
    done(database)

    assert rows(database, AuditEntry) == []


def test_what_is_undone_is_not_noted(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            audit.note(connection, "monitor.edit", "undone", project_id=1)
            raise Unavailable("the disk is full")

    with acting(ANA):
        with pytest.raises(Unavailable):
            fail()
        done(database, object="done")

    assert [each.object for each in rows(database, AuditEntry)] == ["done"]
    assert audit_log.verify(database).faults == ()


def test_several_of_one_transaction_stand_in_their_order(database: Database) -> None:
    with acting(ANA), database.write() as connection:
        for number in range(3):
            audit.note(connection, "monitor.pause", f"job-{number}", project_id=1)

    entries = rows(database, AuditEntry)
    assert [each.object for each in entries] == ["job-0", "job-1", "job-2"]
    assert [each.previous_hash for each in entries[1:]] == [each.hash for each in entries[:-1]]
    assert audit_log.verify(database).count == 3


def test_what_no_database_holds_undoes_nothing(database: Database) -> None:
    with acting(Actor(ActorKind.KEY, "a\0key \ud800", START, "k", "::1%\udcff")):
        done(database, object="job\0", after={"note": "a\0b \ud800", "words": frozenset({"b", "a"}), "at": START})

    (entry,) = audit_log.list_of(database, audit_log.Filter(), limit=1)[0]
    assert (entry.actor, entry.object, entry.remote_addr) == ("akey ?", "job", "::1%?")
    assert entry.after == {"note": "a\0b \ud800", "words": ["a", "b"], "at": "2026-03-02 10:00:00.000000"}
    assert audit_log.verify(database).faults == ()


def test_an_instant_of_another_zone_is_the_same_one(database: Database) -> None:
    elsewhere = START.astimezone(timezone(timedelta(hours=-3)))
    with acting(Actor(ActorKind.MACHINE, "", elsewhere)):
        done(database)

    assert rows(database, AuditEntry)[0].at == START
    assert audit_log.verify(database).faults == ()


def test_a_secret_is_noted_as_changed_only() -> None:
    before, after = {"url": "https://a", "name": "x", "same": 1}, {"url": "https://b", "name": "y", "same": 1}

    assert audit.difference(before, after, secret={"url"}) == (
        {"url": "set", "name": "x"},
        {"url": CHANGED, "name": "y"},
    )
    assert audit.difference(before, before) == ({}, {})


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "WIN1252", "SQL_ASCII"])
def test_the_chain_holds_where_the_database_replaces_what_it_cannot_hold(
    database_in: Callable[[str], str],
    encoding: str,
) -> None:
    database = Database.open(in_use(database_in(encoding)))
    database.migrate()
    try:
        with acting(Actor(ActorKind.USER, f"ana {TEXT}", START, "a", "::1")):
            done(database, object=TEXT, before={"name": TEXT}, after={"name": TEXT[::-1]})
            done(database, object="plain")

        assert audit_log.verify(database).faults == ()
        newest, older = audit_log.list_of(database, audit_log.Filter(), limit=9)[0]
        assert (newest.object, older.before, older.after) == ("plain", {"name": TEXT}, {"name": TEXT[::-1]})
    finally:
        database.close()


def test_two_nodes_that_write_at_once_make_one_chain(postgres_url: str) -> None:
    """Each in several threads, which hold rows that others wait for when they come to the end of the log."""
    nodes = [Database.open(postgres_url) for _ in range(2)]
    with nodes[0].write() as connection:
        connection.execute(Meta.__table__.insert(), [{"key": f"row-{number}", "value": ""} for number in range(2)])
    barrier, failed = threading.Barrier(6), []

    def work(node: Database, who: int) -> None:
        barrier.wait(60)
        try:
            with acting(Actor(ActorKind.USER, f"user {who}", at("10:00") + timedelta(seconds=who))):
                for number in range(20):
                    with node.write() as connection:
                        row = Meta.key == f"row-{who % 2}"
                        connection.execute(update(Meta).where(row).values(value=str(number)))
                        audit.note(connection, "row.edit", f"{who}-{number}", project_id=None)
        except Exception as wrong:
            failed.append(wrong)

    threads = [threading.Thread(target=work, args=(nodes[who % 2], who)) for who in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    assert failed == []
    report = audit_log.verify(nodes[0])
    assert (report.count, report.faults) == (120, ())
    entries = rows(nodes[0], AuditEntry)
    assert {each.object for each in entries} == {f"{who}-{number}" for who in range(6) for number in range(20)}
    # A control: they did write in turns, so that the chain was at stake.
    assert sum(one.actor != other.actor for one, other in itertools.pairwise(entries)) > 20
    for node in nodes:
        node.close()


def test_threads_of_one_node_make_one_chain_on_sqlite(migrated_sqlite_url: str) -> None:
    database = Database.open(migrated_sqlite_url)
    barrier = threading.Barrier(4)

    def work(who: int) -> None:
        barrier.wait(60)
        with acting(Actor(ActorKind.USER, f"user {who}", START)):
            for number in range(10):
                done(database, object=f"{who}-{number}")

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    assert (audit_log.verify(database).count, audit_log.verify(database).faults) == (40, ())
    database.close()


def test_entries_of_a_thread_are_of_whoever_asked_for_it() -> None:
    found: list[Any] = []
    with acting(ANA):
        thread = threading.Thread(target=lambda: found.append(audit._actor.get()))
        thread.start()
        thread.join(60)
    assert found == [None]  # a thread of one's own is PulseMon's; Starlette's take the context along


def test_the_newest_hash_is_one_row(database: Database) -> None:
    with acting(ANA):
        done(database)
        done(database)

    with database.read() as connection:
        kept = connection.execute(select(Meta.value).where(Meta.key == audit.HEAD_KEY)).scalar_one()
    assert kept == rows(database, AuditEntry)[-1].hash
