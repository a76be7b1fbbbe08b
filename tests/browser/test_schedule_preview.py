"""The two fields of a schedule in a real browser: the preview follows what is typed."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Tab


def test_the_preview_follows_both_fields_and_says_what_is_wrong(tab: Tab) -> None:
    page = tab.log_in()
    page.get_by_text("By a schedule").click()
    preview = page.locator("#schedule-preview")

    page.locator("#f-schedule").press_sequentially("30 2 * * *")
    expect(preview.locator("li")).to_have_count(5)
    expect(preview).to_contain_text("every day at 02:30")
    expect(page.locator("#f-timezone")).to_have_value("America/Sao_Paulo")  # the browser's
    expect(preview).to_contain_text("02:30 (America/Sao_Paulo, UTC-3)")
    expect(preview).not_to_contain_text("for you")

    page.fill("#f-timezone", "")
    page.locator("#f-timezone").press_sequentially("Asia/Tokyo")
    expect(preview).to_contain_text("02:30 (Asia/Tokyo, UTC+9)")
    expect(preview.locator("li .help").last).to_contain_text("14:30 (America/Sao_Paulo, UTC-3)")
    assert tab.axe() == []

    page.fill("#f-schedule", "30 24 * * *")
    expect(preview).to_contain_text("The hour cannot be read")
    expect(preview.locator("li")).to_have_count(0)

    page.fill("#f-schedule", "")
    expect(preview).to_be_hidden()
