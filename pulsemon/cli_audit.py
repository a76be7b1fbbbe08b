"""`pulsemon audit`: whether the log of who did what is whole, and a copy of it. Both only read the database."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from pulsemon import log
from pulsemon.accounts import audit_log, audit_table, projects
from pulsemon.accounts.audit_log import Filter, FoundFault
from pulsemon.db import Database
from pulsemon.settings import load
from pulsemon.web.api.audit import entry_answer

app = typer.Typer(help="Check and copy the log of who did what.", no_args_is_help=True)


@contextmanager
def _database() -> Iterator[Database]:
    settings = load()
    log.configure(level=settings.log_level.value, form=settings.log_format.value)
    url = settings.database_url.get_secret_value()
    database = Database.open_to_read(url, allow_unsafe=settings.allow_unsafe_database)
    try:
        yield database
    finally:
        database.close()


@app.command()
def verify(
    known: Annotated[
        str | None, typer.Option("--known", metavar="HASH", help="A hash that this command printed before.")
    ] = None,
) -> None:
    """Look whether an entry was changed, removed, inserted or moved; exit status 1 and where, if one was.

    Whoever can write to the database can make the whole chain anew. So note the hash that this prints at another place,
    and give it back next time: it has to be in the log still.
    """
    with _database() as database:
        report = audit_log.verify(database, known=known)
    for each in report.faults:
        print(_told(each))
    if report.holds_known is False:
        print("The hash that was given is not in the log: it was made anew, or retention has removed that entry.")
    if report.faults or report.holds_known is False:
        raise typer.Exit(1)
    print(f"Entries: {report.count}. Each follows the one before it. The newest hash: {report.newest}")


def _told(found: FoundFault) -> str:
    if found.id is None or found.at is None:
        return "The log is empty, and it was not: what stood there is missing."
    return f"Entry {found.id} of {found.at.isoformat(timespec='seconds')}: {found.fault.value}."


@app.command()
def export(
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON an entry, as in the API.")] = False,
) -> None:
    """Write the whole log to standard output, newest first: CSV for spreadsheets, or JSON."""
    with _database() as database:
        with database.read() as connection:
            slugs = {each.id: each.slug for each in projects.read(connection).entries}
        parts = audit_log.in_parts(database, Filter())
        if as_json:
            for entry in (each for part in parts for each in part):
                print(json.dumps(entry_answer(entry, slugs), separators=(",", ":")))
            return
        for text in audit_table.to_lines(parts, slugs):
            sys.stdout.write(text)
