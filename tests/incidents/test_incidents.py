"""Incidents in the database: by hand, by themselves, and who is told of them."""

from __future__ import annotations

import json
import threading
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import insert

from pulsemon.core.incidents import Impact, IncidentStatus
from pulsemon.core.maintenance import Plan, Repeats
from pulsemon.core.placement import Placement
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.incidents import Incident, IncidentMonitor, IncidentUpdate
from pulsemon.db.tables.subscribers import Subscriber
from pulsemon.deadlines import passes
from pulsemon.errors import Invalid, NotFound
from pulsemon.incidents import automatic as automatic_incidents
from pulsemon.incidents import manage as incidents
from pulsemon.incidents.manage import IncidentChanges, NewIncident, NewUpdate
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance.definition import Definition
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from pulsemon.status_pages import manage as status_pages
from tests.arrange import a_ping, again, make, make_down, make_up, record, rows, said, seconds
from tests.conftest import at
from tests.statements import recorded_statements

NOW = at("10:00")


def new_incident(*, status: str = "investigating", impact: str = "minor", **changes: Any) -> NewIncident:
    fields = {
        "title": "The shop is slow",
        "body": "We **look** into it.",
        "is_general": not changes.get("monitors"),
    } | changes
    monitors = tuple(fields.pop("monitors", ()))
    return NewIncident(**fields, status=IncidentStatus(status), impact=Impact(impact), monitors=monitors)


def an_update(
    status: str = "resolved", *, body: str | None = None, tells_subscribers: bool = True, **changes: Any
) -> NewUpdate:
    return NewUpdate(
        IncidentStatus(status), body or f"Now it is {status}.", IncidentChanges(**changes), tells_subscribers
    )


def watched(database: Database, slug: str, *, minutes: int | None = 0, public: bool = True, **fields: Any) -> View:
    """Create a monitor that is UP and makes incidents by itself."""
    placement = Placement(is_public=public, incident_after_minutes=minutes)
    return make_up(database, slug, placement=placement, last_ping=NOW, **fields)


def fail(database: Database, monitor: View, when: datetime) -> None:
    record(database, a_ping(monitor, when, Signal.FAIL))


def subscribe(database: Database, slug: str) -> None:
    """Give a page a subscriber who is told by a webhook."""
    page = status_pages.get(database, slug)
    if not page.id:
        page = status_pages.edit(database, slug, status_pages.PageChanges(title="Main"), now=NOW)
    with database.write() as connection:
        row = {"kind": "webhook", "address": "http://127.0.0.1:9/x", "locale": "en", "token": f"token-{slug}"}
        times = {"asked_at": NOW, "confirmed_at": NOW, "created_at": NOW}
        connection.execute(insert(Subscriber).values(page_id=page.id, **row, **times))


def told(database: Database) -> list[tuple[str, str, list[str]]]:
    """Return (page, event, monitors named) of every message owed."""
    payloads = [json.loads(payload) for _, payload in said(database)]
    return [(each["page"]["slug"], each["event"], each["monitors"]) for each in payloads]


# By hand


def test_an_incident_lives_from_its_first_word_to_its_end_and_opens_again(database: Database) -> None:
    make_up(database, "web", last_ping=NOW)
    made = incidents.create(database, new_incident(monitors=["web"], started_at=at("09:00")), now=at("10:01"))
    assert (made.started_at, made.resolved_at, made.names) == (at("09:00"), None, ["Web"])

    incidents.post(database, made.public_id, an_update("identified", impact=Impact.MAJOR), now=at("10:05"))
    over = incidents.post(database, made.public_id, an_update("resolved"), now=at("10:10"))
    assert (over.status, over.impact, over.resolved_at) == ("resolved", "major", at("10:10"))
    assert [(each.number, each.status) for each in over.updates] == [
        (3, "resolved"),
        (2, "identified"),
        (1, "investigating"),
    ]
    assert incidents.list_open(database) == []

    incidents.post(database, made.public_id, an_update("monitoring"), now=at("10:20"))
    assert [each.public_id for each in incidents.list_open(database)] == [made.public_id]


