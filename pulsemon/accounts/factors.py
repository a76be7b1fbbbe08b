"""Second factors: codes of an app (TOTP, RFC 6238), and recovery codes that stand in for them, each once.

The secret is sealed (`vault`). A factor that was offered asks for nothing before it was confirmed by a code.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, or_, select, update

from pulsemon.db import Database, audit
from pulsemon.db.tables.accounts import RecoveryCode, SecondFactor, User
from pulsemon.errors import Conflict
from pulsemon.vault import CannotOpen, Vault

TOTP = "totp"
STEP_SEC = 30
# A code of the step before counts too, and one of the next: clocks of telephones are off, and people type slowly.
_STEPS_BESIDE = (0, -1, 1)
RECOVERY_CODES = 10
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 of which none is taken for another


class Judged(StrEnum):
    """What came of a code."""

    RIGHT = "right"
    WRONG = "wrong"
    # It was right, and was taken before.
    USED = "used"
    # The secret cannot be opened any more; recovery codes go on.
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class FactorState:
    """What a user has: since when an app, how many recovery codes are left, whether the secret can be read."""

    confirmed_at: datetime | None
    recovery_left: int
    is_readable: bool


def _belongs_to(user_id: int) -> str:
    return f"second-factor:{user_id}"


def state_of(database: Database, vault: Vault, user_id: int) -> FactorState:
    """Return what a user has."""
    with database.read() as connection:
        factor = _confirmed(connection, user_id)
        is_left = (RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
        left = connection.scalar(select(func.count()).select_from(RecoveryCode).where(*is_left)) or 0
    if factor is None:
        return FactorState(None, 0, is_readable=True)
    return FactorState(factor.confirmed_at, left, _secret(vault, user_id, factor.secret) is not None)


def offer(database: Database, vault: Vault, user_id: int, *, now: datetime) -> str:
    """Return a new secret for an app, in base32; it counts once a code confirms it.

    Raises:
        Conflict: he has a factor already, or there is no key to keep a secret with.
    """
    secret = _new_secret()
    row = {"user_id": user_id, "kind": TOTP, "secret": vault.seal(secret, belongs_to=_belongs_to(user_id))}
    with database.write() as connection:
        _lock(connection, user_id)
        if _confirmed(connection, user_id) is not None:
            raise Conflict("factor-there")
        connection.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
        connection.execute(insert(SecondFactor), [row | {"created_at": now}])
    return secret


def offered(database: Database, vault: Vault, user_id: int) -> str | None:
    """Return the secret that was offered last and is not confirmed yet."""
    query = select(SecondFactor.secret).where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_(None))
    with database.read() as connection:
        sealed = connection.scalar(query.order_by(SecondFactor.id.desc()).limit(1))
    return None if sealed is None else _secret(vault, user_id, sealed)


def confirm(database: Database, vault: Vault, user_id: int, code: str, *, now: datetime) -> list[str] | None:
    """Have the factor that was offered count from now on; return ten recovery codes, kept nowhere. None: a wrong code.

    Raises Conflict: he has a factor already.
    """
    with database.write() as connection:
        email = _lock(connection, user_id)
        if _confirmed(connection, user_id) is not None:
            raise Conflict("factor-there")
        row = connection.execute(
            select(SecondFactor.id, SecondFactor.secret).where(SecondFactor.user_id == user_id)
        ).first()
        secret = None if row is None else _secret(vault, user_id, row.secret)
        step = None if secret is None else _step_of(secret, code, now)
        if row is None or step is None:
            return None
        values = {"confirmed_at": now, "last_step": step}
        connection.execute(update(SecondFactor).where(SecondFactor.id == row.id).values(values))
        audit.note(connection, "user.factor-on", email, project_id=None)
        return _new_recovery_codes(connection, user_id)


def renew_recovery_codes(database: Database, user_id: int) -> list[str]:
    """Return ten new recovery codes; those of before count no more. Raises Conflict: he has no factor."""
    with database.write() as connection:
        email = _lock(connection, user_id)
        if _confirmed(connection, user_id) is None:
            raise Conflict("no-factor")
        audit.note(connection, "user.recovery-codes", email, project_id=None)
        return _new_recovery_codes(connection, user_id)


def remove(database: Database, user_id: int) -> None:
    """Take away what a user has, his recovery codes too. Raises Conflict: he has nothing."""
    with database.write() as connection:
        email = _lock(connection, user_id)
        found = connection.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id)).rowcount
        connection.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        if not found:
            raise Conflict("no-factor")
        audit.note(connection, "user.factor-off", email, project_id=None)


def judge(connection: Connection, vault: Vault, user_id: int, code: str, *, now: datetime) -> Judged:
    """Say whether this is a code of the user's app or one of his recovery codes, and take it: each counts once."""
    if _use_recovery_code(connection, user_id, code, now):
        return Judged.RIGHT
    factor = _confirmed(connection, user_id)
    secret = None if factor is None else _secret(vault, user_id, factor.secret)
    if factor is None or secret is None:
        return Judged.UNREADABLE if factor is not None else Judged.WRONG
    step = _step_of(secret, code, now)
    if step is None:
        return Judged.WRONG
    is_new = or_(SecondFactor.last_step.is_(None), SecondFactor.last_step < step)
    # One statement: of two that show the same code at once, one is let in.
    taken = connection.execute(
        update(SecondFactor).where(SecondFactor.id == factor.id, is_new).values(last_step=step)
    ).rowcount
    return Judged.RIGHT if taken else Judged.USED


