"""Commands about users, the admin token and sealed secrets, for whoever stands at the machine.

They work on the database itself, or through the API of the server that holds it: they show that server by the key that
seals secrets that they have the machine (`web.http.machine_proof`), so neither a user nor the admin token is needed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

import httpx2
import typer

from pulsemon import client, clock, vault
from pulsemon.accounts import admin_token, factors, links, passwords, users
from pulsemon.accounts.users import NewUser, UserChanges, UserView
from pulsemon.channels.lines import one_line
from pulsemon.cli_database import call_server, open_database
from pulsemon.db import Database, audit
from pulsemon.db.audit import Actor, ActorKind
from pulsemon.errors import InUse, Invalid, NotFound, StartRefused
from pulsemon.input import accounts as account_fields
from pulsemon.settings import Settings, load
from pulsemon.web.api.users import user_answer
from pulsemon.web.http import machine_proof

user_app = typer.Typer(help="Create users, and help those who cannot log in.", no_args_is_help=True)
token_app = typer.Typer(help="Switch the admin token off and on.", no_args_is_help=True)
secrets_app = typer.Typer(help="The keys that secrets are sealed with.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The user's e-mail address.")]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Call = Callable[..., httpx2.Response]


@user_app.command("create")
def create(
    email: Email,
    name: Annotated[str, typer.Option(help="As others are shown the user.")] = "",
    owner: Annotated[bool, typer.Option("--owner", help="May do everything, in every project.")] = False,
    password_stdin: FromInput = False,
) -> None:
    """Create a user and print the link of the invitation; with a password there is none."""
    body: dict[str, Any] = {"email": client.cleaned(email), "name": name, "owner": owner}
    if password_stdin:
        body["password"] = _typed_password()
    asked = account_fields.user_from_json(body)

    def directly(database: Database) -> Any:
        kept = None if asked.password is None else passwords.keep(asked.password)
        new = NewUser(asked.email, asked.email_key, asked.name, kept, asked.is_owner)
        made, token = users.create(database, new, now=clock.now())
        url = None if token is None else links.path_of(links.LinkKind.INVITATION, token)
        return user_answer(made) | {"invitation_url": url}

    made = _through(directly, lambda call: call("POST", "/api/users", body).json())
    print(f"Created {made['email']}.")
    if made.get("invitation_url"):
        print(f"Within 7 days a password can be chosen at {_whole(made['invitation_url'])}")


@user_app.command("list")
def list_users() -> None:
    """List all users, in the order of their creation."""
    found = _through(
        lambda database: [user_answer(each) for each in users.list_all(database)[0]],
        lambda call: call("GET", "/api/users").json(),
    )
    for each in found:
        words = [word for word in ("owner", "disabled", "invited") if each[word]]
        words += ["second factor"] if each["second_factor"] else []
        print(f"{each['email']:40} {', '.join(words) or '-':30} {one_line(each['name'], 100)}")


@user_app.command("reset-password")
def reset_password(email: Email, password_stdin: FromInput = False) -> None:
    """Print a link by which the user sets a new password within an hour, or set the one of standard input."""
    key = _key(email)
    if password_stdin:
        _set_password(key, _typed_password())
        print("The password is set. All sessions of the user have ended.")
        return

    def directly(database: Database) -> str:
        _, kind, token = users.invite_again(database, users.by_email(database, key).id, now=clock.now())
        return links.path_of(kind, token)

    url = _through(directly, lambda call: call("POST", f"{_address(call, key)}/link").json()["url"])
    print(_whole(url))


def _set_password(key: str, password: str) -> None:
    if (code := passwords.problem_of(password)) is not None:
        raise Invalid((account_fields.RULES.problem("password", code),))

    def directly(database: Database) -> None:
        kept = passwords.keep(password)
        users.give_password(database, users.by_email(database, key).id, kept, now=clock.now())

    _through(directly, lambda call: call("PUT", f"{_address(call, key)}/password", {"password": password}))


@user_app.command("reset-factor")
def reset_factor(email: Email) -> None:
    """Take away the user's second factor and recovery codes."""
    key = _key(email)
    _through(
        lambda database: factors.remove(database, users.by_email(database, key).row_id),
        lambda call: call("DELETE", f"{_address(call, key)}/second-factor"),
    )
    print("The second factor is off.")


