"""Who may do what, of everybody there is."""

from __future__ import annotations

import pytest

from pulsemon.accounts.roles import NOBODY, OPEN, OWNER_BY_SESSION, OWNER_BY_TOKEN, Action, Principal, allowed


@pytest.mark.parametrize("principal", [OWNER_BY_TOKEN, OWNER_BY_SESSION], ids=["by token", "by session"])
def test_the_owner_may_do_everything_however_that_was_shown(principal: Principal) -> None:
    assert [action for action in Action if not allowed(principal, action)] == []


def test_nobody_may_do_what_is_open_and_nothing_else() -> None:
    assert {action for action in Action if allowed(NOBODY, action)} == OPEN
    assert set(Action) - OPEN == {Action.READ, Action.RESPOND, Action.EDIT, Action.ADMINISTER}
