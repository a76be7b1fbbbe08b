"""A log line is one line, and nothing secret is in it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pulsemon import log, redaction
from tests.conftest import ROOT

TOKEN = "tok3n-that-nobody-may-read"
PATH = f"/h/backup/{TOKEN}"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


Lines = Callable[[], list[str]]


@pytest.fixture(params=["console", "json"])
def lines(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Lines:
    """Log in one of the two forms; calling it returns what was written since."""
    log.configure(level="DEBUG", form=request.param)
    return lambda: capsys.readouterr().err.splitlines()


@pytest.fixture
def json_lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, object]]]:
    log.configure(level="DEBUG", form="json")
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_is_one_line_with_its_fields(lines: Lines) -> None:
    log.get("test").info("delivery.retry", attempt=3)

    (line,) = lines()
    assert "delivery.retry" in line
    assert "attempt" in line
    assert "3" in line


def test_the_json_form_is_one_object_a_line_with_time_level_and_event(
    json_lines: Callable[[], list[dict[str, object]]],
) -> None:
    log.get("test").warning("ping.unavailable", pings=7, reason=None, is_late=True, names=["a", "b"])

    (line,) = json_lines()
    assert (line["event"], line["level"]) == ("ping.unavailable", "warning")
    assert (line["pings"], line["reason"], line["is_late"], line["names"]) == (7, None, True, ["a", "b"])
    assert str(line["timestamp"]).endswith("Z")


HOSTILE = [
    "a\nb",
    "a\r\nb",
    "\x1b[31mred\x1b[0m",
    "\x00",
    "\x7f",
    "\x9b2J",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\x85",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_a_user_typed_can_neither_end_a_line_nor_move_a_cursor(lines: Lines, text: str) -> None:
    log.get("test").info("event", user_agent=text, nested={"key": [text]}, raw=text.encode(), exotic=KeyError(text))

    found = lines()
    assert len(found) == 1
    control = [each for each in found[0] if not each.isprintable()]
    assert control == []


def test_a_control_character_in_the_event_itself_does_no_harm(lines: Lines) -> None:
    log.get("test").info("event\nforged=line")

    assert len(lines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        PATH,
        f"GET {PATH} HTTP/1.1",
        f"http://localhost:8088{PATH}/start?rid=1",
        f"{PATH}/",
        f"'{PATH}'",
        f"/h/c%C3%B3pia%20noturna/{TOKEN}",
        f"/h/cópia noturna/{TOKEN}",
        f"/H/backup/{TOKEN}",
        f"one {PATH} and another {PATH}/fail",
    ],
)
def test_the_token_of_a_ping_path_is_masked_wherever_it_turns_up(lines: Lines, text: str) -> None:
    log.get("test").info(text, path=text, nested={"paths": [text]}, raw=text.encode())
    logging.getLogger("some.library").warning("failed: %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        log.get("test").exception("request.failed")
        logging.getLogger("some.library").exception("failed too")

    written = "\n".join(lines())
    assert TOKEN not in written
    assert redaction.MASK in written


def test_a_field_that_is_named_as_a_secret_is_none_in_the_log(lines: Lines) -> None:
    names = {
        "password": TOKEN,
        "smtp_password": TOKEN,
        "Authorization": TOKEN,
        "cookie": [TOKEN],
        "x-admin-token": TOKEN,
    }
    log.get("test").info("event", headers=names, token=TOKEN, none={"token": None})

    assert TOKEN not in "".join(lines())


def test_a_secret_of_a_very_long_text_is_not_in_what_is_left_of_it(lines: Lines) -> None:
    redaction.know(long_one := "canary-" + "x1" * 100)
    for before in range(7_700, 8_100, 50):
        log.get("test").info("event", text="y" * before + long_one + "y" * 9_000, path="/" + "z" * before + PATH)

    written = "".join(lines())
    assert "canary" not in written
    assert TOKEN not in written


def test_tracebacks_that_nobody_catches_hold_no_secret(tmp_path: Path) -> None:
    program = f"""if True:
        import threading
        from pulsemon import log
        log.hide_what_nobody_catches()
        def fail():
            raise ValueError("{PATH} in a thread")
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        raise ValueError("{PATH} in the end")
    """

    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert [line for line in ended.stderr.splitlines() if line.startswith("ValueError")] == [
        "ValueError: /h/backup/*** in a thread",
        "ValueError: /h/backup/*** in the end",
    ]


def test_a_traceback_keeps_its_lines_in_the_console_and_is_one_object_in_json(
    json_lines: Callable[[], list[dict[str, object]]],
) -> None:
    try:
        raise ValueError("by the test\n\x1b[31m")
    except ValueError:
        log.get("test").exception("failed")

    (line,) = json_lines()
    assert "Traceback" in str(line["exception"])
    assert "\x1b" not in str(line["exception"])


@pytest.mark.parametrize(
    "name", ["uvicorn.access", "sqlalchemy.engine.Engine", "httpx2", "httpcore2.http11", "psycopg"]
)
def test_libraries_that_print_paths_urls_or_parameters_are_silent_at_debug(lines: Lines, name: str) -> None:
    logging.getLogger(name).debug("parameters: %s", TOKEN)
    logging.getLogger(name).info('%s - "GET %s"', "127.0.0.1", TOKEN)

    assert lines() == []


def test_uvicorn_s_own_words_are_lines_of_ours(json_lines: Callable[[], list[dict[str, object]]]) -> None:
    logging.getLogger("uvicorn.error").info("Uvicorn running on %s", "http://0.0.0.0:8088")

    assert [line["event"] for line in json_lines()] == ["Uvicorn running on http://0.0.0.0:8088"]


def test_below_the_level_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="WARNING", form="json")
    log.get("test").info("started")
    logging.getLogger("uvicorn.error").info("started")

    assert capsys.readouterr().err == ""


def test_the_line_follows_standard_error_wherever_it_is_put(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form="json")
    with capsys.disabled():
        pass
    log.get("test").info("still.here")

    assert "still.here" in capsys.readouterr().err
