"""Keys: shown once, found by a hash, opening no more than their maker may; two alive while one is rotated."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from pulsemon.accounts import keys, ping_keys
from pulsemon.accounts.keys import Found, Kind, MadeKey, NewKey, Refusal, Use
from pulsemon.accounts.projects import DEFAULT_ID
from pulsemon.accounts.roles import NOBODY, OWNER_BY_SESSION, OWNER_BY_TOKEN, Principal, Proof, Role, Scope
from pulsemon.db import Database
from pulsemon.db.audit import Actor, ActorKind, acting
from pulsemon.db.tables.accounts import ApiKey, User
from pulsemon.db.tables.audit import AuditEntry
from pulsemon.errors import Conflict, Forbidden, NotFound
from tests.arrange import START, a_key, a_member, a_project, a_user, rows
from tests.conftest import at

NOW = START
HERE, ELSEWHERE = DEFAULT_ID, 2


def a_new(*scopes: Scope, project_id: int | None = HERE, **fields: Any) -> NewKey:
    return NewKey("Grafana", frozenset(scopes or {Scope.READ}), project_id, **fields)


def made(database: Database, new: NewKey | None = None, *, maker: Principal = OWNER_BY_TOKEN) -> MadeKey:
    return keys.create(database, new or a_new(), maker=maker, made_by="admin-token", now=NOW)


def found(database: Database, secret: str, *, now: datetime = NOW) -> Found | Refusal:
    return keys.find(database, secret, now=now)


def member(role: Role, user_id: int = 1) -> Principal:
    return Principal(is_owner=False, proof=Proof.SESSION, user_id=user_id, roles={HERE: role})


def a_key_of(*scopes: Scope, project_id: int | None = HERE, public_id: str = "") -> Principal:
    scopes_of = frozenset(scopes)
    return Principal(is_owner=False, proof=Proof.KEY, scopes=scopes_of, project_id=project_id, public_id=public_id)


def test_a_key_lets_in_what_it_was_made_for_and_only_its_hash_is_kept(database: Database) -> None:
    key = made(database, a_new(Scope.READ, Scope.INCIDENTS))

    assert len(key.secret) == 46
    assert key.secret.startswith(key.view.beginning)
    (row,) = rows(database, ApiKey)
    assert key.secret not in str(row)
    assert found(database, key.secret) == Found(
        row.id,
        replace(a_key_of(Scope.READ, Scope.INCIDENTS), public_id=key.view.public_id, name="Grafana"),
    )
    assert keys.get(database, key.view.public_id, project_id=HERE) == key.view
    assert key.view.scopes == (Scope.READ, Scope.INCIDENTS)


def test_what_is_no_key_or_one_of_another_kind_is_wrong(database: Database) -> None:
    key = made(database)
    screen = made(database, a_new(kind=Kind.SCREEN))

    for secret in ("", "pm_", key.secret[:-1], key.secret.swapcase(), "pm_" + "\ud800" * 43, screen.secret):
        assert found(database, secret) is Refusal.WRONG, secret
    assert keys.find(database, key.secret, kinds=frozenset({Kind.SCREEN}), now=NOW) is Refusal.WRONG
    assert isinstance(keys.find(database, screen.secret, kinds=frozenset({Kind.SCREEN}), now=NOW), Found)


def test_a_key_for_clients_that_take_no_other_has_32_characters(database: Database) -> None:
    key = made(database, a_new(kind=Kind.SHORT))

    assert len(key.secret) == 32
    assert keys.looks_like_one(key.secret)
    assert isinstance(found(database, key.secret), Found)


def test_a_key_that_is_over_says_which_way(database: Database) -> None:
    ends_at = at("11:00")
    expiring, revoked = made(database, a_new(expires_at=ends_at)), made(database, a_new(expires_at=ends_at))
    keys.revoke(database, revoked.view.public_id, project_id=None, now=NOW)

    assert isinstance(found(database, expiring.secret, now=ends_at - timedelta(microseconds=1)), Found)
    assert found(database, expiring.secret, now=ends_at) is Refusal.EXPIRED
    assert found(database, revoked.secret) is Refusal.REVOKED
    assert found(database, revoked.secret, now=ends_at) is Refusal.REVOKED


def test_a_revoked_key_is_not_there_any_more_and_an_expired_one_is(database: Database) -> None:
    expired, revoked = made(database, a_new(expires_at=at("10:30"))), made(database)
    keys.revoke(database, revoked.view.public_id, project_id=HERE, now=NOW)

    assert keys.list_of(database, project_id=None)[0] == [expired.view]
    with pytest.raises(NotFound):
        keys.get(database, revoked.view.public_id, project_id=None)
    with pytest.raises(NotFound):
        keys.revoke(database, revoked.view.public_id, project_id=None, now=NOW)


def test_keys_of_another_project_and_of_all_are_as_good_as_missing(database: Database) -> None:
    a_project(database)
    foreign, of_all, own = (
        made(database, a_new(project_id=ELSEWHERE)),
        made(database, a_new(project_id=None)),
        made(database),
    )

    assert [each.public_id for each in keys.list_of(database, project_id=HERE)[0]] == [own.view.public_id]
    assert len(keys.list_of(database, project_id=None)[0]) == 3
    for view in (foreign.view, of_all.view, replace(own.view, public_id="nobody"), replace(own.view, public_id="\0")):
        with pytest.raises(NotFound, match=r"There is no such key\."):
            keys.get(database, view.public_id, project_id=HERE)
        with pytest.raises(NotFound):
            keys.revoke(database, view.public_id, project_id=HERE, now=NOW)
    assert isinstance(found(database, foreign.secret), Found)


def test_the_list_comes_in_parts(database: Database) -> None:
    all_of_them = [made(database).view for _ in range(3)]

    first, following = keys.list_of(database, project_id=HERE, limit=2)
    rest, end = keys.list_of(database, project_id=HERE, limit=2, after=following)

    assert [*first, *rest] == all_of_them
    assert end is None


NOT_THEIRS = [
    (NOBODY, {Scope.PING}, HERE),
    *((member(role), {Scope.PING}, HERE) for role in Role if role is not Role.ADMIN),
    (member(Role.ADMIN), {Scope.READ}, ELSEWHERE),
    (member(Role.ADMIN), {Scope.READ}, None),
    (a_key_of(Scope.WRITE, Scope.METRICS), {Scope.READ}, HERE),
    (a_key_of(Scope.ADMIN), {Scope.READ}, ELSEWHERE),
    (a_key_of(Scope.ADMIN), {Scope.PING}, None),
    (a_key_of(Scope.WRITE, project_id=None), {Scope.READ}, None),
]


@pytest.mark.parametrize(("maker", "scopes", "project_id"), NOT_THEIRS)
def test_nobody_makes_a_key_that_opens_more_than_he_may(
    database: Database, maker: Principal, scopes: set[Scope], project_id: int | None
) -> None:
    a_project(database)

    with pytest.raises(Forbidden):
        made(database, a_new(*scopes, project_id=project_id), maker=maker)
    assert rows(database, ApiKey) == []


@pytest.mark.parametrize(
    ("maker", "project_id"),
    [
        (OWNER_BY_TOKEN, None),
        (OWNER_BY_SESSION, ELSEWHERE),
        (a_key_of(Scope.ADMIN, project_id=None), None),
        (a_key_of(Scope.ADMIN), HERE),
        (replace(member(Role.ADMIN), user_id=None), HERE),
    ],
)
def test_whoever_may_makes_keys_of_every_scope(database: Database, maker: Principal, project_id: int | None) -> None:
    a_project(database)
    for scope in Scope:
        assert made(database, a_new(scope, project_id=project_id), maker=maker).view.scopes == (scope,)


def test_two_are_alive_while_one_is_rotated(database: Database) -> None:
    old = made(database, a_new(Scope.WRITE, kind=Kind.SHORT))

    new = keys.rotate(
        database,
        old.view.public_id,
        project_id=HERE,
        maker=OWNER_BY_TOKEN,
        made_by="ana",
        overlap=timedelta(hours=1),
        now=NOW,
    )

    assert (new.view.name, new.view.scopes, new.view.kind) == (old.view.name, old.view.scopes, old.view.kind)
    assert new.view.public_id != old.view.public_id
    assert new.view.expires_at is None
    for secret in (old.secret, new.secret):
        assert isinstance(found(database, secret, now=at("10:59")), Found)
    assert found(database, old.secret, now=at("11:00")) is Refusal.EXPIRED
    assert isinstance(found(database, new.secret, now=at("11:00")), Found)


def test_what_is_rotated_lives_as_long_as_it_was_to_and_the_old_one_never_longer(database: Database) -> None:
    old = made(database, a_new(expires_at=at("12:00")))
    later = at("11:30")

    new = keys.rotate(database, old.view.public_id, project_id=None, maker=OWNER_BY_TOKEN, made_by="ana", now=later)

    assert new.view.expires_at == at("13:30")
    assert keys.get(database, old.view.public_id, project_id=None).expires_at == at("12:00")
    with pytest.raises(Conflict, match="expired"):
        keys.rotate(database, old.view.public_id, project_id=None, maker=OWNER_BY_TOKEN, made_by="ana", now=at("12:00"))


def test_nobody_rotates_a_key_that_opens_more_than_he_may(database: Database) -> None:
    a_project(database)
    key = made(database, a_new(Scope.ADMIN))
    for maker in (member(Role.EDITOR), a_key_of(Scope.WRITE), a_key_of(Scope.ADMIN, project_id=ELSEWHERE)):
        with pytest.raises(Forbidden):
            keys.rotate(database, key.view.public_id, project_id=HERE, maker=maker, made_by="", now=NOW)
    assert len(rows(database, ApiKey)) == 1


def test_a_key_dies_with_whoever_made_it_by_hand_or_by_another_key(database: Database) -> None:
    user_id, other_id = a_user(database), a_user(database, "bob@example.org")
    a_member(database, user_id, Role.ADMIN)
    first = made(database, a_new(Scope.ADMIN), maker=member(Role.ADMIN, user_id))
    second = made(database, maker=a_key_of(Scope.ADMIN, public_id=first.view.public_id))
    others = made(database, maker=member(Role.ADMIN, other_id))

    with database.write() as connection:
        assert keys.revoke_of_user(connection, user_id, now=NOW, project_id=ELSEWHERE) == 0
        assert keys.revoke_of_user(connection, user_id, now=NOW) == 2
        connection.execute(delete(User).where(User.id == user_id))

    assert [found(database, each.secret) for each in (first, second)] == [Refusal.REVOKED, Refusal.REVOKED]
    assert isinstance(found(database, others.secret), Found)


def test_a_key_that_is_kept_outlives_whoever_made_it(database: Database) -> None:
    user_id = a_user(database)
    key = made(database, maker=member(Role.ADMIN, user_id))
    with database.write() as connection:
        connection.execute(delete(User).where(User.id == user_id))

    assert isinstance(found(database, key.secret), Found)


def test_the_last_use_is_kept_and_no_earlier_one_after_it(database: Database) -> None:
    key = made(database)
    key_id = key.view.id

    keys.write_uses(database, {key_id: Use(at("10:05"), "192.0.2.7"), 99: Use(NOW, None)})
    keys.write_uses(database, {key_id: Use(at("10:04"), "192.0.2.8")})

    view = keys.get(database, key.view.public_id, project_id=HERE)
    assert (view.last_used_at, view.last_used_addr) == (at("10:05"), "192.0.2.7")


def test_what_is_over_for_long_is_forgotten(database: Database) -> None:
    revoked, expired, alive = made(database), made(database, a_new(expires_at=at("11:00"))), made(database)
    keys.revoke(database, revoked.view.public_id, project_id=None, now=NOW)

    assert not keys.remove_old(database, now=at("11:00") + keys.KEPT_FOR)
    assert found(database, expired.secret, now=at("11:00")) is Refusal.EXPIRED
    assert not keys.remove_old(database, now=at("11:01") + keys.KEPT_FOR)

    assert [row.id for row in rows(database, ApiKey)] == [alive.view.id]
    assert found(database, revoked.secret) is Refusal.WRONG


def test_there_is_an_end_to_how_many_a_project_has(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS", 2)
    first, _ = made(database), made(database)
    with pytest.raises(Conflict, match="thousand"):
        made(database)
    keys.revoke(database, first.view.public_id, project_id=None, now=NOW)
    made(database)


def test_the_ping_key_of_a_project_is_made_once_and_stays_until_it_is_made_anew(database: Database) -> None:
    elsewhere = a_project(database)
    assert ping_keys.read(database, HERE) is None
    first = ping_keys.ensure(database, HERE)

    assert len(first) == 22
    assert ping_keys.ensure(database, HERE) == ping_keys.read(database, HERE) == first
    assert ping_keys.ensure(database, elsewhere) != first
    second = ping_keys.renew(database, HERE, now=NOW)
    assert ping_keys.read(database, HERE) == second != first
    for ask in (lambda: ping_keys.read(database, 99), lambda: ping_keys.renew(database, 99, now=NOW)):
        with pytest.raises(NotFound, match="project"):
            ask()


def test_what_is_done_to_keys_is_noted_without_a_secret(database: Database) -> None:
    with acting(Actor(ActorKind.USER, "ana@example.org", NOW)):
        key = made(database)
        new = keys.rotate(database, key.view.public_id, project_id=HERE, maker=OWNER_BY_TOKEN, made_by="ana", now=NOW)
        keys.revoke(database, new.view.public_id, project_id=HERE, now=NOW)
        ping_key = ping_keys.renew(database, HERE, now=NOW)

    entries = rows(database, AuditEntry)
    assert [(each.action, each.object) for each in entries] == [
        ("key.create", key.view.public_id),
        ("key.rotate", key.view.public_id),
        ("key.delete", new.view.public_id),
        ("key.ping-key", "default"),
    ]
    for secret in (key.secret, new.secret, ping_key):
        assert secret not in str(entries)
    assert '"Grafana"' in entries[0].after


def test_a_scope_of_another_version_opens_nothing(database: Database) -> None:
    secret = a_key(database, Scope.READ, project_id=HERE)
    with database.write() as connection:
        connection.execute(update(ApiKey).values(scopes="read everything"))

    key = found(database, secret)

    assert isinstance(key, Found)
    assert key.principal.scopes == {Scope.READ}
