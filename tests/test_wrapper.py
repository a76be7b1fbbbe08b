"""`pulsemon run`, `pulsemon ping` and `pulsemon.monitor` as a job meets them: real processes, real sockets."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import idna
import pytest

import pulsemon
from pulsemon import client
from tests.conftest import ROOT, Server, free_port, require, wait_until

TOKEN = "tok-3n_of-the-monitor"
CLIENT = ROOT / "pulsemon" / "client.py"
OK = (200, {}, b'{"ok": true}')
# Longer than anything here takes: whoever waits this long hangs.
HANG_SEC = 60


@dataclass(frozen=True)
class Got:
    """A request that the sink received."""

    path: str
    rid: str | None
    body: bytes
    method: str
    headers: dict[str, str]

    @property
    def signal(self) -> str:
        return self.path.rpartition("/")[2]


class Sink:
    """Stands where PulseMon would be. `answers` are given in turn, then OK; none while `gate` is closed."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.gate = threading.Event()
        self.gate.set()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                address = urlsplit(self.path)
                rid = parse_qs(address.query).get("rid", [None])[0]
                target = self.path.partition("?")[0]
                sink.got.append(Got(target, rid, body, self.command, dict(self.headers)))
                sink.gate.wait(HANG_SEC)
                status, headers, text = sink.answers.pop(0) if sink.answers else OK
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST  # noqa: N815 - the library's name

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                pass  # a client that did not wait for its answer

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/h/backup/{TOKEN}"

    @property
    def signals(self) -> list[str]:
        return [each.signal for each in self.got]

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def sink() -> Iterator[Sink]:
    opened = Sink()
    yield opened
    opened.close()


@pytest.fixture
def black_hole() -> Iterator[str]:
    """A ping URL whose server takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/h/backup/{TOKEN}"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def pulse(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run `pulsemon WORDS` to its end; whatever it says, the token is not in it."""

    def run(*words: str, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, "-m", "pulsemon", *words],
            input=stdin, capture_output=True, cwd=tmp_path, env=environment | variables, timeout=HANG_SEC, check=False,
        )  # fmt: skip
        assert TOKEN.encode() not in done.stderr
        assert b"Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `pulsemon run WORDS`."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(*words: str, **options: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pulsemon", "run", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        started.append(subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes))
        return started[-1]

    yield start_one
    for each in started:
        if each.poll() is None:
            each.kill()
        each.communicate(timeout=10)


Pulse = Callable[..., subprocess.CompletedProcess[bytes]]
Start = Callable[..., subprocess.Popen[bytes]]


# --- what is told


def test_a_run_is_told_with_its_start_its_end_its_output_and_one_rid(pulse: Pulse, sink: Sink) -> None:
    done = pulse("run", "--url", sink.url, "--", "sh", "-c", "echo to out; sleep 0.05; echo to err >&2")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"to out\n", b"to err\n")
    assert sink.signals == ["start", "0"]
    assert [each.body for each in sink.got] == [b"", b"to out\nto err\n"]
    first, second = (each.rid for each in sink.got)
    assert first == second
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", first or "")
    assert {each.method for each in sink.got} == {"POST"}


@pytest.mark.parametrize("status", [0, 1, 3, 126, 127, 255])
def test_the_exit_status_is_the_jobs_and_is_told(pulse: Pulse, sink: Sink, status: int) -> None:
    assert pulse("run", sink.url, "--", "sh", "-c", f"exit {status}").returncode == status
    assert sink.signals == ["start", str(status)]


def test_a_job_that_is_killed_is_told_as_128_and_the_signal_and_died_by_it(pulse: Pulse, sink: Sink) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
        sink.got.clear()
        assert pulse("run", sink.url, "--", "sh", "-c", f"kill -{int(number)} $$").returncode == -number
        assert sink.signals == ["start", str(128 + number)]


def test_a_shell_sees_128_and_the_signal(sink: Sink, environment: dict[str, str]) -> None:
    line = f"{sys.executable} -m pulsemon run {sink.url} -- sh -c 'kill -TERM $$'; echo status $?"
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, timeout=HANG_SEC, check=True)
    assert done.stdout == b"status 143\n"


@pytest.mark.parametrize(
    ("command", "status", "why"),
    [("no-such-command-anywhere", 127, b"No such file"), ("./plain.txt", 126, b"Permission denied")],
)
def test_a_command_that_cannot_run_ends_as_in_a_shell_and_is_told(
    pulse: Pulse, sink: Sink, tmp_path: Path, command: str, status: int, why: bytes
) -> None:
    (tmp_path / "plain.txt").write_text("no program")

    done = pulse("run", sink.url, "--", command)

    assert done.returncode == status
    assert sink.signals == [str(status)]
    assert why in done.stderr
    assert why in sink.got[0].body


