"""A monitor's past in the panel: bars with texts, corrections, the monthly report and its CSV. No script runs here."""

from __future__ import annotations

import csv
import gzip
import html
import io
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.core.days import last_days
from pulsemon.core.status import Signal
from pulsemon.core.uptime import NO_TIME, Availability
from pulsemon.db import Database
from pulsemon.locale import times
from pulsemon.web.html import bars, rendering
from pulsemon.web.html.words import Words
from pulsemon.web.panel import record as panel_record
from pulsemon.web.panel.record import Month, safe_cell
from tests.arrange import a_ping, make, record
from tests.conftest import at
from tests.web.panel.test_logins import drawn
from tests.web.panel.test_monitors import PAGE, log_in, text_of

LONG = {"interval_seconds": 30 * 86_400}
DAY_US, MINUTE_US = 86_400_000_000, 60_000_000


@pytest.fixture
def now() -> datetime:
    return clock.now().replace(microsecond=0)


def outage(now: datetime) -> datetime:
    """Return when the 14 minutes began: at noon, so that they are of one day whenever this runs."""
    return (now - timedelta(days=60)).replace(hour=12, minute=0, second=0)


@pytest.fixture
def panel(make_client: Callable[..., TestClient], database_url: str, now: datetime) -> TestClient:
    """A logged-in browser that reads English; monitor 1 was down for 14 minutes, and is down since an hour ago."""
    database = Database.open(database_url)
    try:
        database.migrate()
        monitor = make(database, name="=1+1", now=now - timedelta(days=70), **LONG)
        record(database, a_ping(monitor, now - timedelta(days=70)))
        noon = outage(now)
        record(database, a_ping(monitor, noon, Signal.FAIL))
        record(database, a_ping(monitor, noon + timedelta(minutes=14)))
        record(database, a_ping(monitor, now - timedelta(hours=1), Signal.FAIL))
    finally:
        database.close()
    client = make_client(database_url)
    client.headers.update(PAGE | {"accept-language": "en"})
    assert log_in(client).status_code == 303
    return client


def test_the_page_draws_ninety_days_each_with_its_text(panel: TestClient, now: datetime) -> None:
    page = panel.get("/monitors/1")

    drawing = re.search(r'<svg class="bars" viewBox="0 0 360 32".*?</svg>', page.text, re.DOTALL)
    assert drawing
    (looks,) = re.findall(r'data-looks="([a-z]+)"', page.text)
    assert drawing[0].count("M") == 90
    down = bars.short_date(outage(now).date(), Words("en", now))
    dates = re.findall(r'data-dates="([^"]+)"', page.text)[0].split("|")
    place = dates.index(down)  # 29, or 28 where a day began meanwhile
    assert place in (28, 29)
    assert (len(dates), len(looks), looks[0], looks[place]) == (90, 90, "n", "d")
    assert f'<li data-day="{place}">{down}: down for 14 min</li>' in page.text
    assert f"{down}: down for 14 min" in html.unescape(re.findall(r'aria-label="(.*?)"', drawing[0])[0])
    assert "style=" not in page.text
    portuguese = panel.get("/monitors/1?lang=pt-BR").text
    assert ": fora do ar por 14 min" in portuguese


def test_the_public_page_says_how_much_of_the_time_its_percentage_speaks_of(panel: TestClient) -> None:
    english, portuguese = (
        text_of(panel.get(f"/status?lang={locale}")).replace("\u00a0", " ") for locale in ("en", "pt-BR")
    )

    # Made 70 days ago: a week and a month are known, and of 90 days nothing is said.
    assert re.search(r"7 days 99\.\d\d% · 30 days 99\.\d\d% · watched since \d+ [A-Z]", english)
    assert re.search(r"30 dias 99,\d\d% · monitorado desde \d+ [a-z]", portuguese)
    assert "90 days 9" not in english


def test_a_bar_says_what_matters_most_and_looks_like_it() -> None:
    words = Words("en", at("12:00"))
    for part, look, text in (
        (Availability(up=DAY_US), "u", "no outage"),
        (Availability(up=DAY_US - 7, down=14 * MINUTE_US, excluded=MINUTE_US), "d", "down for 14 min, 1 min excluded"),
        (Availability(up=DAY_US, excluded=60 * MINUTE_US), "e", "1 h excluded"),
        (Availability(up=DAY_US, maintenance=90 * MINUTE_US), "m", "1 h 30 min of maintenance"),
        (Availability(paused=DAY_US), "p", "paused"),
        (Availability(unknown=DAY_US), "n", "no data"),
    ):
        assert (bars.look_of(part), bars.describe(part, words)) == (look, text)
    shapes = {look: bars._path(0, look) for look in bars.Look}
    assert shapes[bars.Look.DOWN] != shapes[bars.Look.UP] != shapes[bars.Look.NONE]


