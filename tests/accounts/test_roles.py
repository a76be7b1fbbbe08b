"""Who may do what, of everybody there is."""

from __future__ import annotations

import pytest

from pulsemon.accounts.roles import (
    LEAST_ROLE,
    NOBODY,
    OPEN,
    OPENED_BY,
    OWNER_BY_SESSION,
    OWNER_BY_TOKEN,
    Action,
    Principal,
    Proof,
    Role,
    Scope,
    allowed,
)

HERE, ELSEWHERE = 7, 8
LOOKING = {Action.READ, Action.READ_INCIDENTS, Action.METRICS}
# What each role may do, written out: beyond what the one before it may.
MAY = {
    Role.VIEWER: LOOKING,
    Role.RESPONDER: {Action.RESPOND, Action.REPORT},
    Role.EDITOR: {Action.EDIT, Action.SEE_SECRETS},
    Role.ADMIN: {Action.ADMINISTER},
}
WRITING = {Action.READ, Action.READ_INCIDENTS, Action.RESPOND, Action.REPORT, Action.EDIT, Action.SEE_SECRETS}
OPENS = {
    Scope.PING: set(),
    Scope.READ: {Action.READ, Action.READ_INCIDENTS},
    Scope.WRITE: WRITING,
    Scope.INCIDENTS: {Action.READ_INCIDENTS, Action.REPORT},
    Scope.METRICS: {Action.METRICS},
    Scope.ADMIN: WRITING | {Action.METRICS, Action.ADMINISTER, Action.OWN},
}


def member(role: Role) -> Principal:
    return Principal(is_owner=False, proof=Proof.SESSION, user_id=1, roles={HERE: role})


def key(scope: Scope, project_id: int | None) -> Principal:
    return Principal(is_owner=False, proof=Proof.KEY, scopes=frozenset({scope}), project_id=project_id)


def may(principal: Principal, project_id: int | None) -> set[Action]:
    return {action for action in Action if allowed(principal, action, project_id)} - OPEN


@pytest.mark.parametrize("principal", [OWNER_BY_TOKEN, OWNER_BY_SESSION], ids=["by token", "by session"])
def test_the_owner_may_do_everything_but_what_is_a_users_own(principal: Principal) -> None:
    assert may(principal, HERE) == may(principal, None) == set(Action) - OPEN - {Action.OWN_ACCOUNT}


def test_nobody_may_do_what_is_open_and_nothing_else() -> None:
    assert {action for action in Action if allowed(NOBODY, action, HERE)} == OPEN
    assert may(NOBODY, None) == set()


@pytest.mark.parametrize("role", Role)
def test_a_member_may_do_what_the_role_allows_in_its_project_and_nowhere_else(role: Role) -> None:
    own = {Action.OWN_ACCOUNT}
    below = [each for each in Role if role.includes(each)]

    assert may(member(role), HERE) == set().union(*(MAY[each] for each in below)) | own
    assert may(member(role), ELSEWHERE) == may(member(role), None) == own


def test_the_roles_are_in_order() -> None:
    assert [[each.includes(other) for other in Role] for each in Role] == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]


@pytest.mark.parametrize("scope", Scope)
def test_a_key_opens_what_its_scope_says_within_its_project(scope: Scope) -> None:
    assert may(key(scope, HERE), HERE) == OPENS[scope] - {Action.OWN}
    assert may(key(scope, HERE), ELSEWHERE) == may(key(scope, HERE), None) == set()


def test_no_key_of_one_project_has_a_say_in_the_installation() -> None:
    everything = Principal(is_owner=False, proof=Proof.KEY, scopes=frozenset(Scope), project_id=HERE)

    assert Action.OWN not in may(everything, HERE) | may(everything, None)
    assert Action.ADMINISTER in may(everything, HERE)


@pytest.mark.parametrize("scope", Scope)
def test_a_key_of_all_projects_opens_each_and_the_installation(scope: Scope) -> None:
    assert may(key(scope, None), HERE) == may(key(scope, None), None) == OPENS[scope]


def test_every_action_is_somebodys() -> None:
    opened = set().union(*OPENED_BY.values())
    assert set(LEAST_ROLE) == set().union(*MAY.values())
    assert opened | {Action.OWN_ACCOUNT} == set(Action) - OPEN