@user_app.command("owner")
def owner(email: Email, off: Annotated[bool, typer.Option("--off", help="An owner no more.")] = False) -> None:
    """Make a user an owner of the installation, or no owner any more."""
    _edit(email, {"owner": not off})
    print("No owner any more." if off else "An owner now.")


@user_app.command("disable")
def disable(
    email: Email,
    keep_keys: Annotated[bool, typer.Option("--keep-keys", help="The keys that the user made go on.")] = False,
) -> None:
    """Keep a user from logging in; sessions end at once."""
    _edit(email, {"disabled": True, "keep_keys": keep_keys})
    print("Disabled. All sessions have ended.")


@user_app.command("enable")
def enable(email: Email) -> None:
    """Let a user who was disabled log in again."""
    _edit(email, {"disabled": False})
    print("Enabled.")


def _edit(email: str, body: dict[str, Any]) -> None:
    key, asked = _key(email), account_fields.changes_from_json(body)

    def directly(database: Database) -> UserView:
        changes: UserChanges = asked.changes
        user = users.by_email(database, key)
        return users.edit(database, user.id, changes, keeps_keys=asked.keeps_keys, now=clock.now())

    _through(directly, lambda call: call("PATCH", _address(call, key), body))


@token_app.command("on")
def token_on() -> None:
    """Have the admin token open everything again."""
    _switch(on=True)


@token_app.command("off")
def token_off() -> None:
    """Have it open nothing; refused while no owner has a second factor."""
    _switch(on=False)


def _switch(*, on: bool) -> None:
    _through(
        lambda database: admin_token.switch(database, on=on),
        lambda call: call("PUT", "/api/admin-token", {"on": on}),
    )
    print("The admin token opens everything." if on else "The admin token opens nothing.")


@secrets_app.command("rotate")
def rotate() -> None:
    """Seal every secret with the first key of SECRETS_KEY, or that of the key file. Stop a server on SQLite before."""
    settings = load()
    with open_database(settings) as database:
        found = vault.open_vault(
            database,
            secrets_key=settings.secrets_key.get_secret_value(),
            database_url=settings.database_url.get_secret_value(),
        )
        if not found.keys:
            raise StartRefused(found.warning or "there is no key.")
        done, lost = factors.seal_anew(database, found)
        vault.note_key(database, found)
    print(f"Sealed anew: {done}. Cannot be opened, and kept as they are: {lost}.")


@secrets_app.command("new-key")
def new_key() -> None:
    """Print a new key for SECRETS_KEY."""
    print(vault.make_key())


def _typed_password() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _key(email: str) -> str:
    key = account_fields.key_of(client.cleaned(email))
    if not key:
        raise StartRefused("This is no e-mail address such as ana@example.org.")
    return key


def _address(call: Call, key: str) -> str:
    """Return the path of the user with this address, of a server that is asked."""
    for each in call("GET", "/api/users").json():
        if account_fields.key_of(each["email"]) == key:
            return f"/api/users/{quote(each['id'], safe='')}"
    raise NotFound("There is no such user.")


def _whole(url: str) -> str:
    """Return the address of a link with where people reach PulseMon, as far as that is known."""
    settings = load()
    if url.startswith("/"):
        return f"{settings.base_url or f'http://localhost:{settings.app_port}'}{url}"
    return url


def _through(directly: Callable[[Database], Any], by_server: Callable[[Call], Any]) -> Any:
    """Work on the database itself, noted as done at the machine, or through the server that holds it."""
    settings = load()
    try:
        with (
            open_database(settings) as database,
            audit.acting(Actor(ActorKind.MACHINE, "", clock.now())),
        ):
            return directly(database)
    except InUse:
        return by_server(_server(settings))


def _server(settings: Settings) -> Call:
    secret = _machine_secret(settings)

    def call(method: str, path: str, body: Any = None) -> httpx2.Response:
        proof = machine_proof.make(secret, method, path, now=clock.now())
        return call_server(settings, method, path, body, {machine_proof.HEADER.encode(): proof.encode()})

    return call


def _machine_secret(settings: Settings) -> str:
    """Return what shows the server that holds the database that this is its machine. Raises StartRefused."""
    url = settings.database_url.get_secret_value()
    found = vault.at_the_machine(secrets_key=settings.secrets_key.get_secret_value(), database_url=url)
    if not found.keys:
        raise StartRefused(
            "The server holds the database, and only who can read SECRETS_KEY or the key file may go through it. "
            "Run this as the server's user and in its environment, or stop the server first."
        )
    return found.derive(machine_proof.PURPOSE)