def test_a_text_is_corrected_and_keeps_its_time(database: Database) -> None:
    made = incidents.create(database, new_incident(), now=NOW)
    incidents.post(database, made.public_id, an_update("identified"), now=at("10:05"))

    after = incidents.edit_update(database, made.public_id, 1, "Corrected.", now=at("10:30"))

    assert [(each.body, each.posted_at) for each in after.updates] == [
        ("Now it is identified.", at("10:05")),
        ("Corrected.", NOW),
    ]
    for number in (0, 3, 10**9):
        with pytest.raises(NotFound):
            incidents.edit_update(database, made.public_id, number, "x", now=NOW)


def test_title_impact_and_monitors_are_edited_and_it_goes_with_all_that_was_said(database: Database) -> None:
    make_up(database, "web", last_ping=NOW)
    made = incidents.create(database, new_incident(), now=NOW)

    after = incidents.edit(
        database, made.public_id, IncidentChanges(title="Other", is_general=False, monitors=("web",)), now=at("10:01")
    )
    assert (after.title, after.is_general, after.names) == ("Other", False, ["Web"])

    incidents.remove(database, made.public_id, now=at("10:02"))
    with pytest.raises(NotFound):
        incidents.get(database, made.public_id)
    assert not rows(database, Incident)
    assert not rows(database, IncidentUpdate)


@pytest.mark.parametrize("slugs", [["nobody"], ["web", "nobody"], ["a\0b"], ["\ud800"]])
def test_a_monitor_that_is_not_there_is_refused_and_nothing_is_made(database: Database, slugs: list[str]) -> None:
    make_up(database, "web", last_ping=NOW)

    with pytest.raises(Invalid) as refused:
        incidents.create(database, new_incident(monitors=slugs), now=NOW)

    assert [each.field for each in refused.value.problems] == ["monitors"]
    assert not rows(database, Incident)


def test_what_concerns_nothing_is_refused(database: Database) -> None:
    with pytest.raises(Invalid):
        incidents.create(database, new_incident(is_general=False), now=NOW)
    made = incidents.create(database, new_incident(), now=NOW)
    with pytest.raises(Invalid):
        incidents.edit(database, made.public_id, IncidentChanges(is_general=False), now=NOW)
    with pytest.raises(Invalid):
        incidents.edit(database, made.public_id, IncidentChanges(title=None), now=NOW)
    assert incidents.get(database, made.public_id).is_general


def test_an_incident_whose_monitors_are_gone_is_edited_and_stays_on_no_page(database: Database) -> None:
    web = make_up(database, "web", last_ping=NOW)
    made = incidents.create(database, new_incident(monitors=["web"]), now=NOW)
    monitors.remove(database, monitors.by_id(web.id))

    after = incidents.edit(database, made.public_id, IncidentChanges(title="Other"), now=NOW)

    assert (after.title, after.is_general, after.monitors) == ("Other", False, ())


@pytest.mark.parametrize("public_id", ["", "x", "\0", "\ud800", "DEADBEEFDEADBEEF", "deadbeefdeadbeef", "0" * 500])
def test_what_names_no_incident_is_not_found(database: Database, public_id: str) -> None:
    with pytest.raises(NotFound):
        incidents.get(database, public_id)


def test_resolved_ones_are_listed_newest_first_a_page_at_a_time(database: Database) -> None:
    made = [incidents.create(database, new_incident(status="resolved"), now=NOW + seconds(n)) for n in range(5)]
    expected = [each.public_id for each in reversed(made)]

    first, following = incidents.list_resolved(database, limit=3)
    rest, end = incidents.list_resolved(database, limit=3, before=following)

    assert [each.public_id for each in [*first, *rest]] == expected
    assert end is None


# Who is told


def test_each_word_is_told_to_the_pages_that_show_the_incident_unless_it_is_not_to_be(database: Database) -> None:
    for slug in ("web", "api"):
        make_up(database, slug, last_ping=NOW)
    status_pages.create(database, status_pages.NewPage("shop", monitors=("api",)), now=NOW)
    for page in ("status", "shop"):
        subscribe(database, page)

    made = incidents.create(database, new_incident(monitors=["web"]), now=NOW)
    incidents.post(database, made.public_id, an_update("identified", tells_subscribers=False), now=NOW)
    incidents.edit(database, made.public_id, IncidentChanges(monitors=("web", "api")), now=NOW)
    incidents.post(database, made.public_id, an_update("monitoring"), now=NOW)
    incidents.post(database, made.public_id, an_update("resolved"), now=NOW)

    assert told(database) == [
        ("status", "opened", ["Web"]),
        ("status", "updated", ["Web", "Api"]),
        ("shop", "updated", ["Api"]),
        ("status", "resolved", ["Web", "Api"]),
        ("shop", "resolved", ["Api"]),
    ]


