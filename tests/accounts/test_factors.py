"""Second factors: a code of an app counts once, within a step; a recovery code once; the secret is sealed."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pyotp
import pytest

from pulsemon.accounts import factors, users
from pulsemon.accounts.factors import Judged
from pulsemon.accounts.users import NewUser
from pulsemon.db import Database
from pulsemon.db.tables.accounts import RecoveryCode, SecondFactor
from pulsemon.errors import Conflict
from pulsemon.vault import NO_KEYS, Vault
from tests.arrange import START, rows

VAULT = Vault({"one": b"1" * 32})
STEP = timedelta(seconds=30)


@pytest.fixture
def ana(database: Database) -> int:
    """A user, by his row's id."""
    made, _ = users.create(database, NewUser("ana@example.org", "ana@example.org", password_hash="x"), now=START)
    return made.row_id


def _on(database: Database, user_id: int) -> tuple[pyotp.TOTP, list[str]]:
    app = pyotp.TOTP(factors.offer(database, VAULT, user_id, now=START))
    codes = factors.confirm(database, VAULT, user_id, app.at(START), now=START)
    assert codes is not None
    return app, codes


def _judge(database: Database, user_id: int, code: str, *, now: datetime, vault: Vault = VAULT) -> Judged:
    with database.write() as connection:
        return factors.judge(connection, vault, user_id, code, now=now)


def test_a_factor_counts_once_a_code_confirmed_it(database: Database, ana: int) -> None:
    app = pyotp.TOTP(factors.offer(database, VAULT, ana, now=START))

    assert factors.state_of(database, VAULT, ana).confirmed_at is None
    assert factors.confirm(database, VAULT, ana, "000000", now=START) is None
    assert factors.confirm(database, VAULT, ana, app.at(START), now=START) is not None

    state = factors.state_of(database, VAULT, ana)
    assert (state.confirmed_at, state.recovery_left, state.is_readable) == (START, 10, True)
    for refused in (
        lambda: factors.offer(database, VAULT, ana, now=START),
        lambda: factors.confirm(database, VAULT, ana, app.at(START), now=START),
    ):
        with pytest.raises(Conflict) as found:
            refused()
        assert found.value.code == "factor-there"


def test_a_code_counts_once_and_none_of_before_it(database: Database, ana: int) -> None:
    app, _ = _on(database, ana)
    later = START + 10 * STEP

    assert _judge(database, ana, app.at(START), now=START) is Judged.USED  # it confirmed the factor
    assert _judge(database, ana, f" {app.at(later)[:3]} {app.at(later)[3:]} ", now=later) is Judged.RIGHT
    assert _judge(database, ana, app.at(later), now=later) is Judged.USED
    assert _judge(database, ana, app.at(later - STEP), now=later) is Judged.USED
    assert _judge(database, ana, app.at(later + STEP), now=later) is Judged.RIGHT


@pytest.mark.parametrize("steps", [-2, 2, 100])
def test_a_code_of_another_time_is_wrong(database: Database, ana: int, steps: int) -> None:
    app, _ = _on(database, ana)
    later = START + 1_000 * STEP

    assert _judge(database, ana, app.at(later + steps * STEP), now=later) is Judged.WRONG


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\udc80", "x" * 10_000])
def test_what_is_no_code_is_wrong(database: Database, ana: int, code: str) -> None:
    _on(database, ana)

    assert _judge(database, ana, code, now=START + 10 * STEP) is Judged.WRONG


def test_of_two_with_one_code_one_comes_in(postgres_url: str) -> None:
    nodes = [Database.open(postgres_url) for _ in range(2)]
    made, _ = users.create(nodes[0], NewUser("ana@example.org", "ana@example.org", password_hash="x"), now=START)
    app, _ = _on(nodes[0], made.row_id)
    later, barrier, found = START + 10 * STEP, threading.Barrier(2), []

    def try_it(node: Database) -> None:
        barrier.wait(60)
        found.append(_judge(node, made.row_id, app.at(later), now=later))

    threads = [threading.Thread(target=try_it, args=(node,)) for node in nodes]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    assert sorted(found) == [Judged.RIGHT, Judged.USED]
    for node in nodes:
        node.close()


def test_recovery_codes_count_once_and_new_ones_end_the_old(database: Database, ana: int) -> None:
    _, codes = _on(database, ana)

    assert _judge(database, ana, codes[0].upper().replace("-", " "), now=START) is Judged.RIGHT
    assert _judge(database, ana, codes[0], now=START) is Judged.WRONG
    assert factors.state_of(database, VAULT, ana).recovery_left == 9
    new = factors.renew_recovery_codes(database, ana)
    assert _judge(database, ana, codes[1], now=START) is Judged.WRONG
    assert _judge(database, ana, new[1], now=START) is Judged.RIGHT
    assert not set(codes) & set(new)


def test_a_secret_that_cannot_be_opened_is_kept_and_recovery_codes_go_on(database: Database, ana: int) -> None:
    app, codes = _on(database, ana)
    other = Vault({"two": b"2" * 32})

    assert not factors.state_of(database, other, ana).is_readable
    assert _judge(database, ana, app.at(START), now=START + STEP, vault=other) is Judged.UNREADABLE
    assert _judge(database, ana, codes[0], now=START, vault=other) is Judged.RIGHT
    assert factors.seal_anew(database, other) == (0, 1)
    assert factors.seal_anew(database, Vault(dict(other.keys) | dict(VAULT.keys))) == (1, 0)
    assert factors.state_of(database, other, ana).is_readable


def test_without_a_key_none_is_offered(database: Database, ana: int) -> None:
    with pytest.raises(Conflict) as refused:
        factors.offer(database, NO_KEYS, ana, now=START)

    assert refused.value.code == "no-secrets-key"
    assert rows(database, SecondFactor) == []


def test_what_is_taken_away_leaves_nothing(database: Database, ana: int) -> None:
    _on(database, ana)
    factors.remove(database, ana)

    assert rows(database, SecondFactor) == []
    assert rows(database, RecoveryCode) == []
    with pytest.raises(Conflict):
        factors.remove(database, ana)
