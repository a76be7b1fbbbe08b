"""The command line: `pulsemon`, `python -m pulsemon`, `python3 run.py`."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import httpx2
import typer
import uvicorn
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from typer.core import TyperCommand, TyperGroup

from pulsemon import __version__, cli_audit, cli_people, client, clock, db, log, redaction
from pulsemon.accounts import projects
from pulsemon.channels import mailbox
from pulsemon.channels.lines import one_line
from pulsemon.channels.mail import Postman
from pulsemon.channels.message import Announcement, Delivered, Outcome
from pulsemon.channels.notices import Publisher
from pulsemon.cli_database import by_the_clock_of, call_server, open_database
from pulsemon.db import Database, audit
from pulsemon.db.audit import Actor, ActorKind
from pulsemon.errors import NO_PROJECT, InUse, NotFound, PulseMonError, StartRefused
from pulsemon.input import monitor_forms
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from pulsemon.operations.backup import back_up
from pulsemon.operations.doorway import BACKLOG
from pulsemon.server import PulseMon
from pulsemon.settings import Settings, load
from pulsemon.web.api.monitors import monitor_answer
from pulsemon.web.public import file_tree, static_copy
from pulsemon.web.wire.protocol import PingProtocol


class _Commands(TyperGroup):
    """Commands whose errors repeat no secret: a ping URL, say, typed where the name of a command belongs."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.TyperException as wrong:
            if "message" in vars(wrong):
                vars(wrong)["message"] = redaction.redact(str(vars(wrong)["message"]))
            raise