def test_dates_are_short_in_both_languages() -> None:
    may = date(2026, 5, 21)

    assert bars.short_date(may, Words("en", at("12:00"))) == "21 May"
    assert bars.short_date(may, Words("pt-BR", at("12:00"))) == "21 mai"


def test_bars_of_nothing_are_empty() -> None:
    made = bars.make([], [], Words("en", at("12:00")))

    assert (made.bars, made.spans, made.summary, made.legend.looks) == ([], {7: NO_TIME, 30: NO_TIME}, "", [])
    assert (made.watched_count, made.watched_since, made.watched) == (0, "", NO_TIME)


@pytest.mark.parametrize(
    ("count", "told", "rest"), [(1, 1, ""), (5, 5, ""), (6, 4, "2 more days with an outage."), (90, 4, "86 more days")]
)
def test_the_last_outages_are_read_out_and_the_others_counted(count: int, told: int, rest: str) -> None:
    days = last_days(90, "UTC", now=at("12:00"))
    parts = [Availability(up=DAY_US)] * (90 - count) + [Availability(down=MINUTE_US)] * count

    summary = bars.make(days, parts, Words("en", at("12:00"))).summary

    assert summary.startswith("90 days up to today. 2 Mar: down for 1 min")
    assert summary.count("down for") == told
    assert rest in summary
    assert ("more days" in summary) is bool(rest)


def test_the_bars_of_fifty_monitors_compress_to_a_few_kilobytes() -> None:
    days = last_days(90, "UTC", now=at("12:00"))
    words = Words("pt-BR", at("12:00"))
    template = rendering.environment("pt-BR").from_string(
        '{% from "parts/bars.html" import draw with context %}{% for each in all %}{{ draw(each) }}{% endfor %}'
    )
    some = []
    for number in range(50):
        parts = [Availability(up=DAY_US)] * 90
        for outage in range(number % 7):  # three outages a monitor on average, of different days and lengths
            place = (number * 31 + outage * 17) % 90
            parts[place] = Availability(up=DAY_US, down=(number * 37 + outage * 11 + 1) * MINUTE_US)
        some.append(bars.make(days, parts, words))

    markup = template.render(all=some)

    assert markup.count("M") >= 4_500
    assert len(gzip.compress(markup.encode(), 6)) < 12_000


def test_an_outage_is_excluded_with_a_reason_and_counted_again(panel: TestClient) -> None:
    page = panel.get("/monitors/1").text
    link = re.findall(r'href="(/monitors/1/outages/\d+/exclude)"', page)[-1]
    asked = panel.get(link)
    assert "14 min" in text_of(asked)
    assert "Leave this outage out of the availability?" in text_of(asked)

    wrong = panel.post(link, data={"reason": "  "})
    assert wrong.status_code == 422
    assert "Say why, in 1 to 500 characters on one line." in text_of(wrong)
    too_long = panel.post(link, data={"reason": "<b>" * 200})
    assert (too_long.status_code, "&lt;b&gt;" in too_long.text, "<b><b>" in too_long.text) == (422, True, False)

    done = panel.post(link, data={"reason": "=move"}, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, "/monitors/1?done=excluded")
    said = text_of(panel.get(done.headers["location"]))
    assert "The outage counts for nothing from now on." in said
    assert "Excluded because: =move" in said
    assert "down for 14 min" not in said
    assert link not in panel.get("/monitors/1").text

    back = re.search(r'action="(/monitors/1/corrections/\d+/withdraw)"', panel.get("/monitors/1").text)
    assert back
    assert panel.post(back[1], follow_redirects=False).headers["location"] == "/monitors/1?done=counted"
    said = text_of(panel.get("/monitors/1"))
    assert "=move · withdrawn" in said
    assert "Excluded because" not in said


def test_the_reason_that_was_typed_outlives_the_session(panel: TestClient) -> None:
    link = re.findall(r'href="(/monitors/1/outages/\d+/exclude)"', panel.get("/monitors/1").text)[-1]

    page = drawn(panel, link, {"reason": "moved <house>"})

    assert page.status_code == 200
    assert 'value="moved &lt;house&gt;"' in page.text
    assert "Nothing was saved yet: here is what you typed." in text_of(page)
    assert "Excluded because" not in text_of(panel.get("/monitors/1"))


