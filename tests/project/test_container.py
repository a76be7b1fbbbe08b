"""The image without a Docker engine: the Dockerfile's own lines are carried out in a clean folder, then its CMD runs.

Absolute paths of the image lead into that folder, its Python is a fresh virtual environment, and its user is the real
number. Where the tests do not run as root the user cannot be made and everything runs as whoever runs the tests.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.conftest import ROOT, free_port, wait_until

UID = 10001
IS_ROOT = os.geteuid() == 0
# How a process becomes the image's user.
IDS: dict[str, Any] = {"user": UID, "group": UID, "extra_groups": []} if IS_ROOT else {}
# Folders of the image that the Dockerfile writes to.
IMAGE_PATHS = re.compile(r"(?<![\w./])/(?=(?:opt|data)\b)")


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the Dockerfile's lines as (instruction, rest), comments dropped and continuations joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines()]


def context_files() -> set[str]:
    """Return the files that the build may see: `.dockerignore` leaves out all but what it names with `!`."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert patterns[0] == "*", "the list must begin with nothing allowed"
    wanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    unwanted = [pattern.removeprefix("**/") for pattern in patterns[1:] if not pattern.startswith("!")]
    found = (
        path for name in wanted for path in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))
    )
    return {
        str(path.relative_to(ROOT))
        for path in found
        if path.is_file()
        and not any(fnmatch.fnmatch(part, glob) for part in path.relative_to(ROOT).parts for glob in unwanted)
    }


@dataclass
class Image:
    """What a Dockerfile made, as far as a folder can be an image."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    # USER, WORKDIR and the like, as they stand in the file.
    settled: dict[str, str] = field(default_factory=dict)

    def path(self, name: str) -> str:
        """Return where the absolute paths in *name* lie in the folder."""
        return IMAGE_PATHS.sub(f"{self.root}/", name)

    def carry_out(self, name: str, rest: str) -> None:
        """Carry out one instruction; one that is not known fails the test."""
        match name:
            case "FROM":
                assert re.fullmatch(r"python:3\.(1[1-9])-slim-bookworm", rest)
            case "ENV":
                pairs = (pair.split("=", 1) for pair in shlex.split(rest))
                self.environment |= {key: self.path(value) for key, value in pairs}
            case "RUN":
                self.run(rest)
            case "COPY":
                self.copy(*shlex.split(rest))
            case "HEALTHCHECK":
                self.health = [self.path(part) for part in json.loads(rest[rest.index("[") :])]
            case "CMD":
                self.command = json.loads(rest)
            case "USER" | "WORKDIR" | "VOLUME" | "EXPOSE" | "STOPSIGNAL":
                self.settled[name] = rest
            case _:
                pytest.fail(f"this test does not know the instruction {name}")

    def run(self, line: str) -> None:
        line = self.path(line)
        if IS_ROOT:
            line = line.replace("useradd ", f"useradd --prefix {self.root} ")
        else:
            line = re.sub(r"useradd [^&]*", "true ", line).replace(f"--owner {UID} --group {UID}", "")
        done = subprocess.run(["sh", "-c", line], env=self.variables(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"

    def copy(self, source: str, target: str) -> None:
        chosen = [name for name in context_files() if name == source or name.startswith(f"{source}/")]
        assert chosen, f".dockerignore lets nothing of {source} through"
        for name in chosen:
            inside = name.removeprefix(source).lstrip("/") or Path(source).name
            place = Path(self.path(target)) / inside
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place)

    def variables(self, **more: str) -> dict[str, str]:
        """Return a container's environment: the image's own, and nothing of this machine but what pip needs."""
        pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
        return pip | {"PATH": f"{self.root}/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin"} | self.environment | more

    def execute(self, command: list[str], env: dict[str, str], output: Path) -> subprocess.Popen[bytes]:
        """Start *command* as a container would: as the image's user, in its working directory."""
        program = shutil.which(command[0], path=env["PATH"]) or command[0]
        workdir = self.path(self.settled["WORKDIR"])
        with output.open("ab") as out:
            return subprocess.Popen([program, *command[1:]], cwd=workdir, env=env, stdout=out, stderr=out, **IDS)


