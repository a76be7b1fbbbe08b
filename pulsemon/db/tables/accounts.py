"""People and their programs: who is let in, by what, and where."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base
from pulsemon.db.types import UtcDateTime


class User(Base):
    """Somebody who can log in. Without a password: was invited, or comes in another way."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("public_id"), UniqueConstraint("email_key"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(16))
    email: Mapped[str] = mapped_column(Text)  # as it was given
    email_key: Mapped[str] = mapped_column(Text)  # as it is compared
    name: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)
    # Another one with each new password: a session that bears an older one is over.
    password_version: Mapped[int] = mapped_column(Integer)
    is_owner: Mapped[bool] = mapped_column(Boolean)  # of the installation
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_login_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Member(Base):
    """A user's role in a project."""

    __tablename__ = "members"
    # principals: the projects of a user, with every request.
    __table_args__ = (Index("ix_members_user_id", "user_id"),)

    project_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    user_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    role: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Session(Base):
    """A login of the panel. Only a hash of the id is kept: a stolen database opens nothing.

    One of a user has an empty `admin_fingerprint`, which a PulseMon that knows no users takes for no admin token.
    """

    __tablename__ = "sessions"
    # accounts: the sessions of a user, to list and to end them.
    __table_args__ = (Index("ix_sessions_user_id", "user_id"),)

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    admin_fingerprint: Mapped[str] = mapped_column(String(64))  # of the ADMIN_TOKEN it was opened with
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    public_id: Mapped[str | None] = mapped_column(String(16))
    user_id: Mapped[int | None] = mapped_column(Integer)  # without a foreign key: SQLite adds none afterwards
    password_version: Mapped[int | None] = mapped_column(Integer)  # the user's when it was opened
    project_id: Mapped[int | None] = mapped_column(Integer)  # what its pages show
    remote_addr: Mapped[str | None] = mapped_column(Text)
    user_agent: Mapped[str | None] = mapped_column(Text)
    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    proved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when its user last proved to be there


class AccountLink(Base):
    """A link by which a user sets a password: an invitation, or a reset. Only a hash of its token is kept."""

    __tablename__ = "account_links"
    # accounts: the links of a user, which a new password ends.
    __table_args__ = (Index("ix_account_links_user_id", "user_id"),)

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # invitation, reset
    user_id: Mapped[int] = mapped_column(Integer, ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SecondFactor(Base):
    """Something that a user has. `confirmed_at` NULL: it was offered, and asks for nothing yet."""

    __tablename__ = "second_factors"
    # accounts: the factors of a user, at a login.
    __table_args__ = (Index("ix_second_factors_user_id", "user_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    user_id: Mapped[int] = mapped_column(Integer, ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))  # totp
    secret: Mapped[str] = mapped_column(Text)  # sealed, see `vault`
    last_step: Mapped[int | None] = mapped_column(Integer)  # of the last code that was taken: each counts once
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RecoveryCode(Base):
    """What stands in for a second factor, once."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ApiKey(Base):
    """What a program shows. Only a hash is kept, and how it begins, to know it by."""

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("public_id"),
        # principals: who shows a key, with every request.
        UniqueConstraint("key_hash"),
        Index("ix_api_keys_made_by_user_id", "made_by_user_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16))  # key, short: of programs; screen: the address of a wall screen
    key_hash: Mapped[str] = mapped_column(String(64))
    beginning: Mapped[str] = mapped_column(String(16))
    scopes: Mapped[str] = mapped_column(Text)  # with blanks between
    project_id: Mapped[int | None] = mapped_column(Integer)  # NULL: all
    made_by: Mapped[str] = mapped_column(Text)  # as the audit log names who made it
    made_by_user_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # kept for a while: who shows it is told why
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # to the minute
    last_used_addr: Mapped[str | None] = mapped_column(Text)