app = typer.Typer(
    cls=_Commands,
    help="PulseMon: a monitor of heartbeats with a public status page.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
monitor_app = typer.Typer(help="List, create and delete monitors.", no_args_is_help=True)
app.add_typer(monitor_app, name="monitor")
app.add_typer(cli_audit.app, name="audit")
app.add_typer(cli_people.user_app, name="user")
app.add_typer(cli_people.token_app, name="admin-token")
app.add_typer(cli_people.secrets_app, name="secrets")


def main() -> None:
    """Run the command line; what goes wrong is one line on standard error and exit status 1."""
    log.hide_what_nobody_catches()
    for stream in (sys.stdout, sys.stderr):
        # A name may hold what the terminal's encoding has not; None where somebody closed it before we began.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except PulseMonError as refused:
        print(f"PulseMon: {redaction.redact(str(refused))}", file=sys.stderr)
        raise SystemExit(1) from None
    except db.ERRORS as failed:
        print(f"PulseMon: {redaction.redact(db.trouble(failed))}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:  # whoever read us has read enough: `... | head`
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - what is left to write goes nowhere at the end
        raise SystemExit(1) from None
    except OSError as failed:
        print(f"PulseMon: {redaction.redact(str(failed))}", file=sys.stderr)
        raise SystemExit(1) from None


@app.callback(invoke_without_command=True)
def _common(version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


class _JobsCommand(TyperCommand):
    """A command whose words are read by pulsemon/client.py. Usually `__main__` goes there at once."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return []


@app.command("run", cls=_JobsCommand)
def run_job(context: typer.Context) -> None:
    """Run a command and tell a monitor that it began, how it ended and what it printed last."""
    raise SystemExit(client.main(["run", *context.args]))


@app.command("ping", cls=_JobsCommand)
def ping(context: typer.Context) -> None:
    """Send one ping to a monitor."""
    raise SystemExit(client.main(["ping", *context.args]))


@app.command()
def serve() -> None:
    """Start the server: panel, API, status page and the background work, all on APP_HOST:APP_PORT."""
    settings = load()
    listener, address = _listen(settings)
    config = uvicorn.Config(
        PulseMon(settings, address=address, listener=listener),
        http=PingProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        proxy_headers=False,  # pulsemon.web.wire.proxies reads them
        # A request that takes longer than this is cut off, so that a stop is a stop.
        timeout_graceful_shutdown=10,
    )
    # uvicorn raises the signal that stopped it once more when it is done: a stop that was asked for is a success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = uvicorn.Server(config)
    # Its small talk says nothing that ours does not say better; a refusal to start stays one line.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return
    if not server.started:
        raise SystemExit(1)


def _listen(settings: Settings) -> tuple[socket.socket, str]:
    """Take the address before anything else is touched; return the socket and the URL to tell people."""
    host, port = settings.app_host.strip("[]"), settings.app_port
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        if os.name != "nt":  # there it would let two programs take one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
    except OSError as failed:
        reason = failed.strerror or str(failed)
        raise StartRefused(f"APP_HOST {host} and APP_PORT {port} cannot be listened on: {reason}.") from None
    return listener, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@app.command()
def migrate() -> None:
    """Bring the database up to date. Refuses while a server runs on it (SQLite)."""
    with open_database(load()) as database:
        print(f"The database is up to date ({'SQLite' if database.is_sqlite else 'PostgreSQL'}).")


@app.command("check-config")
def check_config() -> None:
    """Read the environment and .env, and print what PulseMon makes of them; secrets are masked."""
    settings = load()
    for name, value in settings.model_dump(mode="json").items():
        shown = ",".join(value) if isinstance(value, list) else str(value).lower() if value in (True, False) else value
        if name == "database_url":
            shown = _without_secrets(settings.database_url.get_secret_value())
        elif isinstance(getattr(settings, name), SecretStr) and value:
            shown = "(set)"
        print(f"{name.upper()}={shown}")
    if not settings.admin_token:
        print("ADMIN_TOKEN is not set, or still the placeholder: administration is closed.", file=sys.stderr)
    if settings.mail_server is None:
        print("SMTP_HOST is not set: no mail is sent, and nobody can subscribe by e-mail.", file=sys.stderr)


async def _send_one(postman: Postman, told: Announcement, to: str, locale: str) -> Outcome:
    try:
        return await postman.send(told, to=to, token="", locale=locale, written_at=told.at)
    finally:
        await postman.close()


@app.command("test-mail")
def test_mail(address: Annotated[str, typer.Argument(help="Who gets it.")]) -> None:
    """Send one mail by SMTP_HOST, to see whether mail works; say what the mail server answered."""
    settings = load()
    server, to = settings.mail_server, mailbox.read_address(client.cleaned(address))
    if server is None:
        raise StartRefused("SMTP_HOST is not set, so no mail can be sent.")
    if to is None:
        raise StartRefused("This is no e-mail address such as ana@example.org.")
    publisher = Publisher(settings.base_url, settings.public_status_title, settings.availability_timezone)
    now = clock.now()
    told = Announcement(f"msg_{secrets.token_hex(16)}", "test", "test", now, "status", None, "")
    outcome = asyncio.run(_send_one(Postman(server, publisher), told, to, settings.default_locale.value))
    if not isinstance(outcome, Delivered):
        code = f" ({outcome.status_code})" if outcome.status_code else ""
        raise StartRefused(f"the mail was not taken: {outcome.excerpt or outcome.reason}{code}")
    print(f"The mail server took it. Whether it arrives, {to} will see.")


def _without_secrets(url: str) -> str:
    """Return a database's URL without its password, which may stand in the query too; as little as it takes else."""
    scheme = url.partition("://")[0]
    if url.count("@") > 1:  # a password that is not quoted: where it ends is anybody's guess
        return f"{scheme}://..."
    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        return f"{scheme}://..."
    return read.set(query=dict.fromkeys(sorted(read.query), "...")).render_as_string(hide_password=True)


def _not_through(path: Path) -> Path:
    """Return *path* from the root; the folder may be reached by links, what is written is none."""
    return path.parent.resolve() / path.name if path.name else path.resolve()


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")]) -> None:
    """Copy the SQLite database to FILE, checked, while the server runs or not. Only reads the database."""
    size = back_up(load().database_url.get_secret_value(), _not_through(file))
    print(f"{file}: {size} bytes, integrity checked.")


@app.command()
def snapshot(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if it is missing.")],
) -> None:
    """Write the public pages, those without a password, to DIR as files for any web server. Only reads the database."""
    settings = load()
    url = settings.database_url.get_secret_value()
    log.configure(level=settings.log_level.value, form=settings.log_format.value)
    database = Database.open_to_read(url, allow_unsafe=settings.allow_unsafe_database)
    try:
        with by_the_clock_of(database):
            files = static_copy.make_files(database, settings, now=clock.now())
    finally:
        database.close()
    file_tree.replace_files(_not_through(folder), files)
    print(f"{folder}: {len(files)} files.")


@monitor_app.command("list")
def list_monitors(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; times as in the API.")] = False,
    project: Annotated[str | None, typer.Option(help="Of the project with this slug alone.")] = None,
) -> None:
    """List all monitors, in the order of their creation."""

    def directly(database: Database) -> list[dict[str, Any]]:
        found, _ = monitors.list_all(database, project_id=_project_id(database, project))
        return [_answer(view) for view in found]

    asked = "" if project is None else f"?{urlencode({'project': client.cleaned(project)})}"
    answers = _through(directly, lambda api: api("GET", f"/api/monitors{asked}").json())
    found = [_summary(each) for each in answers]
    if as_json:
        is_utf_8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        print(json.dumps(found, ensure_ascii=not is_utf_8, indent=2))
        return
    for each in found:
        print(f"{each['status']:8} {each['slug']:30} {each['last_ping'] or '-':24}  {one_line(each['name'], 200)}")


@monitor_app.command("create")
def create_monitor(
    name: Annotated[str, typer.Argument(help="What people read.")],
    interval: Annotated[int, typer.Option(help="Seconds between pings.")],
    grace: Annotated[int, typer.Option(help="Seconds a ping may be late.")] = 0,
    slug: Annotated[str | None, typer.Option(help="Part of the ping URL; made from the name if left out.")] = None,
    webhook_url: Annotated[str | None, typer.Option(help="Told of UP -> DOWN and DOWN -> UP.")] = None,
    project: Annotated[str | None, typer.Option(help="In the project with this slug; `default` if left out.")] = None,
) -> None:
    """Create a monitor and print the path of its ping URL."""
    body = {
        "name": name,
        "slug": client.cleaned(slug or "") or monitor_forms.slugify(name),
        "interval_seconds": interval,
        "grace_seconds": grace,
        "webhook_url": client.cleaned(webhook_url or "") or None,
        "project": None if project is None else client.cleaned(project),
    }
    new = monitor_forms.create_from_json(body)

    def directly(database: Database) -> dict[str, Any]:
        project_id = _project_id(database, project) or projects.DEFAULT_ID
        return _answer(monitors.create(database, new, now=clock.now(), project_id=project_id))

    made = _through(directly, lambda api: api("POST", "/api/monitors", body).json())
    print(_summary(made)["ping_path"])


@monitor_app.command("delete")
def delete_monitor(
    slug: Annotated[str, typer.Argument(help="The monitor's slug.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a monitor with its pings, history and unsent messages."""
    slug = client.cleaned(slug)
    if not yes:
        typer.confirm(f"Delete {slug!r} with its pings, history and unsent messages?", abort=True)
    _through(
        lambda database: monitors.remove(database, monitors.by_slug(slug)),
        lambda api: api(
            "DELETE", f"/api/monitors/{httpx2.URL('http://x').copy_with(path='/' + slug).raw_path.decode()[1:]}"
        ),
    )
    print(f"Deleted {slug}.")


def _project_id(database: Database, slug: str | None) -> int | None:
    """Return the id of the project that was named, None where none was. Raises NotFound."""
    if slug is None:
        return None
    with database.read() as connection:
        found = projects.read(connection).of_slug(client.cleaned(slug))
    if found is None:
        raise NotFound(NO_PROJECT)
    return found.id


def _answer(view: View) -> dict[str, Any]:
    return monitor_answer(view, origin="", project="", now=clock.now())


def _summary(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what is printed of a monitor that the API answers with."""
    names = ("name", "slug", "interval_seconds", "grace_seconds", "status", "last_ping")
    return {name: answer[name] for name in names} | {"ping_path": monitors.ping_path(answer["slug"], answer["token"])}


def _through(directly: Callable[[Database], Any], by_api: Callable[[Callable[..., httpx2.Response]], Any]) -> Any:
    """Work on the database itself, or through the API of the server that holds it."""
    settings = load()
    try:
        with open_database(settings) as database, audit.acting(Actor(ActorKind.MACHINE, "", clock.now())):
            return directly(database)
    except InUse:
        return by_api(_api(settings))


def _api(settings: Settings) -> Callable[..., httpx2.Response]:
    def call(method: str, path: str, body: Any = None) -> httpx2.Response:
        if not settings.admin_token:
            raise StartRefused("The server runs, and talking to it takes ADMIN_TOKEN, which is not set here.")
        token = settings.admin_token.get_secret_value().encode()  # letters with accents too
        return call_server(settings, method, path, body, {b"X-Admin-Token": token})

    return call