# By themselves


def test_it_opens_after_its_minutes_and_closes_with_the_monitor(database: Database) -> None:
    subscribe(database, "status")
    web = watched(database, "web", minutes=5)
    fail(database, web, at("10:01"))

    assert not automatic_incidents.keep_up(database, now=at("10:05:59"))
    assert automatic_incidents.keep_up(database, now=at("10:06"))
    assert not automatic_incidents.keep_up(database, now=at("10:06:01"))
    (opened,) = incidents.list_open(database)
    assert (opened.title, opened.is_automatic, opened.started_at, opened.impact) == (None, True, at("10:01"), "major")
    assert (opened.updates[0].body, opened.names) == (None, ["Web"])

    record(database, a_ping(web, at("10:20")))
    assert automatic_incidents.keep_up(database, now=at("10:20:02"))
    closed = incidents.get(database, opened.public_id)
    assert (closed.status, closed.resolved_at, closed.updates[0].body) == ("resolved", at("10:20"), None)
    assert not automatic_incidents.keep_up(database, now=at("10:21"))
    assert told(database) == [("status", "opened", ["Web"]), ("status", "resolved", ["Web"])]


def test_a_monitor_without_the_setting_makes_none(database: Database) -> None:
    fail(database, watched(database, "web", minutes=None), at("10:01"))

    assert not automatic_incidents.keep_up(database, now=at("23:00"))


def test_silence_makes_one_that_began_at_the_deadline(database: Database) -> None:
    watched(database, "web", minutes=0)  # every four minutes, a minute of grace
    passes.expire_due(database, now=at("10:30"), recorded_at=at("10:30"))

    automatic_incidents.keep_up(database, now=at("10:30"))

    assert [each.started_at for each in incidents.list_open(database)] == [at("10:05")]


def test_those_that_fail_within_ten_minutes_share_one_and_it_ends_with_the_last(database: Database) -> None:
    subscribe(database, "status")
    first, second, third = (watched(database, slug) for slug in ("a", "b", "c"))
    fail(database, first, at("10:01"))
    automatic_incidents.keep_up(database, now=at("10:01"))
    fail(database, second, at("10:11"))
    automatic_incidents.keep_up(database, now=at("10:11"))
    fail(database, third, at("10:12"))
    automatic_incidents.keep_up(database, now=at("10:12"))
    assert sorted(each.names for each in incidents.list_open(database)) == [["A", "B"], ["C"]]
    assert told(database)[1] == ("status", "updated", ["A", "B"])

    record(database, a_ping(first, at("10:20")))
    assert not automatic_incidents.keep_up(database, now=at("10:20"))
    record(database, a_ping(second, at("10:21")))
    automatic_incidents.keep_up(database, now=at("10:21"))
    assert [each.names for each in incidents.list_open(database)] == [["C"]]


def test_a_monitor_that_was_up_for_a_moment_keeps_the_incident_open(database: Database) -> None:
    web = watched(database, "web")
    fail(database, web, at("10:01"))
    automatic_incidents.keep_up(database, now=at("10:01"))
    record(database, a_ping(web, at("10:02")))
    fail(database, web, at("10:02:01"))

    automatic_incidents.keep_up(database, now=at("10:03"))

    (still,) = incidents.list_open(database)
    assert len(still.updates) == 1
    record(database, a_ping(web, at("10:05")))
    automatic_incidents.keep_up(database, now=at("10:05"))
    assert incidents.get(database, still.public_id).resolved_at == at("10:05")


@pytest.mark.parametrize("end", ["pause", "delete"])
def test_what_is_paused_or_deleted_counts_as_over(database: Database, end: str) -> None:
    web = watched(database, "web")
    fail(database, web, at("10:01"))
    automatic_incidents.keep_up(database, now=at("10:01"))
    if end == "pause":
        monitors.pause(database, monitors.by_id(web.id), now=at("10:02"))
    else:
        monitors.remove(database, monitors.by_id(web.id))

    automatic_incidents.keep_up(database, now=at("10:03"))

    assert incidents.list_open(database) == []
    (over,), _ = incidents.list_resolved(database, limit=9)
    assert over.resolved_at == at("10:02" if end == "pause" else "10:03")