def test_an_outage_that_lasts_is_excluded_as_far_as_it_has_come(panel: TestClient) -> None:
    link = re.findall(r'href="(/monitors/1/outages/\d+/exclude)"', panel.get("/monitors/1").text)[0]
    assert "It still lasts: what comes after now will count." in text_of(panel.get(link))

    panel.post(link, data={"reason": "power"})

    assert re.search(r"still down · 1 h( \d+ s)? excluded", text_of(panel.get("/monitors/1")))


def test_what_does_not_exist_cannot_be_excluded_or_reported(panel: TestClient) -> None:
    for path in (
        "/monitors/1/outages/1/exclude",
        "/monitors/1/outages/999/exclude",
        "/monitors/1/outages/9999999999/exclude",
        "/monitors/9/outages/2/exclude",
        "/monitors/9/report",
        "/monitors/9/report.csv",
        "/monitors/1/report?month=2026-13",
        "/monitors/1/report?month=",
        "/monitors/1/report?month=0000-01",
        "/monitors/1/report.csv?month=x",
    ):
        assert panel.get(path).status_code == 404, path
    for path in ("/monitors/1/corrections/5/withdraw", "/monitors/1/corrections/9999999999/withdraw"):
        assert panel.post(path).status_code == 404, path


def test_the_report_has_every_day_the_outages_and_the_corrections(panel: TestClient, now: datetime) -> None:
    month = outage(now).strftime("%Y-%m")
    link = re.findall(r'href="(/monitors/1/outages/\d+/exclude)"', panel.get("/monitors/1").text)[-1]
    panel.post(link, data={"reason": "the move"})

    page = panel.get(f"/monitors/1/report?month={month}")
    said = text_of(page)

    assert "/monitors/1/report" in panel.get("/monitors/1").text
    assert f"Report {date.fromisoformat(f'{month}-01'):%B %Y}" in said
    (looks,) = re.findall(r'data-looks="([a-z]+)"', page.text)
    assert page.text.count('<th scope="row">') == len(looks) + 1 > 28
    assert "14 min: the move" in said
    assert times.instant(outage(now), "UTC", "en", is_exact=True) in said
    assert "style=" not in page.text
    assert "Relatório" in text_of(panel.get(f"/monitors/1/report?month={month}&lang=pt-BR"))
    assert "This month has not begun." in text_of(panel.get("/monitors/1/report?month=2099-01&lang=en"))
    assert 'rel="next"' not in panel.get("/monitors/1/report").text


def test_the_csv_says_the_same_and_no_cell_is_a_formula(panel: TestClient, now: datetime) -> None:
    month = outage(now).strftime("%Y-%m")
    link = re.findall(r'href="(/monitors/1/outages/\d+/exclude)"', panel.get("/monitors/1").text)[-1]
    panel.post(link, data={"reason": '=HYPERLINK("http://x"), "a"'})

    answer = panel.get(f"/monitors/1/report.csv?month={month}")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="job-{month}.csv"' in answer.headers["content-disposition"]
    assert answer.text.endswith("\r\n")
    table = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert list(table[0]) == panel_record.COLUMNS
    kinds = [row["record"] for row in table]
    assert (kinds[0], kinds.count("outage"), kinds.count("correction")) == ("month", 1, 1)
    days = [row for row in table if row["record"] == "day"]
    for part in panel_record._PARTS:
        assert sum(float(row[part]) for row in days) == pytest.approx(float(table[0][part]), abs=1e-3)
    assert float(table[0]["excluded_seconds"]) == 14 * 60
    reason = next(row["reason"] for row in table if row["record"] == "correction")
    assert reason == '\'=HYPERLINK("http://x"), "a"'
    assert next(row["excluded"] for row in table if row["record"] == "outage") == "yes"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", " =1", "＝1"])
def test_what_a_spreadsheet_would_compute_is_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert safe_cell("a=1") == "a=1"


def test_months_go_on_and_back() -> None:
    assert (str(Month(2026, 12).moved(1)), str(Month(2026, 1).moved(-1))) == ("2027-01", "2025-12")


def test_a_report_of_a_month_beyond_the_roll_ups_is_made_from_history(panel: TestClient) -> None:
    page = panel.get("/monitors/1/report?month=2001-02")

    assert 'data-looks="' + "n" * 28 in page.text
    assert "No data" in text_of(page)
