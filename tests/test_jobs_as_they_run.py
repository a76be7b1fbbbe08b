"""What people run, as they run it: real jobs, real curl and wrapper, a real server; each ends in the right state.

Why it is in that state is read where a person reads it: on the monitor's page, in English and in Portuguese. Where the
calendar decides, the clock is passed in.
"""

from __future__ import annotations

import html
import http.client
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from pulsemon.core.notes import Detail, describe
from pulsemon.core.status import BlindWindow, Cause, Signal, Status
from pulsemon.db import Database
from pulsemon.deadlines import passes
from pulsemon.locale import translator
from pulsemon.monitors.views import View
from tests.arrange import a_ping, again, make, record, seconds, transitions
from tests.conftest import ADMIN_TOKEN, ROOT, Server, require, wait_until

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
# What cron gives a job: a shell, and hardly any variables.
CRON = {"HOME": "/", "LOGNAME": "root", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
WRAPPER = f"{sys.executable} {ROOT / 'pulsemon' / 'client.py'}"
SLUG = "backup-noturno"


@pytest.fixture
def each_server(make_server: Callable[..., Server], database_url: str) -> Server:
    """A real server process on each database."""
    return make_server(database_url)


def as_cron(command: str) -> subprocess.Popen[bytes]:
    """Start the command of a crontab line as cron does."""
    return subprocess.Popen(
        ["/bin/sh", "-c", command], env=CRON, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def run_as_cron(command: str) -> tuple[int, str]:
    job = as_cron(command)
    output, _ = job.communicate(timeout=60)
    return job.returncode, output.decode()


def monitor_of(server: Server) -> dict[str, Any]:
    return dict(server.get(f"/api/monitors/{SLUG}"))


def status_of(server: Server) -> str:
    return str(monitor_of(server)["status"])


def newest(server: Server) -> dict[str, Any]:
    return dict(server.get(f"/api/history/{SLUG}")[0])


def wait_for(server: Server, status: str) -> dict[str, Any]:
    """Return the transition that made the monitor *status*, once it has come."""
    wait_until(lambda: status_of(server) == status)
    return newest(server)


def pages(server: Server) -> tuple[str, str]:
    """Return the monitor's page as a person reads it, in English and in Portuguese."""
    with httpx2.Client(base_url=server.url, follow_redirects=True) as browser:
        listed = browser.post("/login", data={"token": ADMIN_TOKEN}).text
        found = re.search(r'href="(/monitors/\d+)"', listed)
        assert found
        english, portuguese = (browser.get(f"{found[1]}/log?lang={locale}").text for locale in ("en", "pt-BR"))
    return text_of(english), text_of(portuguese)


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def assert_told(server: Server, english: str, portuguese: str) -> None:
    shown = pages(server)
    assert english in shown[0]
    assert portuguese in shown[1]


def script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


class TestACronLineWithTheWrapper:
    def test_a_job_that_works_is_up_and_its_output_still_goes_to_cron(self, server: Server, tmp_path: Path) -> None:
        made = server.create()
        job = script(tmp_path, "echo 412 files copied")

        status, output = run_as_cron(f"{WRAPPER} run --url '{made['ping_url']}' -- {job}")

        assert (status, output) == (0, "412 files copied\n")
        assert wait_for(server, "UP")["cause"] == "ping"
        assert_told(server, "A ping arrived.", "Chegou um sinal.")

    def test_a_job_that_fails_is_down_with_its_exit_status(self, server: Server, tmp_path: Path) -> None:
        made = server.create()
        job = script(tmp_path, "echo no space left; exit 3")

        status, _ = run_as_cron(f"{WRAPPER} run --url '{made['ping_url']}' -- {job}")

        assert status == 3
        assert wait_for(server, "DOWN")["cause"] == "failure"
        assert_told(server, "The job ended with exit status 3.", "A tarefa terminou com o código de saída 3.")


class TestACronLineWithCurl:
    LINE = "c='curl -fsS -m 10 -o /dev/null'; $c {url}/start && {job} && $c {url} || $c {url}/fail"

    def test_start_and_success_are_a_run_that_is_up(self, server: Server) -> None:
        require("curl")
        made = server.create(max_run_seconds=1)

        assert run_as_cron(self.LINE.format(url=made["ping_url"], job="true")) == (0, "")

        assert wait_for(server, "UP")["cause"] == "ping"
        assert monitor_of(server)["open_runs"] == []

    def test_start_and_fail_are_a_run_that_is_down(self, server: Server) -> None:
        require("curl")
        made = server.create()

        assert run_as_cron(self.LINE.format(url=made["ping_url"], job="false")) == (0, "")

        assert wait_for(server, "DOWN")["cause"] == "failure"
        assert monitor_of(server)["open_runs"] == []
        assert_told(server, "The job reported a failure.", "A tarefa avisou uma falha.")


class TestAJobKilledHalfWay:
    def test_the_wrapper_tells_by_which_signal_the_job_died(self, server: Server, tmp_path: Path) -> None:
        made = server.create()
        job = script(tmp_path, "kill -9 $$")

        status, _ = run_as_cron(f"{WRAPPER} run --url '{made['ping_url']}' -- {job}")

        assert status in (137, -signal.SIGKILL)
        wait_for(server, "DOWN")
        assert_told(server, "The job ended with exit status 137.", "A tarefa terminou com o código de saída 137.")

    def test_a_wrapper_killed_with_its_job_is_down_when_the_run_should_have_ended(self, server: Server) -> None:
        made = server.create(max_run_seconds=2)
        job = as_cron(f"exec {WRAPPER} run --url '{made['ping_url']}' -- sleep 60")
        wait_until(lambda: monitor_of(server)["open_runs"])

        subprocess.run(["kill", "-9", "--", f"-{job.pid}"], check=True)
        job.communicate(timeout=60)

        turned = wait_for(server, "DOWN")
        assert (turned["cause"], turned["prev_status"]) == ("run-limit", "UNKNOWN")
        assert_told(
            server,
            "A run was started and did not end within 2 s.",
            "Uma execução começou e não terminou em 2 s.",
        )


class TestAJobThatHangs:
    def test_it_is_down_at_its_limit_and_up_when_it_ends_after_all(self, each_server: Server, tmp_path: Path) -> None:
        made = each_server.create(interval_seconds=3600, max_run_seconds=1)
        go_on = tmp_path / "go-on"
        waiting = script(tmp_path, f"until [ -e {go_on} ]; do sleep 0.1; done")
        job = as_cron(f"{WRAPPER} run --url '{made['ping_url']}' -- {waiting}")

        turned = wait_for(each_server, "DOWN")
        [run] = monitor_of(each_server)["open_runs"]
        assert turned["cause"] == "run-limit"
        assert datetime.fromisoformat(turned["occurred_at"]) == datetime.fromisoformat(run["started_at"]) + seconds(1)
        assert_told(
            each_server,
            "A run was started and did not end within 1 s.",
            "Uma execução começou e não terminou em 1 s.",
        )

        go_on.touch()
        job.communicate(timeout=60)
        wait_for(each_server, "UP")
        assert monitor_of(each_server)["open_runs"] == []


class TestTwoOverlappingRuns:
    def test_the_one_that_hangs_is_found_although_the_other_one_ends(self, each_server: Server) -> None:
        made = each_server.create(interval_seconds=3600, max_run_seconds=2)
        for rid in (A, B):
            assert httpx2.get(f"{made['ping_url']}/start", params={"rid": rid}).status_code == 200

        assert httpx2.get(made["ping_url"], params={"rid": B}).status_code == 200

        assert [run["rid"] for run in monitor_of(each_server)["open_runs"]] == [A]
        turned = wait_for(each_server, "DOWN")
        assert (turned["cause"], turned["prev_status"]) == ("run-limit", "UP")
        assert_told(
            each_server,
            "A run was started and did not end within 2 s.",
            "Uma execução começou e não terminou em 2 s.",
        )

    def test_both_that_end_leave_it_up(self, each_server: Server) -> None:
        made = each_server.create(interval_seconds=3600, max_run_seconds=60)
        for suffix, rid in (("/start", A), ("/start", B), ("/0", A), ("/0", B)):
            assert httpx2.get(made["ping_url"] + suffix, params={"rid": rid}).status_code == 200

        assert status_of(each_server) == "UP"
        assert monitor_of(each_server)["open_runs"] == []


def new_york(text: str) -> datetime:
    """Return an instant written with New York's own offset: "2026-03-08 03:00-04:00"."""
    return datetime.fromisoformat(text).astimezone(UTC)


class TestHalfPastTwoInNewYorkOverBothChangeDays:
    # In spring the clock skips 02:30, and the job runs when the gap ends; in autumn it shows 02:30 once, after 01:30
    # came twice.
    DAYS = (
        pytest.param("2026-03-07 02:30-05:00", "2026-03-08 03:00-04:00", "2026-03-09 02:30-04:00", id="spring"),
        pytest.param("2026-10-31 02:30-04:00", "2026-11-01 02:30-05:00", "2026-11-02 02:30-05:00", id="autumn"),
    )

    def a_nightly(self, database: Database, *, before: datetime) -> View:
        return make(
            database, now=before - timedelta(hours=1), interval_seconds=None, schedule="30 2 * * *",
            timezone="America/New_York", grace_seconds=600, max_run_seconds=900,
        )  # fmt: skip

    def run(self, database: Database, monitor: View, begun_at: datetime) -> None:
        """The job runs for five minutes."""
        record(database, a_ping(monitor, begun_at + seconds(1), Signal.START, rid=A))
        record(database, a_ping(monitor, begun_at + seconds(301), rid=A))

    def tick(self, database: Database, now: datetime) -> int:
        """Look at the deadlines and at everything, as the evaluator does."""
        turned = passes.expire_due(database, now=now, recorded_at=now).transition_count
        return turned + passes.sweep_all(database, now=now).transition_count

    @pytest.mark.parametrize(("eve", "change", "after"), DAYS)
    def test_a_job_that_runs_every_night_is_up_all_the_time(
        self, database: Database, eve: str, change: str, after: str
    ) -> None:
        nights = [new_york(text) for text in (eve, change, after)]
        monitor = self.a_nightly(database, before=nights[0])
        for night in nights:
            self.run(database, monitor, night)
            assert again(database, monitor).status is Status.UP
            for hours in range(1, 23):
                assert self.tick(database, night + timedelta(hours=hours)) == 0
        assert [turn.new_status for turn in transitions(database, monitor)] == ["UP"]

    @pytest.mark.parametrize(("eve", "change", "after"), DAYS)
    def test_a_night_without_the_job_is_down_ten_minutes_after_it_should_have_run(
        self, database: Database, eve: str, change: str, after: str
    ) -> None:
        missed = new_york(change)
        monitor = self.a_nightly(database, before=new_york(eve))
        self.run(database, monitor, new_york(eve))

        assert again(database, monitor).due_at == missed + seconds(600)
        assert self.tick(database, missed + seconds(600)) == 0
        assert self.tick(database, missed + seconds(601)) == 1

        down = transitions(database, monitor)[-1]
        assert (down.cause, down.occurred_at) == (Cause.SILENCE, missed + seconds(600))
        assert down.note == "No ping at the time that the schedule expects, nor within the grace of 10 min."
        assert describe(Cause(down.cause), Detail.from_json(down.detail), translate=translator("pt-BR").gettext) == (
            "Nenhum sinal na hora que o agendamento espera, nem dentro da tolerância de 10 min."
        )
        self.run(database, monitor, new_york(after))
        assert again(database, monitor).status is Status.UP

    @pytest.mark.parametrize(("eve", "change", "after"), DAYS)
    def test_a_job_that_hangs_in_the_night_of_the_change_is_down_by_its_limit(
        self, database: Database, eve: str, change: str, after: str
    ) -> None:
        begun_at = new_york(change)
        monitor = self.a_nightly(database, before=new_york(eve))
        self.run(database, monitor, new_york(eve))
        record(database, a_ping(monitor, begun_at - seconds(1500), Signal.START, rid=B))

        assert self.tick(database, begun_at) == 1

        down = transitions(database, monitor)[-1]
        assert (down.cause, down.occurred_at) == (Cause.RUN_LIMIT, begun_at - seconds(600))


class TestAStartWithoutAnEndAfterARestart:
    def test_a_run_that_began_before_a_crash_is_still_watched(self, each_server: Server) -> None:
        made = each_server.create(interval_seconds=1, grace_seconds=0, max_run_seconds=1)
        httpx2.get(f"{made['ping_url']}/start", params={"rid": A})

        each_server.kill()
        each_server.start_again()

        assert [run["rid"] for run in monitor_of(each_server)["open_runs"]] == [A]
        assert wait_for(each_server, "DOWN")["cause"] == "run-limit"
        assert httpx2.get(made["ping_url"], params={"rid": A}).status_code == 200
        assert status_of(each_server) == "UP"

    def test_who_ended_while_nobody_watched_has_an_hour_and_then_the_blindness_is_told(
        self, database: Database
    ) -> None:
        begun_at = new_york("2026-03-08 03:00-04:00")
        monitor = make(database, now=begun_at, interval_seconds=86_400, grace_seconds=60, max_run_seconds=900)
        record(database, a_ping(monitor, begun_at, Signal.START, rid=A))
        window = BlindWindow(begun_at + seconds(600), begun_at + seconds(1200))

        passes.excuse_blindness(database, [(window, "restart")], now=window.ended_at)

        due_at = window.ended_at + timedelta(hours=1, seconds=60)
        assert again(database, monitor).due_at == due_at
        assert passes.expire_due(database, now=due_at, recorded_at=due_at).transition_count == 0
        late = due_at + seconds(1)
        assert passes.expire_due(database, now=late, recorded_at=late).transition_count == 1
        assert transitions(database, monitor)[-1].cause == Cause.RUN_LIMIT


def test_a_body_of_200_megabytes_is_read_kept_at_its_beginning_and_costs_no_memory(server: Server) -> None:
    address = urlsplit(server.create()["ping_url"])
    process = psutil.Process(server.process.pid)
    chunk = b"x" * 1_000_000
    before = process.memory_info().rss
    grown: list[int] = []

    def body() -> Iterator[bytes]:
        for _ in range(200):
            yield chunk
            grown.append(process.memory_info().rss - before)

    for headers in ({"Content-Length": str(200 * len(chunk))}, {"Transfer-Encoding": "chunked"}):
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        connection.request(
            "POST", f"{address.path}/log", body(), headers, encode_chunked="Transfer-Encoding" in headers
        )
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b'{"ok": true}')
        connection.close()

    assert max(grown) < 50_000_000
    assert monitor_of(server)["ping_count"] == 2
