"""The panel's account of a monitor's past: the monthly report, for paper and for spreadsheets, and corrections."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.availability import corrections, track_record
from pulsemon.availability.track_record import Outage, Report
from pulsemon.core.cells import safe_cell
from pulsemon.core.days import date_at
from pulsemon.core.keyset import LARGEST_ID
from pulsemon.core.uptime import Availability
from pulsemon.errors import NO_OUTAGE, FieldProblem, Invalid, NotFound
from pulsemon.input import corrections as correction_fields
from pulsemon.monitors.views import View
from pulsemon.web.html import bars, rendering
from pulsemon.web.html.words import Words
from pulsemon.web.http.form_data import Form
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.whose import About
from pulsemon.web.panel import shared

router = Router(Audience.PANEL, about=About.MONITOR)

_MONTH = re.compile(r"(20[0-9]{2}|19[7-9][0-9])-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the calendar."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}"

    def moved(self, months: int) -> Month:
        """Return the month that lies so many months later."""
        count = self.year * 12 + self.month - 1 + months
        return Month(count // 12, count % 12 + 1)


@router.get("/monitors/{monitor_id:id}/report", Action.READ)
def report(request: Request, monitor_id: int) -> Response:
    """Answer with `?month=2026-10` as a page for paper; without it, with the present month."""
    site = site_of(request)
    view = shared.find(site, monitor_id)
    month, timezone, now = _month(request, site), site.settings.availability_timezone, site.now()
    found = _read(site, view, month, now)
    words = Words(rendering.locale_of(request), now, timezone)
    following = month.moved(1)
    return rendering.page(
        request,
        "panel/report.html",
        view=view,
        month=month,
        name_of=lambda each: words.month(date(each.year, each.month, 1)),
        previous=month.moved(-1),
        following=None if date(following.year, following.month, 1) > date_at(now, timezone) else following,
        timezone=timezone,
        report=found,
        bars=bars.make(found.period.days, found.period.parts, words),
        short_date=lambda day: bars.short_date(day, words),
        local=lambda at: words.instant(at, is_exact=True),
        zone=words.zone(),
    )


@router.get("/monitors/{monitor_id:id}/report.csv", Action.READ)
def report_csv(request: Request, monitor_id: int) -> Response:
    """Answer with the same as a table for spreadsheets (RFC 4180), headed in English as the API's fields are."""
    site, now = site_of(request), site_of(request).now()
    view = shared.find(site, monitor_id)
    month = _month(request, site)
    text = to_csv(view, _read(site, view, month, now), timezone=site.settings.availability_timezone, now=now)
    name = re.sub(r"[^A-Za-z0-9._-]", "-", view.slug)[:100]
    headers = {
        "content-disposition": f'attachment; filename="{name}-{month}.csv"',
        "cache-control": "no-store",
    }
    return Response(text.encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers)


def _month(request: Request, site: Site) -> Month:
    asked = request.query_params.get("month")
    if asked is None:
        today = date_at(site.now(), site.settings.availability_timezone)
        return Month(today.year, today.month)
    found = _MONTH.fullmatch(asked)
    if found is None:
        raise NotFound("There is no such month.")
    return Month(int(found[1]), int(found[2]))


def _read(site: Site, view: View, month: Month, now: datetime) -> Report:
    zone = site.settings.availability_timezone
    return track_record.read_report(site.database, view.id, year=month.year, month=month.month, timezone=zone, now=now)


_PARTS = [f"{name}_seconds" for name in Availability._fields]
COLUMNS = [
    "record", "monitor", "date", "start", "end", "availability", "coverage", *_PARTS, "cause", "excluded", "reason",
]  # fmt: skip


def to_csv(view: View, found: Report, *, timezone: str, now: datetime) -> str:
    """Return a report as CSV: one record for the month, one a day, one an outage, one a correction.

    Times are those of *timezone*, with their offset. Cells that a spreadsheet would take for a formula begin with an
    apostrophe.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in _records(view, found, ZoneInfo(timezone), now):
        writer.writerow({name: safe_cell(value) if isinstance(value, str) else value for name, value in row.items()})
    return out.getvalue()


def _records(view: View, found: Report, zone: ZoneInfo, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the lines of the CSV, each as column -> value; `record` says what it is of."""
    days = found.period.days
    span = _span(days[0].start, days[-1].end, zone) if days else {}
    yield {"record": "month", "monitor": view.slug} | span | _spent(found.period.whole)
    for day, part in zip(days, found.period.parts, strict=True):
        span = _span(day.start, day.end, zone)
        yield {"record": "day", "monitor": view.slug, "date": day.date.isoformat()} | span | _spent(part)
    for outage in found.outages:
        yield {"record": "outage", "monitor": view.slug} | _outage(outage, zone, now)
    for each in found.corrections:
        yield {
            "record": "correction",
            "monitor": view.slug,
            "excluded": "withdrawn" if each.withdrawn_at else "yes",
            "reason": each.reason,
        } | _span(each.started_at, each.ended_at, zone)