def python_for_the_user() -> str:
    """Return a Python that the image's user may run: this one, unless it lies in a home that is closed to others."""
    candidates = [os.path.realpath(sys.executable), "/usr/bin/python3"]
    for candidate in candidates if IS_ROOT else candidates[:1]:
        code = "import sys, venv, ensurepip; raise SystemExit(sys.version_info < (3, 11))"
        try:
            if subprocess.run([candidate, "-c", code], cwd="/", check=False, **IDS).returncode == 0:
                return candidate
        except PermissionError:
            continue
    pytest.fail(f"none of {candidates} can be run by user {UID}")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """The Dockerfile, carried out line by line."""
    # Not below pytest's own folder, which only its owner may enter.
    root = Path(tempfile.mkdtemp(prefix="pulsemon-image-"))
    try:
        root.chmod(0o755)
        (root / "etc").mkdir()
        for name in ("passwd", "group", "login.defs"):
            shutil.copy(f"/etc/{name}", root / "etc" / name)
        subprocess.run([python_for_the_user(), "-m", "venv", str(root / "venv")], check=True)
        made = Image(root)
        for name, rest in instructions((ROOT / "Dockerfile").read_text()):
            made.carry_out(name, rest)
        yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def docker_env_file(file: Path) -> dict[str, str]:
    """Read *file* as `docker run --env-file` does: everything behind the first = is the value."""
    lines = [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"

    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_image_serves_answers_its_healthcheck_and_stops_with_0(image: Image, tmp_path: Path) -> None:
    port = str(free_port())
    env = image.variables(**docker_env_file(ROOT / ".env.example") | {"APP_PORT": port})
    log = tmp_path / "log.txt"
    container = image.execute(image.command, env, log)
    try:

        def is_up() -> bool:
            assert container.poll() is None, log.read_text()
            try:
                return httpx2.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
            except httpx2.TransportError:
                return False

        wait_until(is_up)
        assert httpx2.get(f"http://127.0.0.1:{port}/status").status_code == 200
        assert image.execute(image.health, env, log).wait(60) == 0
        container.send_signal(getattr(signal, image.settled["STOPSIGNAL"]))
        assert container.wait(60) == 0, log.read_text()
    finally:
        if container.poll() is None:
            container.kill()
            container.wait(60)

    assert image.execute(image.health, env, log).wait(60) == 1
    database = image.root / "data" / "pulsemon.db"
    assert database.stat().st_uid == (UID if IS_ROOT else os.geteuid())
    assert "Traceback" not in log.read_text()


def can_confine() -> bool:
    """Return whether a process here may make the root read-only for itself and give up root's rights."""
    probe = ["unshare", "--mount", "mount", "-o", "remount,bind,ro", "/"]
    return IS_ROOT and subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_confine(), reason="needs a mount namespace of its own")
def test_the_image_serves_on_a_root_that_is_read_only_without_a_single_capability(image: Image, tmp_path: Path) -> None:
    port = str(free_port())
    env = image.variables(ADMIN_TOKEN="a-token-of-some-length", APP_PORT=port)
    data = image.path("/data")
    # As compose.yml has it: the volume, /tmp and what the system keeps in memory can be written, nothing else.
    confined = (
        f"mount --bind {data} {data} && mount -t tmpfs tmpfs /var/tmp && mount -o remount,bind,ro / && cd {data} && "
        f"exec setpriv --reuid {UID} --regid {UID} --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "
        f"env TMPDIR=/var/tmp {shlex.join(image.command)}"
    )
    with (tmp_path / "log.txt").open("ab") as log:
        container = subprocess.Popen(["unshare", "--mount", "sh", "-c", confined], env=env, stdout=log, stderr=log)
    try:

        def is_up() -> bool:
            assert container.poll() is None, (tmp_path / "log.txt").read_text()
            try:
                return httpx2.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
            except httpx2.TransportError:
                return False

        wait_until(is_up)
        headers = {"X-Admin-Token": env["ADMIN_TOKEN"]}
        body = {"name": "job", "slug": f"job-{port}", "interval_seconds": 60}
        made = httpx2.post(f"http://127.0.0.1:{port}/api/monitors", json=body, headers=headers)
        assert made.status_code == 201, made.text
        assert httpx2.get(made.json()["ping_url"]).status_code == 200
        logo = {"title": "x" * 100, "logo": "y" * 2_000_000}
        assert httpx2.post(f"http://127.0.0.1:{port}/login", data=logo).status_code < 500
        status = Path(f"/proc/{container.pid}/status").read_text()
        assert len(re.findall(r"Cap(?:Prm|Eff|Bnd):\s+0+\n", status)) == 3, status
    finally:
        container.terminate()
        assert container.wait(60) == 0, (tmp_path / "log.txt").read_text()


