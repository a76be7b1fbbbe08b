"""Monitors that are looked for, to be chosen: what is found, how much of it, and what it asks of the database."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from pulsemon.db import Database, search_texts
from pulsemon.db.tables.monitors import Monitor, PlacementRow
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.errors import Invalid
from pulsemon.monitors import facets, lookup
from tests.arrange import START, a_project, make
from tests.statements import recorded_statements


def furnish(database: Database, count: int) -> None:
    """Put *count* monitors there, every third in a group and with a tag."""
    monitors = [
        {
            "id": number,
            "slug": f"job-{number:05}",
            "name": f"Job {number}",
            "token": f"t{number}",
            "status": "UNKNOWN",
            "interval_seconds": 60,
            "grace_seconds": 0,
            "created_at": START,
            "updated_at": START,
        }
        for number in range(1, count + 1)
    ]
    places = [
        {"monitor_id": number, "group_name": f"Group {number % 4}", "tags": ("db", f"rack-{number % 20}")}
        for number in range(3, count + 1, 3)
    ]
    with database.write() as connection:
        connection.execute(insert(Monitor), monitors)
        if places:
            connection.execute(insert(PlacementRow), places)
        search_texts.renew(connection, range(1, count + 1))


def find(database: Database, text: str) -> lookup.Found:
    with database.read() as connection:
        known = facets.read(connection, None)
    return lookup.find(database, text, known, limit=20)


def slugs(found: lookup.Found) -> list[str]:
    return [each.slug for each in found.monitors]


def test_every_word_is_sought_in_name_slug_group_and_tags(database: Database) -> None:
    place = {"group": "Produção", "tags": ("db", "100%"), "position": None, "environment": None, "is_public": False}
    made = make(database, "nfe-api", name="Nota fiscal")
    make(database, "other", name="Other API")
    with database.write() as connection:
        lookup.placements.save_all(connection, {made.id: place})
        search_texts.renew(connection, [made.id])

    for text in ("nota", "NFE", "api fiscal", "prod db", "db nota prod", "100%", "  nota  ", "producao", "tag:db nfe"):
        assert slugs(find(database, text)) == ["nfe-api"], text
    for text in ("nota other", "_", "%%", "nota\0", "\ud800", "x" * 200, "tag:d", "group:db"):
        assert slugs(find(database, text)) == [], text
    found = find(database, "")
    assert slugs(found) == ["nfe-api", "other"]
    assert (found.groups, found.tags, found.more) == ({"Produção": 1}, {"100%": 1, "db": 1}, 0)
    assert find(database, "PRODUCAO").groups == {"Produção": 1}
    by_tag = find(database, "tag:db")
    assert (by_tag.groups, by_tag.tags) == ({}, {"db": 1})
    assert found.monitors[0] == lookup.Named(made.id, "nfe-api", "Nota fiscal", "Produção", False)


def test_what_is_found_is_bounded_and_costs_the_same_statements(database: Database) -> None:
    make(database, "one")
    with recorded_statements() as few:
        find(database, "job")
    with database.write() as connection:
        connection.execute(Monitor.__table__.delete())
    furnish(database, 2_500)
    with recorded_statements() as many:
        found = find(database, "job")

    assert len(many) <= len(few) + 1  # the one that counts what is beyond
    assert (len(found.monitors), found.more) == (20, lookup.MOST_COUNTED)
    assert find(database, "job-0001").more == 0
    assert find(database, "job-001").more == 80
    racks = find(database, "rack")
    assert len(racks.tags) == lookup.MOST_NAMES
    groups = find(database, "group").groups
    assert groups == {f"Group {number}": 208 + (number == 3) for number in range(4)}


def test_groups_and_tags_become_their_monitors(database: Database) -> None:
    furnish(database, 120)

    assert lookup.sizes(database, ["Group 1", "none\0"], ["db", "gone"]) == (
        {"Group 1": 10, "none\0": 0},
        {"db": 40, "gone": 0},
    )
    assert len(lookup.slugs_of(database, ["Group 1"], [], limit=1_000)) == 10
    assert len(lookup.slugs_of(database, ["Group 1"], ["db", "\ud800"], limit=1_000)) == 40
    assert lookup.slugs_of(database, ["Group 1"], ["rack-3"], limit=3) == ["job-00003", "job-00009", "job-00021"]
    assert lookup.slugs_of(database, [], [], limit=1_000) == []
    assert list(lookup.named(database, ["job-00007", "nobody", "\0"])) == ["job-00007"]


def test_what_is_of_another_project_is_found_by_nothing(database: Database) -> None:
    other = a_project(database, "payroll")
    here, there = make(database, "job-here"), make(database, "job-there", project_id=other)
    place = {"group": "Jobs", "tags": ("db",)}
    with database.write() as connection:
        lookup.placements.save_all(connection, {here.id: place, there.id: place})
        search_texts.renew(connection, [here.id, there.id])
    slugs_given = ["job-here", "job-there"]

    def everything(project_id: int | None) -> object:
        found = lookup.find(database, "job", facets.Facets(), limit=20, project_id=project_id)
        first = lookup.find(database, "job", facets.Facets(), limit=0, project_id=project_id)
        return (
            slugs(found),
            first.more,
            list(lookup.named(database, slugs_given, project_id=project_id)),
            lookup.sizes(database, ["Jobs"], ["db"], project_id=project_id),
            lookup.slugs_of(database, ["Jobs"], ["db"], limit=9, project_id=project_id),
        )

    assert everything(DEFAULT_ID) == (["job-here"], 1, ["job-here"], ({"Jobs": 1}, {"db": 1}), ["job-here"])
    assert everything(other) == (["job-there"], 1, ["job-there"], ({"Jobs": 1}, {"db": 1}), ["job-there"])
    assert everything(None) == (slugs_given, 2, slugs_given, ({"Jobs": 2}, {"db": 2}), slugs_given)


def test_a_slug_of_another_project_is_refused_as_one_that_nobody_has(database: Database) -> None:
    other = a_project(database, "payroll")
    here = make(database, "here")
    make(database, "there", project_id=other)

    with database.read() as connection:
        assert lookup.ids_of(connection, ["here"], project_id=DEFAULT_ID) == [here.id]
        with pytest.raises(Invalid) as foreign:
            lookup.ids_of(connection, ["here", "there"], project_id=DEFAULT_ID)
        with pytest.raises(Invalid) as missing:
            lookup.ids_of(connection, ["here", "nobody"], project_id=DEFAULT_ID)
    assert repr(foreign.value.problems).replace("there", "nobody") == repr(missing.value.problems).replace(
        "there", "nobody"
    )
