"""Maintenance as strangers see it: pages, calendars, Statuspage's format, badges; and what they never see."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pulsemon.core.maintenance import Plan, Repeats
from pulsemon.core.placement import Placement
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance import public as public_windows
from pulsemon.monitors import manage as monitors
from pulsemon.status_pages import manage as status_pages
from pulsemon.web.public import badges, ics, statuspage
from pulsemon.web.public import calendar as calendar_feed
from pulsemon.web.public.badges import Wish
from pulsemon.web.public.board import Board
from pulsemon.web.public.static_copy import make_files
from tests.arrange import a_ping, make_up, record
from tests.conftest import ADMIN_TOKEN, at, settings_for
from tests.db.test_held import tick
from tests.maintenance.test_manage import DAILY, create, edit, once
from tests.statements import recorded_statements
from tests.status_pages.test_public import a_monitor, a_page, seen
from tests.web.public.test_feeds import SETTINGS, a_feed, page_of
from tests.web.public.test_status_page import Clock, a_board

NOW = at("10:00")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOSTILE = "A,B;C\\D\r\nBEGIN:VEVENT\nX: ☂💾 <script>alert(1)</script> " + "ж" * 100
ADMIN = {"X-Admin-Token": ADMIN_TOKEN}


def board_at(database: Database, when: str) -> Board:
    return a_board(database, Clock(at(when)))


def markup(database: Database, when: str, slug: str = "status", locale: str = "en") -> str:
    board = board_at(database, when)
    return board.rendered(board.snapshot(), locale, slug).plain.decode()


def text(database: Database, when: str, **options: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup(database, when, **options)))


def events(database: Database, when: str, slug: str = "status") -> list[Any]:
    document = calendar_feed.document(page_of(board_at(database, when), slug), SETTINGS)
    assert max(len(line) for line in document.split(b"\r\n")) <= 75
    return list(icalendar.Calendar.from_ical(document).walk("VEVENT"))


def test_a_monitor_under_maintenance_is_not_down_in_word_shape_and_sentence(database: Database) -> None:
    monitor = make_up(database, "job")
    make_up(database, "other")
    create(database, once(NOW), monitors=("job",), description="Only **reading** works")
    record(database, a_ping(monitor, at("10:01"), Signal.FAIL))

    seen_now = text(database, "10:05")
    assert "Maintenance in progress." in seen_now
    assert "Down:" not in seen_now
    assert "Job job Under maintenance" in seen_now
    assert "Other other Late" in seen_now or "Other other Up" in seen_now
    assert "In progress · 2 Mar 2026, 10:00 – 11:00 (UTC)" in seen_now
    assert "Affects: Job" in seen_now
    assert "<strong>reading</strong>" in markup(database, "10:05")
    assert '<li class="maintenance"' in markup(database, "10:05")
    assert "Manutenção em andamento." in text(database, "10:05", locale="pt-BR")
    assert "Some systems are down." in text(database, "11:00")


def test_what_is_down_beside_the_maintenance_is_said_first(database: Database) -> None:
    make_up(database, "job")
    other = make_up(database, "other")
    create(database, once(NOW), monitors=("job",))
    record(database, a_ping(other, at("10:01"), Signal.FAIL))

    assert "Some systems are down." in text(database, "10:02")


def test_coming_maintenance_stands_on_the_page_from_its_announcement_to_its_end(database: Database) -> None:
    make_up(database, "job", interval_seconds=86_400)
    create(database, once(at("15:00")), title="New disks", announce_hours=3)

    assert "New disks" not in text(database, "11:59")
    assert "New disks Planned · 2 Mar 2026, 15:00 – 16:00 (UTC) Affects everything" in text(database, "12:00")
    assert "New disks In progress" in text(database, "15:00")
    assert "New disks" not in text(database, "16:00")


def test_a_page_tells_of_its_own_monitors_in_its_own_zone(database: Database) -> None:
    for slug in ("a", "b", "c"):
        make_up(database, slug)
    status_pages.create(
        database, status_pages.NewPage("shop", monitors=("a", "b"), timezone="America/Sao_Paulo"), now=NOW
    )
    create(database, title="Of b and c", monitors=("b", "c"))
    create(database, title="Of c alone", monitors=("c",))
    create(database, title="Of all")

    shop = text(database, "10:00", slug="shop")
    assert "Of b and c Planned · 2 Mar 2026, 08:00 – 09:00 (Brasilia Time) Affects: B Of all" in shop
    assert "Of c alone" not in shop
    assert [each["SUMMARY"] for each in events(database, "10:00", "shop")] == ["Of b and c", "Of all"]
    assert "Affects: B , C" in text(database, "10:00")


def test_a_daily_plan_fills_no_page(database: Database) -> None:
    make_up(database, "job")
    create(database, DAILY, title="Nightly")

    seen_now = text(database, "10:00")

    assert seen_now.count("Nightly") == 1
    assert "Then: 3 Mar 2026, 12:00 – 13:00 (UTC)" in seen_now
    assert "3 more in the calendar" in seen_now


def test_hostile_texts_stay_texts(database: Database) -> None:
    make_up(database, "job", name="<b>x</b>, y")
    create(database, once(NOW), title=HOSTILE, description=HOSTILE, monitors=("job",))

    page = markup(database, "10:05")
    assert "<script>alert" not in page
    (event,) = events(database, "10:05")
    expected = HOSTILE.replace("\r\n", "\n")
    assert str(event["SUMMARY"]) == expected
    assert str(event["DESCRIPTION"]) == f"{expected}\n\nAffects: <b>x</b>, y"


@given(st.text())
def test_any_text_comes_back_out_of_a_calendar(anything: str) -> None:
    lines = [("BEGIN", "VCALENDAR"), ("BEGIN", "VEVENT"), ("SUMMARY", ics.text(anything)), ("END", "VEVENT")]
    document = ics.document([*lines, ("END", "VCALENDAR")])

    (event,) = icalendar.Calendar.from_ical(document).walk("VEVENT")

    plain = anything.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    assert str(event["SUMMARY"]) == re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "", plain)
    assert all(len(line) <= 75 for line in document.split(b"\r\n"))


def test_an_event_has_its_times_and_keeps_its_id_while_it_is_edited(database: Database) -> None:
    make_up(database, "job")
    view = create(database, once(at("12:00")))
    (before,) = events(database, "10:00")
    edit(database, view, title="Later", starts_at=at("14:00"), now=at("10:30"))

    (event,) = events(database, "10:31")

    assert event["UID"] == before["UID"]
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (at("14:00"), at("15:00"))
    assert (event["LAST-MODIFIED"].dt, before["LAST-MODIFIED"].dt) == (at("10:30"), NOW)
    assert event["URL"] == "https://pulse.example.org/status"
    assert "DTSTAMP" in event


def test_a_calendar_holds_thirty_days_of_the_past_and_each_window_has_an_id(database: Database) -> None:
    make_up(database, "job")
    create(database, Plan(Repeats.CRON, NOW - DAY, HOUR, "UTC", "0 12 * * *"))

    found = events(database, "10:00")

    assert [each["DTSTART"].dt for each in found] == [at("12:00") + number * DAY for number in range(-1, 7)]
    assert len({str(each["UID"]) for each in found}) == 8
    board = a_board(database, Clock(NOW + 29 * DAY))
    assert b"20260301T120000Z" in calendar_feed.document(page_of(board), SETTINGS)
    board = a_board(database, Clock(NOW + 31 * DAY))
    assert b"20260301T120000Z" not in calendar_feed.document(page_of(board), SETTINGS)


def test_statuspage_s_documents_tell_of_maintenance(database: Database) -> None:
    monitor = make_up(database, "job")
    make_up(database, "other", interval_seconds=86_400)
    create(database, once(NOW), title="Running", monitors=("job",), description="*x*")
    create(database, once(at("12:00")), title="Coming")
    record(database, a_ping(monitor, at("10:01"), Signal.FAIL))
    page = page_of(board_at(database, "10:02"))

    def told(name: str) -> Any:
        return json.loads(statuspage.document(name, page, SETTINGS))

    summary = told("summary")
    assert summary["status"] == {"indicator": "maintenance", "description": "Maintenance in progress."}
    assert [each["status"] for each in summary["components"]] == ["under_maintenance", "operational"]
    names = {
        name: [
            (each["name"], each["status"]) for each in told(f"scheduled-maintenances{name}")["scheduled_maintenances"]
        ]
        for name in ("", "/upcoming", "/active")
    }
    assert names == {
        "": [("Coming", "scheduled"), ("Running", "in_progress")],
        "/upcoming": [("Coming", "scheduled")],
        "/active": [("Running", "in_progress")],
    }
    running = told("scheduled-maintenances/active")["scheduled_maintenances"][0]
    assert (running["scheduled_for"], running["scheduled_until"]) == (
        "2026-03-02T10:00:00.000Z",
        "2026-03-02T11:00:00.000Z",
    )
    assert [each["name"] for each in running["components"]] == ["Job"]
    assert running["incident_updates"][0]["body"] == "*x*"
    over = page_of(board_at(database, "11:30"))
    done = json.loads(statuspage.document("scheduled-maintenances", over, SETTINGS))["scheduled_maintenances"]
    assert [(each["name"], each["status"]) for each in done][-1] == ("Running", "completed")


def test_badges_say_that_there_is_maintenance(database: Database) -> None:
    make_up(database, "job")
    create(database, once(NOW))
    board = board_at(database, "10:01")
    snapshot = board.snapshot()
    assert snapshot

    for badge in (
        badges.of_page(board, page_of(board), SETTINGS, Wish("en", None)),
        badges.of_monitor(board, snapshot, page_of(board).monitors[0], SETTINGS, Wish("en", None)),
    ):
        assert (badge.message, badge.colour) == ("Under maintenance", "blue")


def test_a_copy_holds_the_calendars(database: Database) -> None:
    make_up(database, "job")
    status_pages.create(database, status_pages.NewPage("shop", monitors=("job",)), now=NOW)
    create(database, title="New disks")

    files = make_files(database, settings_for("sqlite:///unused.db"), now=NOW)

    assert b"SUMMARY:New disks" in files["status/maintenance.ics"]
    assert b"SUMMARY:New disks" in files["status/shop/maintenance.ics"]
    assert "New disks" in files["status/index.html"].decode()


def test_a_private_monitor_s_maintenance_leaves_no_trace(database: Database) -> None:
    make_up(database, "known", interval_seconds=86_400)
    private = make_up(database, "xylophone", name="Quagmire")
    monitors.edit(database, monitors.by_id(private.id), {"placement": {"is_public": False}}, now=NOW)
    status_pages.create(database, status_pages.NewPage("shop", monitors=("known", "xylophone")), now=NOW)

    def everything() -> dict[str, object]:
        board = board_at(database, "10:30")
        found: dict[str, object] = {}
        for slug in ("status", "shop"):
            page = page_of(board, slug)
            found[slug] = board.rendered(board.snapshot(), "en", slug).etag
            found[f"{slug}.ics"] = calendar_feed.document(page, SETTINGS)
            for name in statuspage.DOCUMENTS:
                found[f"{slug}/{name}"] = statuspage.document(name, page, SETTINGS)
        return found

    before = everything()
    secret = create(database, once(NOW), title="Zeppelin", monitors=("xylophone",))
    assert everything() == before
    maintenance.remove(database, secret.id, now=at("10:20"))
    assert everything() == before

    create(database, once(NOW), title="Both", monitors=("known", "xylophone"))
    told = repr(everything()) + markup(database, "10:30") + markup(database, "10:30", "shop")
    assert "Both" in told
    assert not re.search("xylophone|quagmire|zeppelin", told, re.IGNORECASE)


def test_maintenance_of_private_monitors_crowds_none_out_of_a_calendar(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_windows, "MAX_PAST", 2)
    make_up(database, "known")
    make_up(database, "hidden", placement=Placement(is_public=False))
    create(database, once(NOW), monitors=("known",), title="Seen")
    for number in range(1, 4):
        create(database, once(NOW + timedelta(minutes=number)), monitors=("hidden",))
    tick(database, "12:00")

    assert [str(each["SUMMARY"]) for each in events(database, "12:00")] == ["Seen"]


def test_the_queries_of_a_page_stay_as_many_with_many_windows(database: Database) -> None:
    counts = []
    for number in (1, 12):
        for each in range(number):
            make_up(database, f"m-{number}-{each}")
            create(database, once(NOW), monitors=(f"m-{number}-{each}",))
            create(database, DAILY)
        board = board_at(database, "10:01")
        with recorded_statements() as statements:
            board.rendered(board.snapshot(), "en")
        counts.append(len([each for each in statements if each.startswith("SELECT")]))

    assert counts[0] == counts[1] == 12


def test_calendars_are_served_as_other_feeds_are(client: TestClient) -> None:
    a_monitor(client, "job")
    a_page(client, "locked", password="correct horse")
    body = {"title": "New disks", "starts_at": "2030-01-01T00:00:00Z", "length_seconds": 60}
    assert client.post("/api/maintenance", json=body | {"announce_hours": 720}, headers=ADMIN).status_code == 201
    seen(client, "/status", "maintenance.ics")

    answer = client.get("/status/maintenance.ics")
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "New disks" not in answer.text  # not announced yet
    again = client.get("/status/maintenance.ics", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert client.head("/status/maintenance.ics").status_code == 200
    assert client.get("/status/nobody/maintenance.ics").status_code == 404
    assert client.get("/status/locked/maintenance.ics").status_code == 401
    assert client.get("/status/locked/maintenance.ics", auth=("", "correct horse")).status_code == 200


def test_what_is_running_shows_at_once(client: TestClient) -> None:
    made = a_monitor(client, "job")
    client.get(made["ping_url"])
    begun = datetime.fromisoformat(made["created_at"])
    body = {"title": "New disks", "starts_at": begun.strftime("%Y-%m-%dT%H:%M:%SZ"), "length_seconds": 3_600}
    assert client.post("/api/maintenance", json=body, headers=ADMIN).status_code == 201

    seen(client, "/status", "Maintenance in progress.")
    assert client.get("/api/monitors/job", headers=ADMIN).json()["under_maintenance"]
    metrics = client.get("/metrics", headers=ADMIN).text
    assert 'monitor_status{monitor_name="Job",monitor_slug="job",monitor_type="push"} 3.0' in metrics


def test_a_feed_tells_what_was_announced_and_what_has_begun(database: Database) -> None:
    monitor = make_up(database, "job", last_ping=at("09:59"))
    create(database, once(at("10:30")), title="A & <b>", monitors=("job",))
    tick(database, "10:00")
    record(database, a_ping(monitor, at("10:10"), Signal.FAIL))

    titles = {when: [each.title for each in a_feed(board_at(database, when)).entries] for when in ("10:20", "10:40")}

    assert titles["10:20"] == ["Job is down", "Maintenance planned: A & <b>", "Job is up"]
    assert titles["10:40"] == ["Maintenance has begun: A & <b>", *titles["10:20"]]
    parsed = a_feed(board_at(database, "10:40"))
    assert len({each.id for each in parsed.entries}) == 4
    assert parsed.entries[0].summary == "2 Mar 2026, 10:30 – 11:30 (UTC)"
    assert parsed.feed.updated == "2026-03-02T10:30:00.000Z"


def test_what_is_coming_is_cut_short_and_what_has_begun_is_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_windows, "MAX_COMING", 2)
    make_up(database, "known")
    make_up(database, "hidden", placement=Placement(is_public=False))
    for number in range(3):
        create(database, once(NOW), monitors=("known",), title=f"Running {number}")
        create(database, once(NOW + HOUR), monitors=("hidden",), title=f"Hidden {number}")
        later = once(NOW + (3 - number) * HOUR)
        create(database, later, monitors=("known",), title=f"Coming {number}")
        # Not told yet: those take no place either.
        create(database, once(NOW + HOUR), monitors=("known",), announce_hours=0, title=f"Untold {number}")
    create(database, Plan(Repeats.CRON, NOW, HOUR, "UTC", "45 10 * * *"), monitors=("known",), title="Daily")

    found = [str(each["SUMMARY"]) for each in events(database, "10:30")]

    # Of each plan the next one stays: no other plan crowds it out.
    assert found == ["Running 0", "Running 1", "Running 2", "Daily", "Coming 2", "Coming 1", "Coming 0"]


def test_statuspages_format_tells_fifty_those_that_matter_first(database: Database) -> None:
    make_up(database, "job")
    create(database, once(NOW + 9 * HOUR, 40 * DAY / 2), monitors=("job",), title="Running")
    for number in range(30):
        start = NOW + number * timedelta(minutes=10)
        create(database, once(start, timedelta(minutes=5)), monitors=("job",), title=f"Over {number}", now=start)
        create(database, once(NOW + DAY + number * HOUR), monitors=("job",), title=f"Coming {number}")
    tick(database, "23:00")

    page = page_of(board_at(database, "23:00"))
    told = json.loads(statuspage.document("scheduled-maintenances", page, SETTINGS))["scheduled_maintenances"]

    coming, over = [f"Coming {number}" for number in range(30)], [f"Over {number}" for number in range(11, 30)]
    assert [each["name"] for each in told] == [*coming[::-1], "Running", *over[::-1]]
