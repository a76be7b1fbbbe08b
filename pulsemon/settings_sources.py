"""Where settings are read: the environment and `.env`, without what came along when a value was pasted."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

# Nobody sees them at the end of what was pasted: the byte order mark, zero-width characters, marks of direction.
_UNSEEN = "\ufeff\u200b\u200e\u200f\u2060"
_AS_THEY_STAND = frozenset({"admin_token", "admin_session_secret", "secrets_key", "smtp_password"})


def _trimmed(name: str, value: str) -> str:
    """Return a value without what came along: the line end of a secret's file, blanks, what nobody sees."""
    if name == "smtp_password":  # a blank may be part of it
        return value.strip("\r\n" + _UNSEEN)
    return value.strip().strip(_UNSEEN).strip()


class Environment(EnvSettingsSource):
    """The real variables, trimmed. `docker run --env-file` leaves quotes where they are: a pair around a value goes.

    A token or a password stands as it is: its quotes may be its own.
    """

    def _load_env_vars(self) -> Mapping[str, str | None]:
        found = {}
        for name, value in super()._load_env_vars().items():
            text = _trimmed(name, value or "") if name in self.settings_cls.model_fields else ""
            if name not in _AS_THEY_STAND and len(text) > 1 and text[0] in "\"'" and text[0] == text[-1]:
                text = text[1:-1].strip()
            if text:
                found[name] = text
        return found


class EnvFile(PydanticBaseSettingsSource):
    """The lines of `.env`, each value as it stands: a token may hold `${`, and Docker reads such a line the same way.

    pydantic-settings' own source puts other variables' values in the place of `${NAME}`.
    """

    def __init__(self, settings_cls: type[BaseSettings], path: str | None) -> None:
        super().__init__(settings_cls)
        self._path = path

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not asked: the whole file is read at once."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        """Return the values by field. Names are read in either case, and an empty value counts as unset."""
        if self._path is None:
            return {}
        try:
            content = Path(self._path).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return {}
        # PowerShell's > writes UTF-16.
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        lines = dotenv_values(stream=io.StringIO(content.decode(encoding)), interpolate=False)
        named = ((name.strip(_UNSEEN).lower(), value or "") for name, value in lines.items())
        values = {name: _trimmed(name, value) for name, value in named if name in self.settings_cls.model_fields}
        return {name: value for name, value in values.items() if value}