def test_only_the_end_of_the_output_is_sent(pulse: Pulse, sink: Sink) -> None:
    script = "import sys; sys.stdout.write(''.join(f'{n:07}\\n' for n in range(100_000)))"

    done = pulse("run", sink.url, "--", sys.executable, "-c", script)
    pulse("run", sink.url, "--tail", "20", "--", sys.executable, "-c", script)
    pulse("run", sink.url, "--tail", "0", "--", sys.executable, "-c", script)

    assert len(done.stdout) == 800_000
    ends = [each.body for each in sink.got if each.signal == "0"]
    assert ends == [done.stdout[-10_000:], done.stdout[-20:], b""]


def test_without_a_start_only_the_end_is_told(pulse: Pulse, sink: Sink) -> None:
    assert pulse("run", sink.url, "--no-start", "--", "true").returncode == 0
    assert sink.signals == ["0"]


def test_runs_at_the_same_time_have_their_own_rids(start: Start, sink: Sink) -> None:
    jobs = [start(sink.url, "--", "sh", "-c", "read line; exit 0", stdin=subprocess.PIPE) for _ in range(2)]
    wait_until(lambda: sink.signals == ["start", "start"])
    for job in jobs:
        job.communicate(b"go\n", timeout=HANG_SEC)

    rids = {name: {each.rid for each in sink.got if each.signal == name} for name in ("start", "0")}
    assert len(rids["start"]) == 2
    assert rids["start"] == rids["0"]


def test_a_real_pulsemon_understands_it(server: Server, pulse: Pulse) -> None:
    url = server.create()["ping_url"]

    assert pulse("run", url, "--", "echo", "fine").returncode == 0
    assert server.get("/api/monitors/backup-noturno")["status"] == "UP"
    done = pulse("run", url, "--", "sh", "-c", "echo broken; exit 3")
    assert (done.returncode, done.stderr) == (3, b"")
    assert server.get("/api/monitors/backup-noturno")["status"] == "DOWN"
    assert "3" in server.get("/api/history/backup-noturno")[0]["note"]
    assert pulse("ping", url).returncode == 0
    assert server.get("/api/monitors/backup-noturno")["status"] == "UP"
    assert pulse("ping", url[:-3] + "xyz").returncode == 1


# --- the job is not disturbed


def test_standard_input_and_bytes_pass_through(pulse: Pulse, sink: Sink) -> None:
    every_byte = bytes(range(256)) * 500

    done = pulse("run", sink.url, "--", "cat", stdin=every_byte)

    assert done.stdout == every_byte
    assert sink.got[-1].body == every_byte[-10_000:]


def test_a_hundred_megabytes_pass_through(start: Start, sink: Sink) -> None:
    job = start(sink.url, "--", "sh", "-c", "head -c 100000000 /dev/zero; printf the-end")
    assert job.stdout
    size, last = 0, b""
    while chunk := job.stdout.read(1 << 20):
        size, last = size + len(chunk), chunk

    assert size == 100_000_007
    assert last.endswith(b"the-end")
    assert job.wait(HANG_SEC) == 0
    assert sink.got[-1].body == b"\0" * 9_993 + b"the-end"


def test_output_is_there_as_soon_as_it_is_written(start: Start, sink: Sink) -> None:
    job = start(sink.url, "--", "sh", "-c", "printf out; printf err >&2; read line", stdin=subprocess.PIPE)
    assert job.stdout
    assert job.stderr

    assert os.read(job.stdout.fileno(), 100) == b"out"
    assert os.read(job.stderr.fileno(), 100) == b"err"
    assert job.poll() is None
    job.communicate(b"\n", timeout=HANG_SEC)


def test_where_both_streams_go_to_one_place_their_order_is_kept(start: Start, sink: Sink, tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); echo $i >&2; i=$((i+1)); done"
    with (tmp_path / "log").open("wb") as log:
        assert start(sink.url, "--", "sh", "-c", script, stdout=log, stderr=log).wait(HANG_SEC) == 0

    expected = "".join(f"{number}\n" for number in range(1000)).encode()
    assert (tmp_path / "log").read_bytes() == expected
    assert sink.got[-1].body == expected


