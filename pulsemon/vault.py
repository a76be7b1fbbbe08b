"""What is kept so that a stolen database does not tell it: texts sealed with keys that are not in the database.

AES-GCM; the sealed text names its key, and opens only as what it was sealed for. Keys come from SECRETS_KEY (the first
seals, all of them open), else from a file beside the database that is made at the first start. Which key seals is
noted in the database, so that a node without it says so instead of sealing with another one that nobody else has. What
cannot be opened is kept as it is, and told as such.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from pulsemon import whole_file
from pulsemon.db import Database, sqlite
from pulsemon.db.tables.base import Meta
from pulsemon.db.upsert import upsert
from pulsemon.errors import Conflict, PulseMonError

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = "v1"
# The row of `meta` with the id of the key that seals.
META_KEY = "secrets-key"
FILE_SUFFIX = ".secrets-key"
_FILE_ELSEWHERE = Path("pulsemon" + FILE_SUFFIX)


class CannotOpen(PulseMonError):
    """The key of a sealed text is not here, or the text was changed."""


@dataclass(frozen=True, slots=True)
class Vault:
    """The keys by their ids; the first seals. `warning`: what the owner should know of them."""

    keys: Mapping[str, bytes]
    warning: str | None = None

    def seal(self, text: str, *, belongs_to: str) -> str:
        """Return *text* sealed; it opens only with the same *belongs_to*. Raises Conflict: there is no key."""
        # Here, because it is rare, and the memory at rest is not to pay for it.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not self.keys:
            raise Conflict("no-secrets-key")
        key_id, key = next(iter(self.keys.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, text.encode(), _bound(key_id, belongs_to))
        return f"{_VERSION}.{key_id}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, belongs_to: str) -> str:
        """Return what was sealed. Raises CannotOpen."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            version, key_id, encoded = sealed.split(".")
            content = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise CannotOpen("this is nothing that was sealed") from None
        key = self.keys.get(key_id) if version == _VERSION else None
        if key is None:
            raise CannotOpen(f"the key {key_id[:16]} that it was sealed with is not here")
        try:
            opened = AESGCM(key).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], _bound(key_id, belongs_to))
        except (InvalidTag, ValueError):
            raise CannotOpen("it was changed, or sealed for something else") from None
        return opened.decode()

    def derive(self, purpose: str) -> str:
        """Return a secret of its own for *purpose*, which nothing in the database tells; "" where there is no key."""
        if not self.keys:
            return ""
        return hmac.new(next(iter(self.keys.values())), purpose.encode(), hashlib.sha256).hexdigest()

    def is_current(self, sealed: str) -> bool:
        """Return whether the key that seals today sealed this."""
        return bool(self.keys) and sealed.startswith(f"{_VERSION}.{next(iter(self.keys))}.")


NO_KEYS = Vault({})


def _bound(key_id: str, belongs_to: str) -> bytes:
    return f"pulsemon\0{_VERSION}\0{key_id}\0{belongs_to}".encode()


def id_of(key: bytes) -> str:
    """Return what a key is called; it tells nothing of the key."""
    return hashlib.sha256(b"pulsemon key id\0" + key).hexdigest()[:12]


def read_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys that SECRETS_KEY or the file names, separated by commas. Raises ValueError."""
    keys = tuple(base64.b64decode(each.strip(), validate=True) for each in text.split(",") if each.strip())
    if not keys or any(len(each) != KEY_BYTES for each in keys):
        raise ValueError("no key of 32 bytes")
    return keys


def at_the_machine(*, secrets_key: str, database_url: str) -> Vault:
    """Return the vault of whoever has the machine, without a look at the database. None of its keys: see `NO_KEYS`."""
    try:
        keys = read_keys(secrets_key) if secrets_key else _read_file(file_of(database_url))
    except (OSError, ValueError):
        return NO_KEYS
    return Vault({id_of(each): each for each in keys})


def make_key() -> str:
    """Return a new key as SECRETS_KEY names it."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def file_of(database_url: str) -> Path:
    """Return where the key file is: beside a SQLite file, else in the working directory."""
    if database_url.startswith("sqlite"):
        path = sqlite.file_path(database_url)
        return path.with_name(path.name + FILE_SUFFIX)
    return _FILE_ELSEWHERE


def open_vault(database: Database, *, secrets_key: str, database_url: str) -> Vault:
    """Return the vault of an installation; a key file is made where there is none yet. Never refuses to start."""
    if secrets_key:
        return _with_noted_key(database, read_keys(secrets_key), "SECRETS_KEY")
    path = file_of(database_url)
    try:
        keys = _read_file(path)
        if not keys and _noted(database) is None:
            keys = _make_file(path)
    except OSError as failed:
        reason = failed.strerror or type(failed).__name__
        return Vault({}, f"secrets cannot be sealed: the key file {path} cannot be read or made ({reason})")
    except ValueError:
        return Vault({}, f"secrets cannot be sealed: the key file {path} does not hold a key of 32 bytes in base64")
    if not keys:
        return Vault(
            {},
            f"secrets cannot be opened or sealed: they were sealed with a key that is not in {path}; "
            "put that file there, or give all nodes the same SECRETS_KEY",
        )
    return _with_noted_key(database, keys, f"the key file {path}")


def _with_noted_key(database: Database, keys: Sequence[bytes], source: str) -> Vault:
    """Note the key that seals where none is noted; warn where it is one that is not here."""
    ring = {id_of(each): each for each in keys}
    noted = _noted(database)
    if noted is None:
        noted = _note_first(database, next(iter(ring)))
    if noted not in ring:
        return Vault(
            ring,
            f"some secrets were sealed with the key {noted}, which is not in {source}; they are kept, and cannot be "
            "opened. Put that key back, or run `pulsemon secrets rotate` to go on without it",
        )
    return Vault(ring)


def _noted(database: Database) -> str | None:
    with database.read() as connection:
        return connection.scalar(select(Meta.value).where(Meta.key == META_KEY))


def _note_first(database: Database, key_id: str) -> str:
    """Note *key_id*, or return the one that another node noted first."""
    try:
        with database.write() as connection:
            connection.execute(insert(Meta), [{"key": META_KEY, "value": key_id}])
    except IntegrityError:
        return _noted(database) or key_id
    return key_id


def note_key(database: Database, vault: Vault) -> None:
    """Note the key that seals now, after what was sealed with others was sealed anew."""
    with database.write() as connection:
        upsert(connection, Meta, "key", {"key": META_KEY, "value": next(iter(vault.keys))})


def _read_file(path: Path) -> tuple[bytes, ...]:
    try:
        return read_keys(path.read_text("ascii"))
    except FileNotFoundError:
        return ()


def _make_file(path: Path) -> tuple[bytes, ...]:
    """Make the key file, or read the one that another process made meanwhile."""
    try:
        with whole_file.unfinished(path, mode=0o600) as made:
            made.write_text(make_key() + "\n", "ascii")
            whole_file.give_new_name(made, path)
    except FileExistsError:
        pass
    return _read_file(path)