def test_the_data_lie_on_the_volume_and_belong_to_the_user_of_the_image(image: Image) -> None:
    assert image.settled["WORKDIR"] == "/data"
    assert json.loads(image.settled["VOLUME"]) == ["/data"]
    assert image.settled["EXPOSE"] == "8088"
    assert image.settled["USER"] == f"{UID}:{UID}"
    if IS_ROOT:
        assert (image.root / "data").stat().st_uid == UID
        # The password field depends on whether the system keeps a shadow file; nobody can log in either way.
        assert re.search(rf"^pulsemon:[x!]:{UID}:{UID}:", (image.root / "etc" / "passwd").read_text(), re.MULTILINE)


def test_no_secret_and_no_history_can_reach_the_image() -> None:
    files = context_files()

    assert {"requirements.txt", "app/main.py", "pulsemon/__init__.py", "docker/healthcheck.py"} <= files
    assert not [name for name in files if re.search(r"\.env|\.db|\.git|__pycache__|^tests", name)]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "sqlite:///./pulsemon.db"),
        ({"DATABASE_URL": "postgresql://a:b@db.example.org/c"}, "postgresql://a:b@db.example.org/c"),
        # No password of ours: the database refuses to start and says what to write.
        ({"COMPOSE_PROFILES": "postgres"}, "postgresql://pulsemon:@postgres/pulsemon"),
        # What `cp .env.example .env` leaves in the file must not keep the profile from having its way.
        (
            {"COMPOSE_PROFILES": "postgres", "POSTGRES_PASSWORD": "s3", "DATABASE_URL": "sqlite:///./pulsemon.db"},
            "postgresql://pulsemon:s3@postgres/pulsemon",
        ),
    ],
)
def test_compose_points_at_postgresql_exactly_with_the_profile(variables: dict[str, str], expected: str) -> None:
    found = re.search(r"^ +DATABASE_URL: (\S+)$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    assert found
    # Compose's ${A:-b} and ${A:+b}, nested ones too, are the shell's.
    done = subprocess.run(
        ["sh", "-c", f'printf %s "{found[1]}"'], env=variables, capture_output=True, text=True, check=True
    )

    assert done.stdout == expected


def services() -> dict[str, dict[str, Any]]:
    """Return what docker-compose.yml says of each service."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


@pytest.mark.parametrize("name", ["pulsemon", "postgres"])
def test_compose_gives_a_container_no_right_that_its_work_does_not_need(name: str) -> None:
    service = services()[name]

    assert set(services()) == {"pulsemon", "postgres"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"]
    assert service["mem_limit"]
    assert service["logging"]["options"]["max-size"]
    assert not service.get("privileged")
    # The rest of what is written: the volume, and what stays in memory.
    assert "/tmp" in service["tmpfs"]


def test_compose_publishes_the_panel_alone_and_keeps_the_volumes_of_old() -> None:
    assert services()["pulsemon"]["ports"] == ["${APP_PORT:-8088}:8088"]
    assert "ports" not in services()["postgres"]
    assert services()["pulsemon"]["volumes"] == ["pulsemon-data:/data"]
    assert services()["postgres"]["volumes"] == ["postgres-data:/var/lib/postgresql"]


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "COMPOSE_PROFILES=postgres"),
        ({"CHOSEN_PROFILES": "postgres"}, "POSTGRES_PASSWORD=..."),
        ({"CHOSEN_PROFILES": "postgres", "POSTGRES_PASSWORD": "s3"}, None),
    ],
)
def test_the_database_of_compose_has_no_password_that_everybody_knows(
    variables: dict[str, str], says: str | None, tmp_path: Path
) -> None:
    """Its own line starts it, or says in one line what to write into .env."""
    *shell, script = services()["postgres"]["entrypoint"]
    (tmp_path / "docker-entrypoint.sh").write_text("#!/bin/sh\necho started $1\n")
    (tmp_path / "docker-entrypoint.sh").chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"} | variables

    done = subprocess.run([*shell, script.replace("$$", "$")], env=env, capture_output=True, text=True, check=False)

    assert "pulsemon" not in services()["postgres"]["environment"]["POSTGRES_PASSWORD"]
    if says is None:
        assert (done.returncode, done.stdout) == (0, "started postgres\n")
        return
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr
