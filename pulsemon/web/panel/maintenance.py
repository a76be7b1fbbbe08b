"""The panel's side of maintenance: list, form, and what ends, skips or removes it, each after a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core import durations, schedule
from pulsemon.core.keyset import Cursor
from pulsemon.core.maintenance import Plan, Repeats, read_weekly
from pulsemon.core.texts import N_
from pulsemon.errors import Conflict, FieldProblem, Invalid, NotFound
from pulsemon.input import maintenance as maintenance_fields
from pulsemon.input import meanwhile
from pulsemon.input.maintenance import DAYS
from pulsemon.input.meanwhile import Merged
from pulsemon.input.rules import Lists, first_of
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance import views as maintenance_views
from pulsemon.maintenance.views import MaintenanceView, WindowView
from pulsemon.web.html import rendering, schedule_words, wall_clock
from pulsemon.web.http.form_data import Form, FormLists
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import About, the_project_of
from pulsemon.web.panel import chooser, shared

router = Router(Audience.PANEL, about=About.MAINTENANCE)

PAGE_SIZE = 50
_DONE = {
    "planned": N_("The maintenance is planned. Nothing is told while it runs."),
    "saved": shared.SAVED,
    "ended": N_("The maintenance has ended. What is still down is told now."),
    "skipped": N_("This maintenance will not take place."),
    "maintenance-removed": N_("The plan is removed. What was maintenance stays so in the availability."),
}
# The form counts in minutes what the API counts in seconds.
_IN_FORM = {"length_seconds": "length_minutes"}


@router.get("/maintenance", Action.READ_INCIDENTS)
def list_page(request: Request) -> Response:
    """Answer with what is running and, fifty at a time, what is coming and what is over."""
    site, now, project_id = site_of(request), site_of(request).now(), the_project_of(request)
    query = request.query_params
    after, before = Cursor.from_text(query.get("after", "")), Cursor.from_text(query.get("before", ""))
    running = maintenance_views.list_running(site.database, now=now, project_id=project_id)
    coming, later = maintenance_views.list_coming(
        site.database, now=now, limit=PAGE_SIZE, project_id=project_id, after=after
    )
    past, earlier = maintenance_views.list_past(
        site.database, now=now, limit=PAGE_SIZE, project_id=project_id, before=before
    )
    return rendering.page(
        request,
        "panel/maintenance.html",
        running=[(view, view.running(now=now)) for view in running],
        coming=[(view, _coming(view, now)) for view in coming],
        past=past,
        after=after,
        later=later,
        before=before,
        earlier=earlier,
        sentences={view.id: _sentence(request, view.definition.plan) for view in coming},
        done=shared.done_of(request, _DONE),
    )


def _coming(view: MaintenanceView, now: datetime) -> list[WindowView]:
    return [each for each in view.windows if each.starts_at > now]


def _sentence(request: Request, plan: Plan) -> str:
    """Return how often a plan repeats; nothing for once."""
    if plan.schedule is None:
        return ""
    locale = rendering.locale_of(request)
    weekly = read_weekly(plan.schedule)
    if weekly is not None and len(weekly[0]) > 1:
        names = ", ".join(schedule_words.weekday(day, locale=locale) for day in weekly[0])
        return f"{names}, {weekly[1]:%H:%M}"
    try:
        return schedule_words.sentence(schedule.parse(plan.schedule, plan.timezone), locale=locale)
    except schedule.ScheduleError:  # a zone that the system no longer knows
        return plan.schedule


@router.get("/maintenance/new", Action.REPORT)
def new_page(request: Request) -> Response:
    """Answer with the form for new maintenance, of the monitor that `?monitor=` names if it names one."""
    slug, site = request.query_params.get("monitor", ""), site_of(request)
    timezone = site.settings.availability_timezone
    # The next full hour, and an hour of it: most are planned for later, and a time that is there is easily changed.
    begin = site.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    proposed = {
        "timezone": [timezone],
        "starts_at": [wall_clock.field_in(begin, timezone)],
        "ends_at": [wall_clock.field_in(begin + timedelta(hours=1), timezone)],
    }
    chosen = {"scope": ["chosen"], "monitor": [slug]} if slug else {"scope": ["all"]}
    return _form_page(request, None, _NEW | proposed | chosen)


_NEW: dict[str, list[str]] = {
    "repeats": ["once"],
    "length_minutes": ["1 h"],
    "announce_hours": ["7 d"],
    "tell_subscribers": ["yes"],
}


# What an unticked box does not send.
_UNTICKED: dict[str, list[str]] = {"tell_subscribers": []}


@router.post("/maintenance", Action.REPORT, redraws=True)
def create(request: Request, filled: FormLists) -> Response:
    """Plan maintenance."""
    site, now = site_of(request), site_of(request).now()
    if chooser.is_search(filled):
        return _form_page(request, None, _UNTICKED | filled)
    try:
        shared.only_draw(request)
        given = maintenance_fields.from_form(_resolved(request, filled), {})
        definition = maintenance_fields.to_definition(given, None, now=now)
        view = maintenance.create(site.database, definition, now=now, project_id=the_project_of(request))
    except Invalid as wrong:
        return _form_page(request, None, _UNTICKED | filled, wrong.problems)
    site.wake()
    return _to(view.id, "planned")


@router.get("/maintenance/{maintenance_id}", Action.READ_INCIDENTS)
def plan_page(request: Request, maintenance_id: str) -> Response:
    """Answer with one plan: when there is maintenance."""
    view = _view(request, maintenance_id)
    return _form_page(request, view, fields_of(view), here="when")


@router.get("/maintenance/{maintenance_id}/settings", Action.REPORT)
def plan_settings(request: Request, maintenance_id: str) -> Response:
    """Answer with its form."""
    view = _view(request, maintenance_id)
    return _form_page(request, view, fields_of(view))


@router.post("/maintenance/{maintenance_id}", Action.REPORT, redraws=True)
def edit(request: Request, maintenance_id: str, filled: FormLists) -> Response:
    """Change what was changed in the form."""
    site, now = site_of(request), site_of(request).now()
    view = _view(request, maintenance_id)
    shown = fields_of(view)
    merged = _merged(filled, shown)
    meant = _meant(filled, merged)
    try:
        merged.require_no_clash(shown, places={"scope": "monitors", "monitor": "monitors"})
        chooser.only_search(filled)
        shared.only_draw(request)
        given = maintenance_fields.from_form(_resolved(request, meant), shown)
        maintenance.edit(
            site.database,
            view.id,
            lambda before: maintenance_fields.to_definition(given, before.definition, now=now),
            now=now,
        )
    except Invalid as wrong:
        return _form_page(request, view, meant, wrong.problems)
    except Conflict as refused:
        return _form_page(request, view, meant, (shared.refused("", refused),))
    site.wake()
    return _to(view.id, "saved")


def _merged(filled: Lists, shown: Lists) -> Merged:
    """Return what the form means; who else changed the choice of monitors does not matter where it is everything."""
    merged = meanwhile.merge(
        filled,
        shown,
        essence=maintenance_fields.essence,
        boxes=maintenance_fields.BOXES,
        together=maintenance_fields.WHEN,
    )
    if first_of(filled, "scope") != maintenance_fields.ALL:
        return merged
    return replace(merged, clashes=tuple(each for each in merged.clashes if each != "monitor"))


def _meant(filled: Lists, merged: Merged) -> dict[str, Sequence[str]]:
    """Return the form with what it leaves as it is; the scope is none of that where monitors are named without it."""
    meant = dict(filled) | merged.texts
    return meant if "scope" in filled or not chooser.names_some(filled) else meant | {"scope": []}


@router.get("/maintenance/{maintenance_id}/end", Action.REPORT)
def confirm_end(request: Request, maintenance_id: str) -> Response:
    """Say what is told once it has ended."""
    view = _view(request, maintenance_id)
    running = view.running(now=site_of(request).now())
    if running is None:
        raise Conflict("maintenance-not-running")
    return rendering.page(request, "panel/maintenance_question.html", question="end", view=view, window=running)


@router.post("/maintenance/{maintenance_id}/end", Action.REPORT)
def end(request: Request, maintenance_id: str) -> Response:
    """End what is running."""
    site = site_of(request)
    maintenance.end_now(site.database, maintenance_id, now=site.now())
    site.wake()
    return _to(maintenance_id, "ended")


@router.post("/maintenance/{maintenance_id}/windows/{window_id:id}", Action.REPORT, redraws=True)
def set_end(request: Request, maintenance_id: str, window_id: int, form: Form) -> Response:
    """Let what is running end at another time."""
    site, now = site_of(request), site_of(request).now()
    view = _view(request, maintenance_id)
    try:
        shared.only_draw(request)
        ends_at = maintenance_fields.instant_of(
            form.get("new_end", "").strip(), view.definition.plan.timezone, field="ends_at"
        )
        maintenance.set_end(site.database, view.id, maintenance_fields.window_number(str(window_id)), ends_at, now=now)
    except Invalid as wrong:
        problems = [replace(each, field="new_end") for each in wrong.problems]
        return _form_page(request, view, fields_of(view), problems, new_end=form.get("new_end", ""), here="when")
    site.wake()
    return _to(view.id, "saved")


@router.get("/maintenance/{maintenance_id}/windows/{window_id:id}/skip", Action.REPORT)
def confirm_skip(request: Request, maintenance_id: str, window_id: int) -> Response:
    """Say which one will not take place."""
    view = _view(request, maintenance_id)
    window = next((each for each in view.windows if each.id == window_id), None)
    if window is None:
        raise NotFound(maintenance_views.NO_WINDOW)
    return rendering.page(request, "panel/maintenance_question.html", question="skip", view=view, window=window)


@router.post("/maintenance/{maintenance_id}/windows/{window_id:id}/skip", Action.REPORT)
def skip(request: Request, maintenance_id: str, window_id: int) -> Response:
    """Cancel one coming window."""
    site = site_of(request)
    maintenance.skip(site.database, maintenance_id, maintenance_fields.window_number(str(window_id)), now=site.now())
    site.wake()
    return RedirectResponse("/maintenance?done=skipped", status_code=303)


@router.get("/maintenance/{maintenance_id}/delete", Action.REPORT)
def confirm_removal(request: Request, maintenance_id: str) -> Response:
    """Say what goes and what stays."""
    view = _view(request, maintenance_id)
    running = view.running(now=site_of(request).now())
    return rendering.page(request, "panel/maintenance_question.html", question="delete", view=view, window=running)


@router.post("/maintenance/{maintenance_id}/delete", Action.REPORT)
def remove(request: Request, maintenance_id: str) -> Response:
    """Remove the plan."""
    site = site_of(request)
    maintenance.remove(site.database, maintenance_id, now=site.now())
    site.wake()
    return RedirectResponse("/maintenance?done=maintenance-removed", status_code=303)


def _view(request: Request, maintenance_id: str) -> MaintenanceView:
    site = site_of(request)
    return maintenance_views.get(site.database, maintenance_id, now=site.now())


def fields_of(view: MaintenanceView) -> dict[str, list[str]]:
    """Return a plan as its form holds it: name of a field -> its texts."""
    definition, plan = view.definition, view.definition.plan
    weekly = read_weekly(plan.schedule) if plan.repeats is Repeats.WEEKLY else None
    is_once = plan.repeats is Repeats.ONCE
    return {
        "title": [definition.title],
        "description": [definition.description or ""],
        "scope": ["all" if definition.monitors is None else "chosen"],
        "monitor": list(definition.monitors or ()),
        "repeats": [plan.repeats.value],
        "timezone": [plan.timezone],
        "starts_at": [wall_clock.field_in(plan.starts_at, plan.timezone) if is_once else ""],
        "ends_at": [wall_clock.field_in(plan.starts_at + plan.length, plan.timezone) if is_once else ""],
        "days": [DAYS[day - 1] for day in weekly[0]] if weekly else [],
        "time": [f"{weekly[1]:%H:%M}" if weekly else ""],
        "schedule": [(plan.schedule or "") if plan.repeats is Repeats.CRON else ""],
        "length_minutes": [durations.write(int(plan.length.total_seconds()))],
        "until": ["" if plan.last_day is None else plan.last_day.isoformat()],
        "announce_hours": [durations.write(definition.announce_hours * 3_600)],
        "tell_subscribers": ["yes"] if definition.tells_subscribers else [],
    }


def _form_page(
    request: Request,
    view: MaintenanceView | None,
    lists: Lists,
    problems: Sequence[FieldProblem] = (),
    *,
    new_end: str = "",
    here: str = "settings",
) -> Response:
    site, now = site_of(request), site_of(request).now()
    typed = {name: texts[0] if texts else "" for name, texts in lists.items()}
    renamed = [replace(each, field=_IN_FORM.get(each.field, each.field)) for each in problems]
    running = None if view is None else view.running(now=now)
    if running is not None and view is not None:
        typed["new_end"] = new_end or wall_clock.field_in(running.ends_at, view.definition.plan.timezone)
    is_over = view is not None and view.definition.plan.repeats is Repeats.ONCE and not view.windows
    return rendering.page(
        request,
        "panel/maintenance_plan.html",
        status_code=shared.status_of(problems),
        stamp="" if view is None else meanwhile.stamp(fields_of(view), essence=maintenance_fields.essence),
        view=view,
        running=running,
        coming=[] if view is None else _coming(view, now),
        is_over=is_over,
        here=here,
        choice=chooser.choice_of(site, lists, project_id=the_project_of(request)) if here == "settings" else None,
        days=list(zip(DAYS, schedule_words.weekdays(locale=rendering.locale_of(request)), strict=True)),
        chosen_days=set(lists.get("days", ())),
        done=shared.done_of(request, _DONE),
        **shared.form_values(request, typed, renamed),
    )


def _to(maintenance_id: str, done: str) -> Response:
    return RedirectResponse(f"/maintenance/{maintenance_id}?done={done}", status_code=303)


def _resolved(request: Request, form: Lists) -> Lists:
    return chooser.resolved(site_of(request).database, form, project_id=the_project_of(request))
