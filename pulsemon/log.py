"""Logs: an event name and fields, one line each, never a secret, never a control character.

`configure` is called once by whoever starts a process. Everybody may import this module.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from typing import Any

import structlog

from pulsemon import redaction

# What could end a line, move the cursor or colour a terminal, plus the separators that some viewers break lines at.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# Longer texts are cut: nobody reads them, and to look for secrets in them takes time.
_MAX_LENGTH = 8_000
# A secret that the cut went through is not recognised; no secret of ours is longer.
_CUT_MARGIN = 300


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", _redacted(value.rstrip("\n")))
    if isinstance(value, bytes):
        return _clean(value.decode("utf-8", "replace"))
    if isinstance(value, dict):
        return {_clean(key): _clean_named(key, inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _clean(str(value))


def _redacted(text: str) -> str:
    if len(text) <= _MAX_LENGTH:
        return redaction.redact(text)
    return redaction.redact(text[:_MAX_LENGTH])[:-_CUT_MARGIN] + "..."


def _clean_named(name: Any, value: Any) -> Any:
    return redaction.MASK if value and isinstance(name, str) and redaction.is_secret_name(name) else _clean(value)


def _clean_fields(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: _clean_named(key, value) for key, value in event.items() if key != "exc_info"} | (
        {"exc_info": event["exc_info"]} if "exc_info" in event else {}
    )


def _clean_exception(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Take out the secrets that a traceback may quote; its line breaks stay."""
    if isinstance(text := event.get("exception"), str):
        event["exception"] = "\n".join(_clean(line) for line in text.splitlines())
    return event


class _StandardError(logging.StreamHandler[Any]):
    """Writes to whatever standard error is at the moment of writing: it may be replaced while the process runs."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        """Return standard error."""
        return sys.stderr


def hide_what_nobody_catches() -> None:
    """Take the secrets out of tracebacks that Python itself writes, of this thread and of others.

    For whoever owns the process, and for nobody else: it is process-wide.
    """

    def write(error: BaseException | None) -> None:
        text = "".join(traceback.format_exception(error))
        sys.stderr.write("\n".join(_clean(line) for line in text.splitlines()) + "\n")

    sys.excepthook = lambda kind, error, trace: (
        sys.__excepthook__(kind, error, trace) if issubclass(kind, KeyboardInterrupt) else write(error)
    )
    threading.excepthook = lambda args: None if args.exc_type is SystemExit else write(args.exc_value)


def configure(*, level: str, form: str) -> None:
    """Send every log line of the process to standard error: ours, and those of the libraries.

    *level* is a name of the standard library (`INFO`), *form* is `console` or `json`.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _clean_fields,
        structlog.processors.format_exc_info,
        _clean_exception,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    handler = _StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    _quiet_libraries(level)


def _quiet_libraries(level: str) -> None:
    """Make uvicorn's lines ours, and silence what would print secrets.

    uvicorn's access log prints the path of a ping and with it the token, so it is switched off for good; an access log
    of ours stands in `web.http.security`. SQLAlchemy's and httpcore's debug lines print parameters and URLs.
    """
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(level)
    # It follows the line that says why, and says nothing more.
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: record.getMessage() != "Application startup failed. Exiting."
    )
    talkative = ("sqlalchemy", "httpx2", "httpcore2", "aiosmtplib", "alembic", "psycopg", "asyncio", "multipart")
    for name in (*talkative, "python_multipart"):
        logging.getLogger(name).setLevel(logging.WARNING)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of the module *name*."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