@pytest.mark.parametrize("by", ["resolve", "delete", "take out", "edit of another"])
def test_an_outage_that_somebody_has_dealt_with_makes_no_second_incident(database: Database, by: str) -> None:
    web, other = watched(database, "web"), make_up(database, "other", last_ping=NOW)
    fail(database, web, at("10:01"))
    automatic_incidents.keep_up(database, now=at("10:01"))
    (opened,) = incidents.list_open(database)
    if by == "resolve":
        incidents.post(database, opened.public_id, an_update("resolved"), now=at("10:02"))
    elif by == "delete":
        incidents.remove(database, opened.public_id, now=at("10:02"))
    elif by == "take out":
        incidents.edit(database, opened.public_id, IncidentChanges(monitors=(other.slug,)), now=at("10:02"))
    else:
        incidents.edit(database, opened.public_id, IncidentChanges(monitors=(web.slug, other.slug)), now=at("10:02"))
    before = len(incidents.list_open(database))

    for minute in range(3, 9):
        assert not automatic_incidents.keep_up(database, now=at(f"10:0{minute}"))
    assert len(incidents.list_open(database)) == before

    record(database, a_ping(web, at("10:10")))
    automatic_incidents.keep_up(database, now=at("10:10"))
    fail(database, web, at("10:31"))
    assert automatic_incidents.keep_up(database, now=at("10:31"))
    assert ["Web"] in [each.names for each in incidents.list_open(database)]


def test_marks_of_what_was_dealt_with_do_not_pile_up(database: Database) -> None:
    web = watched(database, "web")
    for number in range(1, 4):
        fail(database, web, at(f"1{number}:00"))
        automatic_incidents.keep_up(database, now=at(f"1{number}:00"))
        (opened,) = incidents.list_open(database)
        incidents.remove(database, opened.public_id, now=at(f"1{number}:01"))
        assert len(rows(database, Incident)) == 1
        assert incidents.list_resolved(database, limit=9) == ([], None)
        record(database, a_ping(web, at(f"1{number}:30")))


def test_an_incident_by_hand_takes_the_outage_and_is_not_closed_by_itself(database: Database) -> None:
    web = watched(database, "web", minutes=10)
    before_it_failed = incidents.create(database, new_incident(monitors=["web"]), now=NOW)
    fail(database, web, at("10:01"))

    automatic_incidents.keep_up(database, now=at("10:20"))
    assert [each.public_id for each in incidents.list_open(database)] == [before_it_failed.public_id]

    record(database, a_ping(web, at("10:30")))
    assert not automatic_incidents.keep_up(database, now=at("10:30"))
    incidents.post(database, before_it_failed.public_id, an_update("resolved"), now=at("10:31"))
    fail(database, web, at("10:40"))
    by_hand = incidents.create(database, new_incident(monitors=["web"]), now=at("10:41"))
    incidents.post(database, by_hand.public_id, an_update("resolved"), now=at("10:42"))
    assert not automatic_incidents.keep_up(database, now=at("11:00"))


def test_an_owner_may_speak_name_and_reopen_it_and_it_stays_open_then(database: Database) -> None:
    web = watched(database, "web")
    fail(database, web, at("10:01"))
    automatic_incidents.keep_up(database, now=at("10:01"))
    (opened,) = incidents.list_open(database)
    incidents.edit(database, opened.public_id, IncidentChanges(title="The disk"), now=at("10:02"))
    incidents.post(database, opened.public_id, an_update("identified"), now=at("10:03"))
    record(database, a_ping(web, at("10:05")))
    automatic_incidents.keep_up(database, now=at("10:05"))
    closed = incidents.get(database, opened.public_id)
    assert (closed.title, closed.status) == ("The disk", "resolved")

    incidents.post(database, opened.public_id, an_update("monitoring"), now=at("10:06"))
    assert not automatic_incidents.keep_up(database, now=at("10:07"))
    assert incidents.get(database, opened.public_id).is_open
    assert incidents.edit(database, opened.public_id, IncidentChanges(title=None), now=at("10:08")).title is None


