"""Monitors that are looked for, to be chosen: what is found, how much of it, and what it asks of the database."""

from __future__ import annotations

from sqlalchemy import insert

from pulsemon.db import Database, search_texts
from pulsemon.db.tables.monitors import Monitor, PlacementRow
from pulsemon.monitors import facets, lookup
from tests.arrange import START, make
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
        known = facets.read(connection)
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
