"""Public pages: create, read, edit, delete, their logos and the monitors chosen for them.

Input arrives validated (`input.status_pages`); what is checked here is what only the database knows. Each function is
one transaction. What a page shows is `status_pages.public`'s business.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute

from pulsemon.core import images, keyset, passwords, placement, schedule
from pulsemon.core.addresses import MAIN
from pulsemon.core.edits import KEPT, given
from pulsemon.core.placement import Move, Outcome, Seat
from pulsemon.core.texts import N_
from pulsemon.db import Database, audit, page_rows, placements, projects
from pulsemon.db.tables.monitors import Monitor, PlacementRow
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.db.tables.status_pages import PageLogo, PageMonitor, StatusPage
from pulsemon.db.types import is_among, is_exactly
from pulsemon.db.upsert import upsert
from pulsemon.db.versions import renew_version
from pulsemon.errors import NO_PAGE, Conflict, FieldProblem, Invalid, NotFound
from pulsemon.monitors import lookup
from pulsemon.monitors import order as monitor_order
from pulsemon.monitors.order import Section
from pulsemon.status_pages.definition import NewPage, PageChanges, PageView

# Addresses below `/status`; a page that was called so before goes on.
RESERVED = frozenset({"history", "subscribe"})
SLUG_RESERVED = N_("This address is kept for PulseMon's own pages. Choose another slug.")
LOGO_TOO_LARGE = N_("A logo may have at most 256 kB.")
LOGO_UNKNOWN = N_("This is no PNG, JPEG or WebP picture. SVG is not taken, because it can hold scripts.")


def list_all(
    database: Database, *, project_id: int | None = None, limit: int | None = None, after: int | None = None
) -> tuple[list[PageView], int | None]:
    """Return pages, `/status` first, the others in the order of their creation, and after which the next part begins.

    *project_id*: those of a project; None: of all. `/status` is the first project's, and goes by the key 0, for its row
    may be younger than another page's.
    """
    query = select(StatusPage.__table__).where(StatusPage.slug != MAIN).order_by(StatusPage.id)
    if project_id is not None:
        query = query.where(StatusPage.project_id == project_id)
    has_main = after is None and project_id in (None, DEFAULT_ID)
    if after is not None:
        query = query.where(StatusPage.id > after)
    with database.read() as connection:
        found = [_find(connection, MAIN)] if has_main else []
        rows = connection.execute(query.limit(keyset.one_more(limit))).all()
        chosen = _chosen(connection, [row.id for row in rows])
    found += [_view(row, chosen) for row in rows]
    return keyset.cut(found, limit, lambda view: 0 if view.slug == MAIN else view.id)


def time_zones(database: Database) -> set[str]:
    """Return the time zones that pages name of their own."""
    with database.read() as connection:
        names = set(connection.scalars(select(StatusPage.timezone).distinct()))
    return names & schedule.zone_names()


def get(database: Database, slug: str) -> PageView:
    """Return one page. Raises NotFound."""
    with database.read() as connection:
        return _find(connection, slug)


def _find(connection: Connection, slug: str) -> PageView:
    row = connection.execute(select(StatusPage.__table__).where(is_exactly(StatusPage.slug, slug))).first()
    if row is not None:
        return _view(row, _chosen(connection, [row.id]))
    if slug == MAIN:
        return PageView()
    raise NotFound(NO_PAGE)


def _chosen(connection: Connection, page_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return page id -> the slugs of its chosen monitors in their order."""
    found: dict[int, list[str]] = {}
    if page_ids:
        query = (
            select(PageMonitor.page_id, Monitor.slug)
            .join(Monitor, Monitor.id == PageMonitor.monitor_id)
            .where(is_among(PageMonitor.page_id, page_ids))
            .order_by(PageMonitor.page_id, PageMonitor.place, Monitor.id)
        )
        for page_id, slug in connection.execute(query):
            found.setdefault(page_id, []).append(slug)
    return found