def test_no_output_leaves_the_descriptors_alone(start: Start, sink: Sink, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        job = start(sink.url, "--no-output", "--", "readlink", "/proc/self/fd/1", stdout=log)
        assert job.wait(HANG_SEC) == 0

    assert (tmp_path / "log").read_text() == f"{tmp_path}/log\n"
    assert (sink.got[-1].signal, sink.got[-1].body) == ("0", b"")


def test_a_reader_that_went_away_ends_the_job_as_without_the_wrapper(start: Start, sink: Sink) -> None:
    job = start(sink.url, "--", "yes")
    assert job.stdout
    job.stdout.read(10)
    job.stdout.close()

    assert job.wait(HANG_SEC) == -signal.SIGPIPE
    assert sink.signals == ["start", "141"]


def test_a_full_disk_costs_the_output_and_not_the_job(start: Start, sink: Sink, tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        script = "head -c 1000000 /dev/zero || exit 9; echo > marker; exit 5"
        job = start(sink.url, "--", "sh", "-c", script, stdout=full)
        assert job.wait(HANG_SEC) == 5

    assert (tmp_path / "marker").exists()
    assert sink.got[-1].body == b"\0" * 10_000


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_descriptors_are_no_trouble(
    sink: Sink, environment: dict[str, str], tmp_path: Path, closed: str
) -> None:
    line = f"{sys.executable} -m pulsemon run {sink.url} -- sh -c 'echo a > marker; exit 6' {closed}"

    done = subprocess.run(["sh", "-c", line], env=environment, cwd=tmp_path, timeout=HANG_SEC, check=False)

    assert done.returncode == 6
    assert (tmp_path / "marker").exists()
    assert sink.signals == ["start", "6"]


def test_a_process_that_the_job_leaves_behind_does_not_hold_the_wrapper(pulse: Pulse, sink: Sink) -> None:
    for script in ("sleep 1000 & echo $!; sleep 0.3", "(trap '' PIPE; while sleep 0.1; do echo; done) & echo $!"):
        sink.got.clear()
        done = pulse("run", sink.url, "--", "sh", "-c", script)
        left = int(done.stdout.split()[0])
        try:
            os.kill(left, 0)  # it lives
            assert done.returncode == 0
            assert b"left behind" in done.stderr
            assert sink.signals == ["start", "0"]
        finally:
            os.kill(left, signal.SIGKILL)


# --- signals


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"])
@pytest.mark.parametrize("options", [(), ("--no-output",)])
def test_a_signal_is_passed_on_and_the_job_decides(
    start: Start, sink: Sink, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    script = f"trap 'exit 7' {name[3:]}; echo > ready; while :; do sleep 0.05; done"
    job = start(sink.url, *options, "--", "sh", "-c", script, start_new_session=True)
    wait_until((tmp_path / "ready").exists)

    job.send_signal(getattr(signal, name))

    assert job.wait(HANG_SEC) == 7
    assert sink.signals == ["start", "7"]


def test_a_job_that_dies_of_the_signal_that_was_passed_on_is_told(start: Start, sink: Sink) -> None:
    job = start(sink.url, "--", "sleep", "1000")
    wait_until(lambda: sink.signals == ["start"])

    job.send_signal(signal.SIGTERM)

    assert job.wait(HANG_SEC) == -signal.SIGTERM
    assert sink.signals == ["start", "143"]


def test_the_whole_group_is_killed_and_the_end_is_told_all_the_same(start: Start, sink: Sink) -> None:
    for _ in range(10):
        sink.got.clear()
        job = start(sink.url, "--", "sleep", "1000", start_new_session=True)
        wait_until(lambda: sink.signals == ["start"])

        os.killpg(job.pid, signal.SIGTERM)

        assert job.wait(HANG_SEC) == -signal.SIGTERM
        assert sink.signals == ["start", "143"]


def test_what_is_ignored_stays_ignored(sink: Sink, environment: dict[str, str], tmp_path: Path) -> None:
    line = (
        f"trap '' HUP; exec {sys.executable} -m pulsemon run {sink.url} -- sh -c 'echo > ready; kill -HUP $$; exit 4'"
    )
    done = subprocess.run(["sh", "-c", line], env=environment, cwd=tmp_path, timeout=HANG_SEC, check=False)
    assert done.returncode == 4


def test_ctrl_c_at_a_terminal_reaches_the_job_once(start: Start, sink: Sink, tmp_path: Path) -> None:
    script = (
        "import signal, sys, time; heard = []\n"
        "signal.signal(signal.SIGINT, lambda *_: (heard.append(1), open('heard', 'w')))\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(40 + len(heard)))\n"
        "open('ready', 'w')\n"
        "while True: time.sleep(0.05)"
    )
    master, slave = os.openpty()
    try:
        job = start(
            sink.url, "--", sys.executable, "-c", script,
            stdin=slave, stdout=slave, stderr=slave, start_new_session=False,
            preexec_fn=lambda: os.login_tty(slave),
        )  # fmt: skip
        wait_until((tmp_path / "ready").exists)
        os.write(master, b"\x03")
        wait_until((tmp_path / "heard").exists)
        job.send_signal(signal.SIGTERM)
        assert job.wait(HANG_SEC) == 41
    finally:
        os.close(master)
        os.close(slave)


def test_a_signal_while_only_pulsemon_is_waited_for_ends_the_wait(
    start: Start, black_hole: str, tmp_path: Path
) -> None:
    job = start(black_hole, "--patience", "3600", "--tries", "100", "--", "sh", "-c", "echo > marker; exit 9")
    wait_until((tmp_path / "marker").exists)

    def ended() -> bool:
        job.send_signal(signal.SIGTERM)
        return job.poll() is not None

    wait_until(ended, every=0.3, within=HANG_SEC)
    assert job.returncode in (9, -signal.SIGTERM)  # the first may have met the shell before it ended
    _, err = job.communicate()
    assert b"may not have been told" in err


# --- PulseMon is away


def test_a_refused_connection_is_a_warning(pulse: Pulse) -> None:
    url = f"http://127.0.0.1:{free_port()}/h/backup/{TOKEN}"
    done = pulse("run", url, "--tries", "2", "--", "sh", "-c", "echo fine; exit 3")
    assert (done.returncode, done.stdout) == (3, b"fine\n")
    assert b"Connection refused" in done.stderr


def test_a_black_hole_holds_the_end_up_no_longer_than_the_patience(pulse: Pulse, black_hole: str) -> None:
    # With the default tries and twenty times this patience it would still end before the test is given up.
    done = pulse("run", black_hole, "--patience", "1", "--", "sh", "-c", "echo fine; exit 3")
    assert (done.returncode, done.stdout) == (3, b"fine\n")
    assert b"no answer in time" in done.stderr


def test_the_job_does_not_wait_for_the_start_and_the_end_does(start: Start, sink: Sink, tmp_path: Path) -> None:
    sink.gate.clear()
    # More than a pipe holds: it must be read meanwhile.
    script = "head -c 1000000 /dev/zero; echo > marker"
    job = start(sink.url, "--", "sh", "-c", script, stdout=subprocess.DEVNULL)
    wait_until((tmp_path / "marker").exists)
    wait_until(lambda: sink.signals == ["start"])
    assert job.poll() is None

    sink.gate.set()

    assert job.wait(HANG_SEC) == 0
    assert sink.signals == ["start", "0"]


def test_the_end_is_tried_again_with_the_same_rid(pulse: Pulse, sink: Sink) -> None:
    sink.answers = [OK, (503, {"Retry-After": "1"}, b""), (500, {}, b"")]

    done = pulse("run", sink.url, "--", "true")

    assert (done.returncode, done.stderr) == (0, b"")
    assert sink.signals == ["start", "0", "0", "0"]
    assert len({each.rid for each in sink.got}) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((404, {}, b""), b"answered 404"),
        ((400, {}, b""), b"answered 400"),
        ((200, {}, b"<html>Log in first</html>"), b"not PulseMon's"),
        ((302, {"Location": "http://localhost:1/elsewhere"}, b""), b"redirect elsewhere"),
    ],
)
def test_a_definite_no_is_not_asked_again(
    pulse: Pulse, sink: Sink, answer: tuple[int, dict[str, str], bytes], why: bytes
) -> None:
    sink.answers = [answer] * 2

    done = pulse("run", sink.url, "--", "sh", "-c", "exit 3")

    assert done.returncode == 3
    assert why in done.stderr
    assert sink.signals == ["start", "3"]


def test_a_redirect_on_the_same_host_keeps_the_body(pulse: Pulse, sink: Sink) -> None:
    sink.answers = [(301, {"Location": f"/moved/h/backup/{TOKEN}/fail"}, b"")]
    assert pulse("ping", sink.url, "--fail", "--body", "why").returncode == 0
    assert [(each.method, each.body) for each in sink.got] == [("POST", b"why")] * 2


def test_a_redirect_to_another_host_is_never_asked(pulse: Pulse, sink: Sink) -> None:
    other = Sink()
    try:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        sink.answers = [(status, {"Location": elsewhere}, b"") for status in (301, 302, 303, 307, 308)]
        for _ in range(5):
            assert pulse("ping", sink.url).returncode == 1
        assert len(sink.got) == 5
        assert other.got == []
    finally:
        other.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(pulse: Pulse, sink: Sink, tmp_path: Path) -> None:
    make = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subprocess.run([require("openssl"), *make.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    sink.server.socket = context.wrap_socket(sink.server.socket, server_side=True)
    url = sink.url.replace("http://127.0.0.1", "https://localhost")

    refused = pulse("ping", url, "--tries", "1")
    trusted = pulse("ping", url, SSL_CERT_FILE=str(tmp_path / "cert.pem"))

    assert refused.returncode == 1
    assert b"CERTIFICATE_VERIFY_FAILED" in refused.stderr
    assert (trusted.returncode, trusted.stderr) == (0, b"")
    assert len(sink.got) == 1


def test_a_proxy_of_the_environment_is_used(pulse: Pulse, sink: Sink) -> None:
    proxy = f"http://127.0.0.1:{sink.server.server_port}"
    assert pulse("ping", f"http://pulsemon.invalid/h/a/{TOKEN}", http_proxy=proxy).returncode == 0
    assert sink.got[0].path == f"http://pulsemon.invalid/h/a/{TOKEN}"


# --- which monitor


def test_a_slug_is_looked_up_in_the_files_in_their_order(pulse: Pulse, sink: Sink, tmp_path: Path) -> None:
    own = tmp_path / ".config" / "pulsemon" / "urls"
    own.parent.mkdir(parents=True)
    own.write_text(f"# mine\n\n#backup http://x/\nbackup  {sink.url}\nother {sink.url}-other\n")
    first = tmp_path / "urls"
    first.write_text(f"backup\t{sink.url}-first\n")

    assert pulse("ping", "backup").returncode == 0
    assert pulse("ping", "backup", PULSEMON_URLS=str(first)).returncode == 0
    assert pulse("ping", "other", PULSEMON_URLS=str(first)).returncode == 0
    assert pulse("ping", PULSEMON_URL=sink.url + "-environment").returncode == 0

    assert sink.signals == [TOKEN + suffix for suffix in ("", "-first", "-other", "-environment")]


def test_a_url_that_is_none_is_not_shown(pulse: Pulse, black_hole: str) -> None:
    for wrong in (f"status.example.org/h/backup/{TOKEN}", f"htp://h/h/backup/{TOKEN}", f"http:/{TOKEN}"):
        done = pulse("run", wrong, "--", "sh", "-c", "exit 3")
        assert done.returncode == 3
        assert b"the URL given is not a ping URL" in done.stderr


SECRET = "S3cr3t-" * 6
LEAKY = {
    "backslashes": f"http:\\\\h\\h\\backup\\{SECRET}",
    "escaped slashes": f"http:%2F%2Fh%2Fh%2Fbackup%2F{SECRET}",
    "escapes of the host": f"http://h%2Fh%2Fbackup%2F{SECRET}/",
    "the token alone": SECRET,
    "no slug": f"http://127.0.0.1:1/h/{SECRET}",
    "an escaped slash before the token": f"http://127.0.0.1:1/h/backup%2F{SECRET}",
    "no slash": f"h:{SECRET}",
}


@pytest.mark.parametrize("wrong", LEAKY.values(), ids=LEAKY.keys())
@pytest.mark.parametrize("word", [("ping",), ("run",)], ids=["ping", "run"])
def test_no_form_of_a_target_shows_a_token(pulse: Pulse, wrong: str, word: tuple[str, ...]) -> None:
    job = ("--", "sh", "-c", "exit 3") if word == ("run",) else ()

    done = pulse(*word, "--url", wrong, "--tries", "1", *job)
    wrong_variable = pulse(*word, "backup", *job, PULSEMON_URLS=wrong)

    for each in (done, wrong_variable):
        assert each.returncode == (3 if job else 1)
        assert b"pulsemon: warning" in each.stderr
        assert SECRET[:12].encode() not in each.stderr


def test_a_wrong_use_shows_no_token(pulse: Pulse) -> None:
    url = f"http://h/h/backup/{SECRET}"
    for words in (["ping", "backup", url], ["run", "--tries", url], ["ping", "--rid", url], ["ping", f"--ur={url}"]):
        done = pulse(*words)
        assert (done.returncode, SECRET.encode() in done.stderr) == (2, False)


@pytest.mark.parametrize(
    "line", ["backup={url}", "backup: {url}", "backup = {url}", "backup,{url}", '"backup":"{url}"']
)
def test_a_line_of_another_form_is_told_with_the_form(pulse: Pulse, sink: Sink, tmp_path: Path, line: str) -> None:
    (tmp_path / "urls").write_text("# mine\n" + line.format(url=sink.url) + "\n")

    done = pulse("ping", "backup", PULSEMON_URLS=str(tmp_path / "urls"))

    assert done.returncode == 1
    assert b"line 2" in done.stderr
    assert b"SLUG URL" in done.stderr or b"what follows the slug is not a ping URL" in done.stderr
    assert TOKEN.encode() not in done.stderr


PLACES = ("option", "argument", "file")
PASTED = {
    "a newline": "{url}\n",
    "CR LF and blanks": " \t{url}\r\n",
    "a byte order mark": "\ufeff{url}",
    "what nobody sees": "\u200b\u00a0{url}\u2060\u00a0",
    "quotes": "'\"{url}\"'",
    "a word processor's quotes": "\u201c{url}\u201d",
    "angle brackets": "<{url}>",
    "a comma": "{url},",
    "a fragment": "{url}#top",
    "upper case": "HTTP{url}",
}


@pytest.mark.parametrize(
    ("place", "written"),
    [*(("variable", each) for each in PASTED.values()), *((each, "\ufeff <{url}>\u00a0\r\n") for each in PLACES)],
)
def test_what_is_pasted_along_with_a_url_is_left_out(
    pulse: Pulse, sink: Sink, tmp_path: Path, place: str, written: str
) -> None:
    url = written.replace("HTTP{url}", "HTTP" + sink.url[4:]).format(url=sink.url)
    (tmp_path / "urls").write_bytes(f"\ufeff backup  {url}\r\n".encode())
    words, variables = {
        "variable": ([], {"PULSEMON_URL": url}),
        "option": (["--url", url], {}),
        "argument": ([url], {}),
        "file": (["backup"], {"PULSEMON_URLS": f"{tmp_path / 'urls'}\r\n"}),
    }[place]

    done = pulse("run", *words, "--", "sh", "-c", "exit 3", **variables)

    assert (done.returncode, done.stderr) == (3, b"")
    assert [each.path for each in sink.got] == [f"/h/backup/{TOKEN}/start", f"/h/backup/{TOKEN}/3"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_a_file_of_urls_is_read_as_editors_write_it(pulse: Pulse, sink: Sink, tmp_path: Path, encoding: str) -> None:
    text = f"backup  {sink.url}\r\n# \u00e9 um coment\u00e1rio\r\nother \u00a0 {sink.url}-other\r\n"
    (tmp_path / "urls").write_bytes(text.encode(encoding))

    assert pulse("ping", "backup\n", PULSEMON_URLS=str(tmp_path / "urls")).returncode == 0
    assert pulse("ping", "other", PULSEMON_URLS=str(tmp_path / "urls")).returncode == 0

    assert sink.signals == [TOKEN, f"{TOKEN}-other"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://h/h/backup/\n" + TOKEN, "white space"),
        (f"http://ana:{TOKEN}@h/h/backup/x", "a name and a password"),
        (f"http://h:99999/h/backup/{TOKEN}", "port that cannot be"),
        (f"http://\u2100/h/backup/{TOKEN}", "host that cannot be"),
        (f"http://ex..ample/h/backup/{TOKEN}", "host that cannot be"),
        (f"http://{'a' * 64}.org/h/backup/{TOKEN}", "host that cannot be"),
        (f"http:\\\\h\\h\\backup\\{TOKEN}", "neither a slug nor a ping URL"),
        ("http://" + "\u00e9" * 70 + f"/h/backup/{TOKEN}", "host that cannot be"),
        (f"http://h/h/\x01/{TOKEN}", "not a ping URL"),
        ("", "is empty"),
        ("\ufeff\r\n", "is empty"),
    ],
)
@pytest.mark.parametrize("place", ["variable", "option"])
def test_what_cannot_be_understood_is_one_line_and_the_job_runs(pulse: Pulse, place: str, url: str, said: str) -> None:
    words, variables = ([], {"PULSEMON_URL": url}) if place == "variable" else (["--url", url], {})

    done = pulse("run", *words, "--", "sh", "-c", "echo fine; exit 3", **variables)

    assert (done.returncode, done.stdout) == (3, b"fine\n")
    assert done.stderr.count(b"\n") == 1
    assert said in done.stderr.decode()


def test_a_host_in_another_script_is_looked_up_as_its_ascii_form_and_a_path_is_escaped(pulse: Pulse) -> None:
    done = pulse("ping", f"http://\u043f\u0440\u0438\u043c\u0435\u0440.invalid/h/c\u00f3pia/{TOKEN}", "--tries", "1")

    assert done.returncode == 1
    assert "http://xn--e1afmkfd.invalid/h/c%C3%B3pia/..." in done.stderr.decode()
    assert b"codec" not in done.stderr


NAMES = [
    "b\u00fccher.de",
    "stra\u00dfe.de",
    "\u03a3\u0391\u03a3.gr",
    "\u4f8b\u3048\u3002\u30c6\u30b9\u30c8",
    "\u00d6BB.at",
    "\uff25\uff58.com",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_become_what_idna_2008_makes_of_them(name: str) -> None:
    assert client._ascii_host(name) == idna.encode(name, uts46=True).decode()


def test_an_unknown_slug_says_where_it_was_looked_for_and_the_job_runs(pulse: Pulse, tmp_path: Path) -> None:
    (tmp_path / "urls").write_text(f"other http://127.0.0.1:1/h/other/{TOKEN}\n")

    done = pulse("run", "backup", "--", "sh", "-c", "echo fine; exit 3", PULSEMON_URLS=str(tmp_path / "urls"))

    assert (done.returncode, done.stdout) == (3, b"fine\n")
    said = done.stderr.decode()
    assert said.count("warning") == 1
    for path in (tmp_path / "urls", tmp_path / ".config/pulsemon/urls", "/etc/pulsemon/urls"):
        assert str(path) in said
    assert pulse("ping", "backup").returncode == 1


@pytest.mark.parametrize(
    "wrong", [f"ftp://h/{TOKEN}", f"http://{TOKEN}@h/h/x", f"{TOKEN}", f"http://h/h/a/ {TOKEN}", ""]
)
def test_a_line_without_a_ping_url_is_named_and_not_shown(pulse: Pulse, tmp_path: Path, wrong: str) -> None:
    (tmp_path / "urls").write_text(f"backup {wrong}\n")
    done = pulse("run", "backup", "--", "sh", "-c", "exit 3", PULSEMON_URLS=str(tmp_path / "urls"))
    assert done.returncode == 3
    assert "urls, line 1" in done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["run", "backup"], "which command"),
        (["run", "backup", "--"], "which command"),
        (["run", "--", "touch", "marker"], "which monitor"),
        (["run", "backup", "--url", "http://h/h/a/b", "--", "touch", "marker"], "not both"),
        (["run", "backup", "--tries", "0", "--", "touch", "marker"], "--tries"),
        (["run", "backup", "--patience", "soon", "--", "touch", "marker"], "--patience"),
        (["run", "backup", "--tale", "3", "--", "touch", "marker"], "--tale"),
        (["run", "backup", "touch", "marker"], "touch"),
        (["ping", "backup", "--exit-status", "256"], "--exit-status"),
        (["ping", "backup", "--rid", "7"], "--rid"),
        (["ping", "backup", "--start", "--fail"], "--fail"),
        (["ping", "backup", "--", "true"], "no command"),
    ],
)
def test_a_wrong_use_is_refused_before_anything_runs(
    pulse: Pulse, tmp_path: Path, words: list[str], named: str
) -> None:
    done = pulse(*words)
    assert done.returncode == 2
    assert named in done.stderr.decode()
    assert not (tmp_path / "marker").exists()


# --- ping


@pytest.mark.parametrize(
    ("words", "signal_told"),
    [([], TOKEN), (["--start"], "start"), (["--fail"], "fail"), (["--log"], "log"), (["--exit-status", "17"], "17")],
)
def test_ping_says_each_signal(pulse: Pulse, sink: Sink, words: list[str], signal_told: str) -> None:
    rid = client.new_rid()
    assert pulse("ping", sink.url, *words, "--rid", rid).returncode == 0
    assert [(each.signal, each.rid) for each in sink.got] == [(signal_told, rid)]


def test_ping_brings_a_body(pulse: Pulse, sink: Sink) -> None:
    pulse("ping", sink.url, "--body", "olá")
    pulse("ping", sink.url, "--log", "--body", "-", stdin=b"x" * 50_000 + b"\xff\x00the end")
    assert sink.got[0].body == "olá".encode()
    assert sink.got[1].body == b"x" * 9_991 + b"\xff\x00the end"


def test_the_charset_of_the_output_is_declared_where_it_is_known(pulse: Pulse, sink: Sink) -> None:
    locales = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    pulse("ping", sink.url, "--body", "fine")
    pulse("ping", sink.url, "--body", "ol\u00e1")
    pulse("ping", sink.url, "--body", "-", stdin=("\u00e1" * 6_000 + "n").encode())  # cut in the middle of a letter
    pulse("ping", sink.url, "--body", "-", stdin=b"n\xe3o")
    told = [each.headers["Content-Type"] for each in sink.got]
    assert told == ["text/plain", "text/plain; charset=utf-8", "text/plain; charset=utf-8", "text/plain"]
    for spoken in (each for each in locales if each.lower() == "pt_br.iso88591"):
        pulse("ping", sink.url, "--body", "-", stdin=b"n\xe3o", LC_ALL=spoken)
        assert sink.got[-1].headers["Content-Type"] == "text/plain; charset=ISO-8859-1"


# --- alone, and at once


@pytest.mark.parametrize("flags", [[], ["-I", "-S"]])
def test_the_file_works_alone(sink: Sink, tmp_path: Path, flags: list[str]) -> None:
    alone = tmp_path / "elsewhere" / "client.py"
    alone.parent.mkdir()
    shutil.copy(CLIENT, alone)
    (alone.parent / "locale.py").write_text("raise SystemExit('not the library')")
    (alone.parent / "email.py").write_text("raise SystemExit('not the library')")
    command = [sys.executable, *flags, str(alone), "run", sink.url, "--", "sh", "-c", "echo fine; exit 3"]

    done = subprocess.run(command, capture_output=True, env={"PATH": os.environ["PATH"]}, timeout=HANG_SEC, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (3, b"fine\n", b"")
    assert sink.signals == ["start", "3"]


def test_what_lies_where_the_job_runs_is_not_imported(pulse: Pulse, sink: Sink, tmp_path: Path) -> None:
    for name in ("email.py", "http.py", "subprocess.py", "ssl.py"):
        (tmp_path / name).write_text("raise SystemExit('not the library')")
    done = pulse("run", sink.url, "--", "sh", "-c", "exit 3")
    assert (done.returncode, done.stderr) == (3, b"")
    assert sink.signals == ["start", "3"]


def test_run_py_runs_a_job_without_packages(sink: Sink, tmp_path: Path) -> None:
    for part in ("run.py", "pulsemon"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    command = [sys.executable, "-I", "-S", str(tmp_path / "run.py"), "run", sink.url, "--", "sh", "-c", "exit 3"]

    done = subprocess.run(command, capture_output=True, timeout=HANG_SEC, check=False)

    assert (done.returncode, done.stderr) == (3, b"")
    assert not (tmp_path / ".venv").exists()
    assert sink.signals == ["start", "3"]


def test_the_file_is_written_in_the_grammar_of_python_3_8() -> None:
    ast.parse(CLIENT.read_text("utf-8"), feature_version=(3, 8))


def imported(*words: str, environment: dict[str, str]) -> set[str]:
    """Return the modules that a Python imported for these words."""
    command = [sys.executable, "-X", "importtime", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG_SEC, check=True)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def test_a_job_waits_for_nothing_that_only_the_server_needs(sink: Sink, environment: dict[str, str]) -> None:
    heavy = {"typer", "pydantic", "asyncio", "uvicorn", "sqlalchemy", "pulsemon.cli", "pulsemon.settings"}
    network = {"ssl", "http.client", "urllib.request", "typing", "inspect", "logging", "pathlib", "dataclasses"}

    running = imported("-m", "pulsemon", "run", sink.url, "--", "true", environment=environment)
    helping = imported("-m", "pulsemon", "ping", "--help", environment=environment)
    importing = imported("-c", "import pulsemon", environment=environment)

    assert "pulsemon.client" in running & helping
    assert not running & heavy
    assert not helping & (heavy | network)
    assert not importing & (heavy | network | {"pulsemon.client", "argparse"})


def test_the_help_lists_both_words_and_the_stubs_lead_to_them(pulse: Pulse, sink: Sink) -> None:
    listed = pulse("--help").stdout.decode()
    assert re.search(r"\brun\b.*Run a command", listed)
    assert re.search(r"\bping\b.*Send one ping", listed)
    words = ["run", sink.url, "--", "sh", "-c", "exit 3"]
    script = f"import sys; sys.argv[1:] = {words}; from pulsemon import cli; cli.main()"
    assert subprocess.run([sys.executable, "-c", script], timeout=HANG_SEC, check=False).returncode == 3
    assert sink.signals == ["start", "3"]


# --- the decorator


def test_a_function_is_told_and_its_result_is_untouched(sink: Sink) -> None:
    @pulsemon.monitor(sink.url)
    def add(left: int, *, right: int) -> int:
        """Add."""
        return left + right

    assert add(2, right=3) == 5
    assert (add.__name__, add.__doc__) == ("add", "Add.")
    wait_until(lambda: sink.signals == ["start", TOKEN])
    assert len({each.rid for each in sink.got}) == 1


def test_an_exception_is_told_with_its_traceback_and_raised_again(sink: Sink) -> None:
    trouble = ValueError("the disk is \udcff full " + "x" * 20_000)

    @pulsemon.monitor(sink.url, start=False)
    def fail() -> None:
        raise trouble

    with pytest.raises(ValueError, match="the disk is") as caught:
        fail()

    assert caught.value is trouble
    wait_until(lambda: sink.signals == ["fail"])
    assert len(sink.got[0].body) == 10_000
    assert sink.got[0].body.endswith(b"xxx\n")


@pytest.mark.parametrize(("code", "told"), [(0, TOKEN), (None, TOKEN), (1, "fail"), ("text", "fail")])
def test_sys_exit_is_told_as_what_it_is(sink: Sink, code: object, told: str) -> None:
    with pytest.raises(SystemExit), pulsemon.monitor(sink.url, start=False):
        sys.exit(code)  # type: ignore[arg-type]
    wait_until(lambda: sink.signals == [told])


def test_coroutines_are_told_and_the_loop_is_never_held_up(sink: Sink) -> None:
    @pulsemon.monitor(sink.url)
    async def work(result: int) -> int:
        await asyncio.sleep(0)
        if result < 0:
            raise ValueError("negative")
        return result

    async def both() -> list[Any]:
        return await asyncio.gather(work(7), work(-1), return_exceptions=True)

    # PulseMon is silent, and yet the calls come to their end.
    sink.gate.clear()
    seven, error = asyncio.run(both())
    assert seven == 7
    assert isinstance(error, ValueError)
    sink.gate.set()

    wait_until(lambda: sorted(sink.signals) == sorted(["start", "start", TOKEN, "fail"]))
    rid_of = {each.signal: each.rid for each in sink.got}
    assert rid_of[TOKEN] != rid_of["fail"]
    assert asyncio.iscoroutinefunction(work)


def test_runs_are_told_in_their_order(sink: Sink) -> None:
    sink.gate.clear()
    for _ in range(3):
        with pulsemon.monitor(sink.url):
            pass
    sink.gate.set()
    wait_until(lambda: sink.signals == ["start", TOKEN] * 3)


def test_nothing_of_pulsemon_reaches_the_function(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    def work() -> int:
        return 5

    away = f"http://127.0.0.1:{free_port()}/h/backup/{TOKEN}"
    assert pulsemon.monitor(away, tries=1)(work)() == 5
    assert pulsemon.monitor("nobody-knows")(work)() == 5
    assert pulsemon.monitor(None)(work)() == 5
    wait_until(lambda: "Connection refused" in caplog.text and "nobody-knows" in caplog.text)
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    assert pulsemon.monitor("without-a-thread")(work)() == 5
    assert "can't start new thread" in caplog.text
    assert TOKEN not in caplog.text


def test_a_generator_is_refused_where_it_is_decorated() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match=r"with pulsemon\.monitor"):
        pulsemon.monitor("backup")(numbers)


def test_the_end_of_the_process_waits_for_the_last_ping(sink: Sink, environment: dict[str, str]) -> None:
    sink.answers = [(503, {}, b"")]
    script = f"from pulsemon import monitor\n@monitor({sink.url!r}, start=False)\ndef work(): print('done')\nwork()"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, timeout=HANG_SEC)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"done\n", b"")
    assert sink.signals == [TOKEN, TOKEN]