def address_for_apps(secret: str, email: str, issuer: str) -> str:
    """Return what a QR code holds for an app."""
    from pyotp import TOTP as Totp  # noqa: N811 - rare

    return Totp(secret).provisioning_uri(name=email, issuer_name=issuer)


def seal_anew(database: Database, vault: Vault) -> tuple[int, int]:
    """Seal every secret with the key that seals now; return how many were, and how many cannot be opened."""
    done = lost = 0
    with database.write() as connection:
        query = select(SecondFactor.id, SecondFactor.user_id, SecondFactor.secret).with_for_update()
        for row in connection.execute(query).all():
            if vault.is_current(row.secret):
                continue
            secret = _secret(vault, row.user_id, row.secret)
            if secret is None:
                lost += 1
                continue
            sealed = vault.seal(secret, belongs_to=_belongs_to(row.user_id))
            connection.execute(update(SecondFactor).where(SecondFactor.id == row.id).values(secret=sealed))
            done += 1
    return done, lost


def is_with_an_owner(connection: Connection) -> bool:
    """Return whether an owner who is not disabled has a factor that counts."""
    his = (SecondFactor.user_id == User.id, SecondFactor.confirmed_at.is_not(None))
    one = select(User.id).where(User.is_owner, User.disabled_at.is_(None), User.password_hash.is_not(None))
    return connection.scalar(one.where(exists().where(*his)).limit(1)) is not None


def _new_secret() -> str:
    from pyotp import random_base32

    return random_base32(32)


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the step of which this is the code, None for none."""
    from pyotp import TOTP as Totp  # noqa: N811 - rare

    typed = "".join(code.split())
    if not (typed.isascii() and typed.isdigit() and len(typed) == 6):
        return None
    codes, current = Totp(secret), int(now.timestamp()) // STEP_SEC
    found = [current + each for each in _STEPS_BESIDE if hmac.compare_digest(codes.generate_otp(current + each), typed)]
    return found[0] if found else None


def _secret(vault: Vault, user_id: int, sealed: str) -> str | None:
    try:
        return vault.open(sealed, belongs_to=_belongs_to(user_id))
    except CannotOpen:
        return None


def _confirmed(connection: Connection, user_id: int) -> Row[*tuple[Any, ...]] | None:
    query = select(SecondFactor.id, SecondFactor.secret, SecondFactor.confirmed_at)
    return connection.execute(
        query.where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None))
    ).first()


def _lock(connection: Connection, user_id: int) -> str:
    """Have nobody else change what the user has before the transaction ends; return his address."""
    return connection.execute(select(User.email).where(User.id == user_id).with_for_update()).scalar_one()


def _new_recovery_codes(connection: Connection, user_id: int) -> list[str]:
    connection.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
    connection.execute(insert(RecoveryCode), [{"user_id": user_id, "code_hash": _hash(each)} for each in codes])
    return codes


def _new_recovery_code() -> str:
    """Return 80 random bits, in four parts that can be typed."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return "-".join(letters[at : at + 4] for at in range(0, 16, 4))


def _hash(code: str) -> str:
    plain = "".join(each for each in code.lower() if each.isalnum())
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _use_recovery_code(connection: Connection, user_id: int, code: str, now: datetime) -> bool:
    this = (RecoveryCode.user_id == user_id, RecoveryCode.code_hash == _hash(code), RecoveryCode.used_at.is_(None))
    return connection.execute(update(RecoveryCode).where(*this).values(used_at=now)).rowcount > 0