def test_one_that_is_opened_again_during_the_outage_closes_with_it(database: Database) -> None:
    web = watched(database, "web")
    fail(database, web, at("10:01"))
    automatic_incidents.keep_up(database, now=at("10:01"))
    (opened,) = incidents.list_open(database)
    incidents.post(database, opened.public_id, an_update("resolved"), now=at("10:02"))
    incidents.post(database, opened.public_id, an_update("investigating"), now=at("10:03"))
    assert not automatic_incidents.keep_up(database, now=at("10:04"))

    record(database, a_ping(web, at("10:05")))
    automatic_incidents.keep_up(database, now=at("10:05"))

    assert not incidents.get(database, opened.public_id).is_open


def a_window_until(database: Database, slug: str, *, end: datetime) -> None:
    """Plan maintenance of a monitor from NOW on."""
    plan = Plan(Repeats.ONCE, NOW, end - NOW, "UTC")
    maintenance.create(database, Definition("Works", plan, monitors=(slug,)), now=NOW)


def test_maintenance_holds_a_failure_back_until_it_ends(database: Database) -> None:
    monitor = watched(database, "job")
    a_window_until(database, "job", end=at("11:00"))
    fail(database, monitor, at("10:10"))

    assert not automatic_incidents.keep_up(database, now=at("10:59:59"))
    assert automatic_incidents.keep_up(database, now=at("11:00"))

    (opened,) = incidents.list_open(database)
    assert opened.started_at == at("10:10")


def test_silence_has_interval_and_grace_to_end_after_maintenance(database: Database) -> None:
    """The job was stopped for the maintenance: an incident of the first minute after it would be a false alarm."""
    every = {"interval_seconds": 60, "grace_seconds": 60}
    late, back = watched(database, "late", **every), watched(database, "back", **every)
    for monitor in (late, back):
        a_window_until(database, monitor.slug, end=at("11:00"))
    passes.expire_due(database, now=at("10:03"), recorded_at=at("10:03"))

    assert not automatic_incidents.keep_up(database, now=at("11:01:59"))
    record(database, a_ping(back, at("11:01:59")))
    assert automatic_incidents.keep_up(database, now=at("11:02"))

    (opened,) = incidents.list_open(database)
    assert [each.name for each in opened.monitors] == [late.name]


def test_private_and_public_ones_share_none_and_the_public_ones_decide_its_end(database: Database) -> None:
    first, hidden, later_hidden = watched(database, "a"), watched(database, "h", public=False), watched(database, "l")
    for each in (first, hidden, later_hidden):
        fail(database, each, at("10:01"))
    automatic_incidents.keep_up(database, now=at("10:01"))
    assert sorted(each.names for each in incidents.list_open(database)) == [["A", "L"], ["H"]]

    monitors.edit(database, monitors.by_id(later_hidden.id), {"placement": {"is_public": False}}, now=at("10:02"))
    record(database, a_ping(first, at("10:05")))
    automatic_incidents.keep_up(database, now=at("10:05"))

    assert [each.names for each in incidents.list_open(database)] == [["H"]]
    assert again(database, later_hidden).status == "DOWN"


def test_several_nodes_open_one_incident_for_an_outage(database: Database) -> None:
    subscribe(database, "status")
    for slug in ("a", "b"):
        fail(database, watched(database, slug), at("10:01"))
    start = threading.Barrier(6)

    def keep_up() -> None:
        start.wait()
        automatic_incidents.keep_up(database, now=at("10:02"))

    nodes = [threading.Thread(target=keep_up) for _ in range(6)]
    for each in nodes:
        each.start()
    for each in nodes:
        each.join()

    assert [each.names for each in incidents.list_open(database)] == [["A", "B"]]
    assert len(rows(database, IncidentUpdate)) == 1
    assert [event for _, event, _ in told(database)] == ["opened"]


def test_where_there_is_nothing_to_do_nothing_is_written(database: Database) -> None:
    make_down(database, "web", last_ping=NOW)
    make(database, "new", now=NOW)
    with recorded_statements() as statements:
        assert not automatic_incidents.keep_up(database, now=at("11:00"))

    assert len([each for each in statements if each.startswith("SELECT")]) == 2
    assert not [each for each in statements if each.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert not rows(database, IncidentMonitor)