def _view(row: Any, chosen: Mapping[int, list[str]]) -> PageView:
    return PageView(
        id=row.id,
        slug=row.slug,
        title=row.title,
        description=row.description,
        footer=row.footer,
        accent=row.accent,
        timezone=row.timezone or None,
        language=row.language,
        has_password=row.password_hash is not None,
        host=row.host,
        monitors=tuple(chosen.get(row.id, ())) if row.is_chosen else None,
        logo_digest=row.logo_digest,
        created_at=row.created_at,
        updated_at=row.updated_at,
        project_id=row.project_id,
    )


def create(database: Database, new: NewPage, *, now: datetime, project_id: int = DEFAULT_ID) -> PageView:
    """Make a page of a project.

    Raises:
        Conflict: the slug or the host name is taken, by whatever project.
        Invalid: a chosen monitor does not exist in the project, or the slug is reserved.
    """
    with database.write() as connection:
        if new.slug == MAIN:
            raise Conflict("page-slug-taken")
        _must_not_be_reserved(new.slug)
        made = _insert(connection, new, project_id, now)
        _note(connection, "page.create", made, after=_facts(made))
        return made


def edit(database: Database, slug: str, changes: PageChanges, *, now: datetime) -> PageView:
    """Change a page; see `create`.

    Raises:
        NotFound: there is no such page.
        Conflict: the new slug or host name is taken, or the page is `/status` and was to get a slug.
        Invalid: a chosen monitor does not exist in the page's project.
    """
    new_slug = slug if changes.slug is KEPT else changes.slug
    with database.write() as connection:
        before = _find(connection, slug)
        if slug == MAIN != new_slug:
            raise Conflict("main-page-stays")
        if new_slug == MAIN != slug:
            raise Conflict("page-slug-taken")
        if new_slug != slug:
            _must_not_be_reserved(new_slug)
        said = given(changes)
        after = _change(connection, before, said, now) if before.id else _insert_main(connection, now, **said)
        old, changed = audit.difference(_facts(before), _facts(after))
        if "password" in said:
            changed |= {"password": None if said["password"] is None else audit.CHANGED}
        if changed:
            _note(connection, "page.edit", after, before=old, after=changed)
        return after


def _change(connection: Connection, before: PageView, said: Mapping[str, Any], now: datetime) -> PageView:
    columns = _columns(said)
    with _unless_taken(connection, columns, own=before.id):
        this = update(StatusPage).where(StatusPage.id == before.id)
        connection.execute(this.values(columns | {"updated_at": now}))
    if "monitors" in said:
        _choose(connection, before.id, _ids_of(connection, said["monitors"], before.project_id))
    renew_version(connection)
    return _find(connection, said.get("slug", before.slug))


def _facts(page: PageView) -> dict[str, Any]:
    """Return what is noted of a page where somebody changes it: no password, and no logo."""
    left_out = ("id", "has_password", "logo_digest", "created_at", "updated_at", "project_id")
    return {name: value for name, value in asdict(page).items() if name not in left_out}


def _note(connection: Connection, action: str, page: PageView, **facts: Mapping[str, Any]) -> None:
    audit.note(connection, action, page.slug, project_id=page.project_id, **facts)


def _ids_of(connection: Connection, slugs: Sequence[str] | None, project_id: int) -> list[int]:
    return lookup.ids_of(connection, slugs or (), project_id=project_id)


def _must_not_be_reserved(slug: str) -> None:
    if slug in RESERVED:
        raise Invalid((FieldProblem("slug", "slug-reserved", SLUG_RESERVED),))


def _insert_main(connection: Connection, now: datetime, **said: Any) -> PageView:
    """Give `/status`, which nobody edited yet, a row."""
    return _insert(connection, NewPage(**said | {"slug": MAIN}), DEFAULT_ID, now)


def _insert(connection: Connection, new: NewPage, project_id: int, now: datetime) -> PageView:
    projects.hold(connection, project_id)
    columns = _columns(asdict(new)) | {"project_id": project_id}
    with _unless_taken(connection, columns, own=0):
        page_id = page_rows.add(connection, columns, now=now)
    if new.monitors is not None:
        _choose(connection, page_id, _ids_of(connection, new.monitors, project_id))
    renew_version(connection)
    return _find(connection, new.slug)


