"""The lines that the panel hands out: pasted as they are, they arrive."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from pulsemon.core import schedule
from pulsemon.monitors.manage import ping_path
from pulsemon.web.panel import connect
from tests.conftest import Server, require, wait_until

HOSTILE_SLUG = "Relatório diário/100% $(id) `id` 'x' \"y\" ;&|"
URL = "https://status.example.org" + ping_path(HOSTILE_SLUG, "to-ken_1")


def text_of(key: str, url: str = URL, interval_seconds: int = 900) -> str:
    return next(line.text for line in connect.lines(url, interval_seconds=interval_seconds) if line.key == key)


def test_a_ping_url_holds_nothing_that_a_shell_or_a_file_would_read() -> None:
    assert re.fullmatch(r"https://status\.example\.org/h/[A-Za-z0-9._~%-]+/to-ken_1", URL)


@pytest.mark.parametrize("key", ["curl", "python"])
def test_the_line_pings(server: Server, key: str) -> None:
    monitor = server.create(slug="a.b-c_1")
    line = text_of(key, server.url + ping_path(monitor["slug"], monitor["token"]))
    command = ["sh", "-ec", line] if key == "curl" else [sys.executable, "-c", line]
    if key == "curl":
        require("curl")

    subprocess.run(command, check=True, timeout=120)

    wait_until(lambda: server.get("/api/monitors/a.b-c_1")["status"] == "UP")


@pytest.mark.parametrize(("job", "expected"), [("true", "UP"), ("false", "DOWN")])
def test_the_wrapper_s_line_tells_how_the_job_ended(server: Server, job: str, expected: str) -> None:
    monitor = server.create(slug="a.b-c_1")
    line = text_of("run", server.url + ping_path(monitor["slug"], monitor["token"]))
    assert line.startswith("pulsemon run ")
    line = f"{sys.executable} -m {line}".replace("/usr/local/bin/backup.sh", job)

    subprocess.run(["sh", "-c", line], check=False, timeout=30)

    assert server.get("/api/monitors/a.b-c_1")["status"] == expected


def test_the_github_step_tells_success_and_failure(server: Server) -> None:
    require("curl")
    monitor = server.create()
    step = text_of("github")
    assert "if: always()" in step
    assert "job.status != 'success' && '/fail' || ''" in step
    run = re.search(r"run: (.+)", step)
    assert run

    for result, expected in (("", "UP"), ("/fail", "DOWN")):
        environment = {"PULSEMON_URL": monitor["ping_url"], "RESULT": result, "PATH": "/usr/bin:/bin:/usr/local/bin"}
        subprocess.run(["sh", "-ec", run[1]], env=environment, check=True, timeout=120)
        assert server.get("/api/monitors/backup-noturno")["status"] == expected


def test_percent_signs_are_escaped_where_they_mean_something_else() -> None:
    assert "%" in URL
    cron, unit = text_of("cron"), text_of("systemd")

    assert re.findall(r"(?<!\\)%", cron) == []
    assert cron.replace(r"\%", "%").endswith(f"'{URL}'")
    assert unit.replace("%%", "").count("%") == 0
    assert unit.replace("%%", "%").endswith(f"'{URL}'")
    assert text_of("curl").endswith(f"'{URL}'")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1, "* * * * *"),
        (60, "* * * * *"),
        (300, "*/5 * * * *"),
        (900, "*/15 * * * *"),
        (1_000, "*/15 * * * *"),
        (3_000, "*/30 * * * *"),
        (3_600, "0 * * * *"),
        (7_200, "0 */2 * * *"),
        (36_000, "0 */8 * * *"),
        (86_400, "0 3 * * *"),
        (7 * 86_400, "0 3 * * 0"),
        (40 * 86_400, "0 3 1 * *"),
    ],
)
def test_the_proposed_schedule_is_as_near_as_cron_can_say_and_never_rarer(seconds: int, expected: str) -> None:
    assert connect.cron_schedule(seconds) == expected


def test_the_tool_of_the_monitors_own_schedule_comes_first_with_its_zone() -> None:
    nightly = connect.lines(URL, interval_seconds=86_400, calendar=schedule.parse("0 2 * * *", "America/Sao_Paulo"))
    by_timer = connect.lines(URL, interval_seconds=86_400, calendar=schedule.parse("Mon 02:00", "America/Sao_Paulo"))
    plain = connect.lines(URL, interval_seconds=86_400)

    assert [each[0].key for each in (nightly, by_timer, plain)] == ["cron", "systemd", "curl"]
    assert {each.key for each in nightly} == {each.key for each in by_timer} == {each.key for each in plain}
    of_nightly = {each.key: each.text for each in nightly}
    zone, job = of_nightly["cron"].split("\n")
    assert zone == "CRON_TZ=America/Sao_Paulo"
    assert job.startswith("0 2 * * * /usr/local/bin/backup.sh && curl ")
    assert '\n  schedule: "0 2 * * *"\n  timeZone: "America/Sao_Paulo"\n  jobTemplate:' in of_nightly["kubernetes"]
    for line in (*by_timer, *plain):
        assert "CRON_TZ" not in line.text
        assert "timeZone" not in line.text
