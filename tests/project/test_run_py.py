"""run.py as a new user meets it: a copy of the project, an empty home, no terminal, real packages, real processes."""

from __future__ import annotations

import ast
import fcntl
import os
import re
import runpy
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from pulsemon.settings import PLACEHOLDERS, Settings, load
from tests.conftest import ROOT, free_port, require, wait_until

# Everything run.py needs of the project.
PARTS = ("run.py", "requirements.txt", "requirements-dev.txt", ".env.example", "pulsemon", "app")


def copy_project(folder: Path) -> Path:
    """Copy what run.py needs into *folder*, without packages, secrets and data."""
    folder.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, folder / part)
    return folder


def bare_environment(home: Path, **variables: str) -> dict[str, str]:
    """Return the environment of somebody who has set nothing."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    return kept | {"PATH": os.environ["PATH"], "HOME": str(home)} | variables


@dataclass
class Clone:
    """A copy of the project whose packages run.py installed, and what it said meanwhile."""

    folder: Path
    installing: str

    def run(self, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `python3 run.py ARGUMENTS` to its end."""
        return run_file(self.folder / "run.py", *arguments, cwd=cwd, wrapper=(), **variables)


def run_file(
    file: Path, *arguments: str, cwd: Path, wrapper: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    command = [*wrapper, sys.executable, str(file), *arguments]
    environment = bare_environment(cwd, **variables)
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Installed once, by run.py itself, for all tests of this file."""
    home = tmp_path_factory.mktemp("home")
    folder = copy_project(home / "clone")
    done = run_file(folder / "run.py", "--version", cwd=home)
    assert done.returncode == 0, done.stderr
    return Clone(folder, done.stderr)


@dataclass
class Started:
    """A run.py that serves."""

    process: subprocess.Popen[bytes]
    url: str
    output: Path

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def answers(self) -> bool:
        assert self.process.poll() is None, self.text()
        try:
            return httpx2.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    def interrupt(self) -> int:
        """Press Ctrl-C, and return the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture
def start(clone: Clone, tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Start `python3 run.py` in a folder and wait until it answers."""
    running: list[Started] = []

    def start_one(cwd: Path, **variables: str) -> Started:
        port = free_port()
        output = tmp_path / f"output-{len(running)}.txt"
        environment = bare_environment(cwd, APP_HOST="127.0.0.1", APP_PORT=str(port), **variables)
        command = [sys.executable, str(clone.folder / "run.py")]
        with output.open("wb") as out:
            process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=out, stderr=subprocess.STDOUT)
        running.append(Started(process, f"http://127.0.0.1:{port}", output))
        wait_until(running[-1].answers)
        return running[-1]

    yield start_one
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait(60)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty working directory."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def without_write_access() -> tuple[str, ...]:
    """Return what to put before a command so that file modes bind it, even where the tests run as root."""
    if os.geteuid() != 0:
        return ()
    return (require("setpriv"), "--bounding-set", "-dac_override", "--inh-caps", "-dac_override")


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Assert that it failed, and that standard error is one line that holds *words*."""
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not [word for word in words if word not in done.stderr], done.stderr


def test_the_first_start_makes_secrets_and_shows_the_token_once(
    start: Callable[..., Started], clone: Clone, data: Path
) -> None:
    first = start(data)

    file = data / ".env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    values = dict(line.split("=", 1) for line in file.read_text().splitlines() if not line.startswith("#"))
    assert set(values) == {"ADMIN_TOKEN", "ADMIN_SESSION_SECRET"}
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", value) for value in values.values())
    assert values["ADMIN_TOKEN"] != values["ADMIN_SESSION_SECRET"]
    assert first.url in first.text()
    assert values["ADMIN_TOKEN"] in first.text()
    assert values["ADMIN_SESSION_SECRET"] not in first.text()
    header = {"X-Admin-Token": values["ADMIN_TOKEN"]}
    assert httpx2.get(f"{first.url}/api/monitors", headers=header).status_code == 200
    assert (data / "pulsemon.db").exists()
    assert not (clone.folder / "pulsemon.db").exists()
    first.interrupt()

    second = start(data)

    assert second.url in second.text()
    assert str(file) in second.text()
    assert values["ADMIN_TOKEN"] not in second.text()
    assert "Installing" in clone.installing
    assert "Installing" not in second.text()


def test_ctrl_c_ends_it_without_a_traceback(start: Callable[..., Started], data: Path) -> None:
    started = start(data)

    assert started.interrupt() in (0, 130)

    assert "Traceback" not in started.text()
    assert "KeyboardInterrupt" not in started.text()


def test_ctrl_c_during_the_start_ends_it_without_a_traceback(clone: Clone, data: Path) -> None:
    environment = bare_environment(data, APP_HOST="127.0.0.1", APP_PORT=str(free_port()))
    command = [sys.executable, str(clone.folder / "run.py")]
    process = subprocess.Popen(
        command, cwd=data, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert "PulseMon" in process.stdout.readline()
    # The program has been handed over once it has mapped a library that only PulseMon needs.
    maps = Path(f"/proc/{process.pid}/maps")
    wait_until(lambda: "_ssl" in maps.read_text() or "pydantic_core" in maps.read_text(), every=0.005)

    process.send_signal(signal.SIGINT)

    _, stderr = process.communicate(timeout=60)
    assert process.returncode in (0, 130, -signal.SIGINT)
    assert "Traceback" not in stderr


def test_a_token_of_the_environment_is_named_and_never_printed(start: Callable[..., Started], data: Path) -> None:
    started = start(data, ADMIN_TOKEN="a-token-set-by-the-service-manager")

    assert "ADMIN_TOKEN of the environment" in started.text()
    assert "a-token-set-by-the-service-manager" not in started.text()
    assert (data / ".env").read_text().split("ADMIN_TOKEN=")[1].splitlines()[0] not in started.text()


def test_the_example_starts_with_administration_closed(start: Callable[..., Started], data: Path) -> None:
    shutil.copy(ROOT / ".env.example", data / ".env")

    started = start(data)

    assert httpx2.get(f"{started.url}/status").status_code == 200
    refused = httpx2.get(f"{started.url}/api/monitors", headers={"X-Admin-Token": "change-this-token"})
    assert refused.status_code == 401
    assert "ADMIN_TOKEN" in refused.json()["detail"]
    said = [line for line in started.text().splitlines() if "administration is closed" in line and ".env" in line]
    assert len(said) == 1, started.text()
    assert (data / ".env").read_bytes() == (ROOT / ".env.example").read_bytes()


def test_a_wrong_value_is_one_line_that_names_it(clone: Clone, data: Path) -> None:
    (data / ".env").write_text("ADMIN_TOKEN=0123456789abcdef\nWORKER_INTERVAL_SEC=soon\n")

    done = clone.run(cwd=data)

    assert_one_line(done, "WORKER_INTERVAL_SEC", "soon")
    assert "Traceback" not in done.stdout
    assert "0123456789abcdef" not in done.stdout + done.stderr
    assert [path.name for path in data.iterdir()] == [".env"]


def test_other_words_are_commands_of_pulsemon_on_the_data_of_the_working_directory(clone: Clone, data: Path) -> None:
    # A file that lies among the data must not be imported in the place of a library.
    (data / "secrets.py").write_text("raise SystemExit('imported from the data')")

    done = clone.run("migrate", cwd=data)

    assert done.returncode == 0, done.stderr
    assert (data / "pulsemon.db").exists()
    assert not (data / ".env").exists()


def test_help_names_the_commands_and_installs_nothing(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "clone")

    done = run_file(folder / "run.py", "--help", cwd=tmp_path)

    assert done.returncode == 0
    assert all(f"run.py {word}" in done.stdout for word in ("test", "check", "bench"))
    assert not (folder / ".venv").exists()


def test_changed_requirements_are_installed_once_by_two_at_a_time(clone: Clone, data: Path) -> None:
    with (clone.folder / "requirements.txt").open("a") as file:
        file.write("# changed\n")
    command = [sys.executable, str(clone.folder / "run.py"), "--version"]
    with (clone.folder / ".venv.lock").open("a+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        both = [
            subprocess.Popen(
                command, cwd=data, env=bare_environment(data), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            for _ in range(2)
        ]
        for each in both:
            assert each.stderr is not None
            assert "waiting" in each.stderr.readline()

    ends = [each.communicate(timeout=120) for each in both]

    assert [each.returncode for each in both] == [0, 0], ends
    assert sum("Installing" in stderr for _, stderr in ends) == 1
    assert "Installing" not in clone.run("--version", cwd=data).stderr


def test_without_network_nothing_is_left_behind_and_the_reason_is_quoted(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "clone")
    # A start that was cut off in the middle left this: it is made anew, not trusted.
    (folder / ".venv").mkdir()
    (folder / ".venv" / "pulsemon-unfinished").touch()

    done = run_file(
        folder / "run.py",
        cwd=tmp_path,
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_RETRIES="0",
        PIP_NO_CACHE_DIR="1",
        PIP_CONFIG_FILE=os.devnull,
        PIP_FIND_LINKS="",
        PIP_EXTRA_INDEX_URL="",
    )

    assert done.returncode == 1
    assert "pip could not install requirements.txt" in done.stderr
    assert "Nothing was changed" in done.stderr
    assert "aiosmtplib" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / ".venv").exists()
    assert not (tmp_path / ".env").exists()


def test_a_python_without_venv_says_what_to_install(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "clone")
    # As on Debian without python3-venv: the module cannot be found.
    code = "import runpy, sys; sys.modules['ensurepip'] = None; runpy.run_path('run.py', run_name='__main__')"

    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)

    assert_one_line(done, "apt install python3-venv")
    assert not (folder / ".venv").exists()


def test_an_older_python_is_told_so_in_one_line(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "clone")
    ast.parse((folder / "run.py").read_text(), feature_version=(3, 7))
    code = "import runpy, sys; sys.version_info = (3, 10, 4); runpy.run_path('run.py', run_name='__main__')"

    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)

    assert_one_line(done, "needs Python 3.11 or newer")


def test_a_venv_of_somebody_else_that_does_not_work_is_left_alone(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "clone")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "precious.txt").write_text("mine")

    done = run_file(folder / "run.py", cwd=tmp_path)

    assert_one_line(done, str(folder / ".venv"))
    assert (folder / ".venv" / "precious.txt").read_text() == "mine"


def test_a_project_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "clone")
    folder.chmod(0o555)

    done = run_file(folder / "run.py", cwd=tmp_path, wrapper=without_write_access())

    folder.chmod(0o755)
    assert_one_line(done, str(folder), "cannot be written")


def test_a_working_directory_that_cannot_be_written_is_one_line(clone: Clone, data: Path) -> None:
    data.chmod(0o555)

    done = run_file(clone.folder / "run.py", cwd=data, wrapper=without_write_access())

    data.chmod(0o755)
    assert_one_line(done, str(data / ".env"))


def test_an_env_file_that_cannot_be_read_is_one_line(clone: Clone, data: Path) -> None:
    (data / ".env").mkdir()

    assert_one_line(clone.run(cwd=data), str(data / ".env"), "cannot be read")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "http://localhost:8088"),
        ({"APP_HOST": "::", "APP_PORT": "80"}, "http://localhost:80"),
        ({"APP_HOST": "192.0.2.7"}, "http://192.0.2.7:8088"),
        ({"APP_HOST": "2001:db8::7"}, "http://[2001:db8::7]:8088"),
    ],
)
def test_the_address_is_one_that_can_be_opened(values: dict[str, str], expected: str) -> None:
    assert runpy.run_path(str(ROOT / "run.py"))["address"](values) == expected


@pytest.mark.parametrize(
    "line",
    [
        "ADMIN_TOKEN=the-value",
        "admin_token = the-value",
        'export ADMIN_TOKEN="the-value"',
        "ADMIN_TOKEN='the-value' # why",
        "ADMIN_TOKEN=the-value # why",
        "\ufeffADMIN_TOKEN=the-value",
        "ADMIN_TOKEN=the-value\r\nAPP_PORT=",
    ],
)
def test_env_files_of_every_dialect_are_read(line: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(line, "utf-8")

    assert runpy.run_path(str(ROOT / "run.py"))["read_env_file"](tmp_path / ".env") == {"ADMIN_TOKEN": "the-value"}


TITLES = [
    "PUBLIC_STATUS_TITLE=${HOME} and $HOME",
    "PUBLIC_STATUS_TITLE='${HOME}'",
    'PUBLIC_STATUS_TITLE="${HOME:-x}$${X}"',
    "PUBLIC_STATUS_TITLE=a#b",
    "PUBLIC_STATUS_TITLE=#b",
    "PUBLIC_STATUS_TITLE= # only a comment",
    "PUBLIC_STATUS_TITLE=a #b #c",
    "PUBLIC_STATUS_TITLE='a'# c",
    "PUBLIC_STATUS_TITLE='a # b'  # c",
    "PUBLIC_STATUS_TITLE='a'b",
    "PUBLIC_STATUS_TITLE=it's",
    'PUBLIC_STATUS_TITLE="a\\"b\\tc\\\\d"',
    "PUBLIC_STATUS_TITLE='a\\'b\\\\c\\d'",
    "PUBLIC_STATUS_TITLE=a\\tb",
    "PUBLIC_STATUS_TITLE = a\u2028b\x0bc",
    "PUBLIC_STATUS_TITLE",
    "=a",
]


@pytest.mark.parametrize("line", TITLES)
def test_a_value_of_the_env_file_stands_as_written_and_is_read_as_the_settings_read_it(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes(line.encode())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PUBLIC_STATUS_TITLE", raising=False)

    written = runpy.run_path(str(ROOT / "run.py"))["read_env_file"](tmp_path / ".env")

    assert written.get("PUBLIC_STATUS_TITLE", "Status — PulseMon") == load().public_status_title


def test_check_goes_on_after_a_failure_and_names_what_failed(tmp_path: Path) -> None:
    code = (
        "import pathlib, runpy, sys\n"
        f"run = runpy.run_path({str(ROOT / 'run.py')!r})['run_checks']\n"
        "run.__globals__['VENV_PYTHON'] = pathlib.Path(sys.executable)\n"
        "run.__globals__['CHECKS'] = (('first', ('-c', 'raise SystemExit(3)')), ('second', ('-c', 'print(42)')))\n"
        "sys.exit(run())\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stdout.splitlines() == ["--- first", "--- second", "42", "check: FAILED: first"]


def test_the_placeholders_are_those_of_the_settings() -> None:
    assert runpy.run_path(str(ROOT / "run.py"))["PLACEHOLDERS"] == PLACEHOLDERS


def test_the_example_holds_every_setting_with_its_default_and_nothing_that_docker_would_misread() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    assert list(values) == [name.upper() for name in Settings.model_fields]
    assert {values.pop("ADMIN_TOKEN"), values.pop("ADMIN_SESSION_SECRET")} <= PLACEHOLDERS
    for name, value in values.items():
        default = Settings.model_fields[name.lower()].default
        default = default.get_secret_value() if isinstance(default, SecretStr) else default
        expected = ",".join(default) if isinstance(default, tuple) else str(default)
        assert value == (expected.lower() if isinstance(default, bool) else expected), name
        assert value == value.strip()
        assert not re.search(r"[\"'#]", value), name
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            assert lines[number - 1], f"no comment above {line}"