def _columns(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that hold what is said of a page, by the names of `NewPage`."""
    columns = {name: value for name, value in said.items() if name not in ("password", "monitors")}
    if "timezone" in said:
        columns["timezone"] = said["timezone"] or ""
    if "monitors" in said:
        columns["is_chosen"] = said["monitors"] is not None
    if "password" in said:
        password = said["password"]
        kept = None if password is None else passwords.keep(password, secrets.token_bytes(passwords.SALT_BYTES))
        columns["password_hash"] = kept
    return columns


@contextmanager
def _unless_taken(connection: Connection, columns: Mapping[str, Any], *, own: int) -> Iterator[None]:
    """Write *columns* of the page *own* inside of this. Raises Conflict: another page has the slug or the host name."""
    if _is_taken(connection, StatusPage.host, columns, own):
        raise Conflict("page-host-taken")
    if _is_taken(connection, StatusPage.slug, columns, own):
        raise Conflict("page-slug-taken")
    try:
        yield
    except IntegrityError:  # another node was faster
        raise Conflict("page-slug-taken") from None


def _is_taken(connection: Connection, column: InstrumentedAttribute[Any], columns: Mapping[str, Any], own: int) -> bool:
    wanted = columns.get(column.key)
    others = select(StatusPage.id).where(column == wanted, StatusPage.id != own)
    return wanted is not None and connection.scalar(others) is not None


def _choose(connection: Connection, page_id: int, ids: Sequence[int]) -> None:
    connection.execute(delete(PageMonitor).where(PageMonitor.page_id == page_id))
    rows = [{"page_id": page_id, "monitor_id": each, "place": place} for place, each in enumerate(ids, 1)]
    if rows:
        connection.execute(insert(PageMonitor), rows)


def sections(database: Database, slug: str, *, opened: str | None, start: int) -> list[Section]:
    """Return the groups of a page's chosen monitors; see `monitors.order.read_sections`. Raises NotFound."""
    with database.read() as connection:
        page_id = _find(connection, slug).id
        named = lookup.select_named().join(PageMonitor, PageMonitor.monitor_id == Monitor.id)
        of_page = named.where(PageMonitor.page_id == page_id)
        return monitor_order.read_sections(connection, of_page, PageMonitor.place, opened=opened, start=start)


def begin_choice(database: Database, slug: str, *, now: datetime) -> Outcome:
    """Have a page that shows all public monitors show them as a choice that can be changed; a choice stays as it is.

    Raises NotFound.
    """
    public = select(Monitor.id).outerjoin(PlacementRow, placements.OF_MONITOR).where(placements.IS_PUBLIC)
    with database.write() as connection:
        page = _find(connection, slug)
        if page.monitors is not None:
            return Outcome.UNMOVED
        if not page.id:
            page = _insert_main(connection, now)
        query = public.where(Monitor.project_id == page.project_id)
        ids = connection.scalars(query.order_by(placements.POSITION, Monitor.id)).all()
        values = {"is_chosen": True, "updated_at": now}
        connection.execute(update(StatusPage).where(StatusPage.id == page.id).values(values))
        _choose(connection, page.id, ids)
        _note(connection, "page.monitors", page, after={"monitors": _slugs_of(connection, ids)})
        renew_version(connection)
        return Outcome.MOVED


def _slugs_of(connection: Connection, ids: Sequence[int]) -> list[str]:
    """Return the slugs of these monitors, in this order."""
    query = select(Monitor.id, Monitor.slug).where(is_among(Monitor.id, ids))
    slugs = {row.id: row.slug for row in connection.execute(query)}
    return [slugs[each] for each in ids if each in slugs]


def add_monitors(database: Database, slug: str, slugs: Sequence[str]) -> Outcome:
    """Put these monitors behind those that are chosen for a page; one that is there already stays where it is.

    Raises:
        NotFound: there is no such page.
        Invalid: there is no such monitor in the page's project.
    """
    with database.read() as connection:
        ids = _ids_of(connection, slugs, _find(connection, slug).project_id)
    adding = placement.of_monitors(ids, lambda seats: list(dict.fromkeys([*(each.id for each in seats), *ids])))
    return rearrange(database, slug, adding)


def rearrange(database: Database, slug: str, move: Move) -> Outcome:
    """Store the order, or the choice, that *move* makes of the page's chosen monitors, where that is another one.

    Of a page that shows all public monitors nothing is there to be moved. Raises NotFound.
    """
    query = (
        select(PageMonitor.monitor_id, PlacementRow.group_name)
        .outerjoin(PlacementRow, PlacementRow.monitor_id == PageMonitor.monitor_id)
        .order_by(PageMonitor.place, PageMonitor.monitor_id)
    )
    with database.write() as connection:
        page = _find(connection, slug)
        if page.monitors is None:
            return Outcome.GONE
        seats = [Seat(*row) for row in connection.execute(query.where(PageMonitor.page_id == page.id))]
        known = set(connection.scalars(select(Monitor.id).where(Monitor.project_id == page.project_id)))
        order = [each for each in move.decide(seats) if each in known]
        outcome = move.outcome(seats, order)
        if outcome is Outcome.MOVED:
            _choose(connection, page.id, order)
            chosen = {"monitors": _slugs_of(connection, order)}
            _note(connection, "page.monitors", page, before={"monitors": page.monitors}, after=chosen)
            renew_version(connection)
        return outcome


def remove(database: Database, slug: str) -> None:
    """Delete a page; its monitors stay. Raises NotFound, or Conflict for the page at `/status`."""
    with database.write() as connection:
        page = _find(connection, slug)
        if slug == MAIN:
            raise Conflict("main-page-stays")
        connection.execute(delete(StatusPage).where(StatusPage.id == page.id))
        _note(connection, "page.delete", page, before=_facts(page))
        renew_version(connection)


def check_logo(content: bytes) -> str:
    """Return the media type of a picture that may be a logo. Raises Invalid with the field `logo`."""
    if len(content) > images.MAX_LOGO_BYTES:
        raise Invalid((FieldProblem("logo", "logo-too-large", LOGO_TOO_LARGE),))
    media_type = images.media_type(content)
    if media_type is None:
        raise Invalid((FieldProblem("logo", "logo-unknown", LOGO_UNKNOWN),))
    return media_type


def save_logo(database: Database, slug: str, content: bytes | None, *, now: datetime) -> PageView:
    """Give a page this logo, or none. Raises NotFound, and Invalid as `check_logo` does."""
    media_type = None if content is None else check_logo(content)
    with database.write() as connection:
        page = _find(connection, slug)
        if not page.id:
            page = _insert_main(connection, now)
        digest = None if content is None else hashlib.sha256(content).hexdigest()[:16]
        changes = {"logo_digest": digest, "updated_at": now}
        connection.execute(update(StatusPage).where(StatusPage.id == page.id).values(changes))
        if content is None:
            connection.execute(delete(PageLogo).where(PageLogo.page_id == page.id))
        else:
            row = {"page_id": page.id, "media_type": media_type, "content": content}
            upsert(connection, PageLogo, "page_id", row)
        _note(connection, "page.logo", page, before={"logo": page.logo_digest}, after={"logo": digest})
        renew_version(connection)
        return _find(connection, slug)


def logo(database: Database, slug: str) -> tuple[str, bytes]:
    """Return the media type and the bytes of a page's logo. Raises NotFound: no such page, or it has none."""
    query = select(PageLogo.media_type, PageLogo.content).join(StatusPage).where(is_exactly(StatusPage.slug, slug))
    with database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise NotFound("This page has no logo.")
    return row.media_type, bytes(row.content)


def leave(connection: Connection, monitor_id: int) -> None:
    """Take a monitor out of the choice of every page: it goes to another project."""
    connection.execute(delete(PageMonitor).where(PageMonitor.monitor_id == monitor_id))
