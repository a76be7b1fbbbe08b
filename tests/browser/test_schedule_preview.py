"""The two fields of a schedule in a real browser: the preview follows what is typed."""

from __future__ import annotations

from datetime import UTC, datetime

from playwright.sync_api import expect

from pulsemon.web import rendering
from pulsemon.web.schedule_words import zone_suggestions
from tests.browser.conftest import Tab


def fields() -> str:
    """Return the part as a form includes it."""
    return rendering.render(
        "parts/schedule.html",
        locale="en",
        now=datetime(2026, 11, 25, tzinfo=UTC),
        typed={},
        problems={},
        first_wrong="",
        zones=zone_suggestions(),
    )


def test_the_preview_follows_both_fields_and_says_what_is_wrong(tab: Tab) -> None:
    page = tab.log_in()
    page.evaluate(
        """part => {
            const place = document.createElement("div");
            place.innerHTML = part;
            document.querySelector("#monitor-form").prepend(place);
            htmx.process(place);
        }""",
        fields(),
    )
    preview = page.locator("#schedule-preview")

    page.locator("#f-schedule").press_sequentially("30 2 * * *")
    expect(preview.locator("li")).to_have_count(5)
    expect(preview).to_contain_text("every day at 02:30")
    expect(preview).to_contain_text("(UTC)")

    page.locator("#f-timezone").press_sequentially("America/Sao_Paulo")
    expect(preview).to_contain_text("(Sao Paulo, UTC-3)")
    assert tab.axe() == []

    page.fill("#f-schedule", "30 24 * * *")
    expect(preview).to_contain_text("The hour cannot be read")
    expect(preview.locator("li")).to_have_count(0)

    page.fill("#f-schedule", "")
    expect(preview).to_be_hidden()