def _span(start: datetime, end: datetime | None, zone: ZoneInfo) -> dict[str, str]:
    return {
        name: "" if at is None else at.astimezone(zone).isoformat(timespec="seconds")
        for name, at in (("start", start), ("end", end))
    }


def _spent(part: Availability) -> dict[str, Any]:
    """Ratios have six places; what is not known is an empty cell."""
    cells = {f"{name}_seconds": _seconds(length) for name, length in part._asdict().items()}
    for name, ratio in (("availability", part.ratio), ("coverage", part.coverage)):
        cells[name] = "" if ratio is None else f"{int(ratio * 1_000_000) / 1_000_000:.6f}"
    return cells


def _seconds(microseconds: int) -> str:
    """Return a length in seconds, whole or with its microseconds, and nothing lost in between."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{seconds}.{rest:06}" if rest else str(seconds)


def _outage(outage: Outage, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    cause = outage.note if outage.cause is None else outage.cause.value
    excluded = "yes" if outage.is_excluded(now) else "in part" if outage.reasons else "no"
    return _span(outage.start, outage.end, zone) | {
        "down_seconds": outage.lasted(now).total_seconds(),
        "cause": cause,
        "excluded": excluded,
        "reason": "; ".join(outage.reasons),
    }


@router.get("/monitors/{monitor_id:id}/outages/{seq:id}/exclude", Action.EDIT)
def ask_to_exclude(request: Request, monitor_id: int, seq: int) -> Response:
    """Ask why an outage is to count for nothing."""
    site = site_of(request)
    view = shared.find(site, monitor_id)
    return _exclude_page(request, view, _find_outage(site, view, seq))


@router.post("/monitors/{monitor_id:id}/outages/{seq:id}/exclude", Action.EDIT, redraws=True)
def exclude(request: Request, monitor_id: int, seq: int, form: Form) -> Response:
    """Leave an outage out of the availability: all of it, or while it lasts what has passed of it."""
    site, now = site_of(request), site_of(request).now()
    view = shared.find(site, monitor_id)
    outage = _find_outage(site, view, seq)
    typed = form.get("reason", "")
    try:
        shared.only_draw(request)
        reason = correction_fields.read_reason(typed)
    except Invalid as wrong:
        return _exclude_page(request, view, outage, typed=typed, problems=wrong.problems)
    end = outage.end or now
    if end > outage.start:  # else the clock was set back, and there is nothing to exclude
        corrections.exclude(site.database, view.id, started_at=outage.start, ended_at=end, reason=reason, now=now)
    site.wake()
    return RedirectResponse(f"/monitors/{view.id}?done=excluded", status_code=303)


def _find_outage(site: Site, view: View, seq: int) -> Outage:
    if seq > LARGEST_ID:
        raise NotFound(NO_OUTAGE)
    return track_record.read_outage(site.database, view.id, seq, now=site.now())


def _exclude_page(
    request: Request, view: View, outage: Outage, *, typed: str = "", problems: tuple[FieldProblem, ...] = ()
) -> Response:
    words = Words(rendering.locale_of(request), site_of(request).now())
    return rendering.page(
        request,
        "panel/exclude.html",
        status_code=422 if problems else 200,
        view=view,
        outage=outage,
        typed={"reason": typed},
        done=shared.done_of(request, {}),
        problems={each.field: words.problem(each) for each in problems},
    )


@router.post("/monitors/{monitor_id:id}/corrections/{correction_id:id}/withdraw", Action.EDIT)
def withdraw(request: Request, monitor_id: int, correction_id: int) -> Response:
    """Count the span of a correction again."""
    site = site_of(request)
    view = shared.find(site, monitor_id)
    if correction_id > LARGEST_ID:
        raise NotFound(corrections.NO_CORRECTION)
    corrections.withdraw(site.database, view.id, correction_id, now=site.now())
    site.wake()
    return RedirectResponse(f"/monitors/{view.id}?done=counted", status_code=303)
