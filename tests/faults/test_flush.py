"""Promise R1: between a ping's request and its answer lies a flush of the file that holds it.

kill -9 says nothing about that, because the system keeps what a dead process wrote; only a power cut would tell. So
the order of the process's system calls is read instead.
"""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.conftest import LONG_ENOUGH_SEC, Server, require, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Evidence
from tests.faults.clients import Clients
from tests.faults.conftest import Serve, create_monitors, many, wait_until_all_acknowledged

PINGS = 20
_CALLS = "read,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync"
_LINE = re.compile(r"^(?P<thread>\d+) +(?P<rest>.*)$")
TOO_EARLY = "it was answered before a flush of the log had ended that began after it was written there"
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(?P<rest>.*)$")
_ENDED_WELL = re.compile(r"\) += \d+$")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that succeeded, from the line of the trace on which it began to the one on which it ended."""

    text: str
    began: int
    ended: int

    def is_one_of(self, *names: str) -> bool:
        return self.text.startswith(tuple(f"{name}(" for name in names))


def parse(trace: str) -> list[Call]:
    """Return the calls of all threads, in the order in which they ended."""
    calls = []
    open_calls: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(trace.splitlines()):
        matched = _LINE.match(line)
        if not matched:
            continue
        thread, text, began = matched["thread"], matched["rest"], number
        if text.endswith(_UNFINISHED):
            open_calls[thread] = (text.removesuffix(_UNFINISHED), number)
            continue
        if resumed := _RESUMED.match(text):
            begun, began = open_calls.pop(thread, ("", number))
            text = begun + resumed["rest"]
        if _ENDED_WELL.search(text):
            calls.append(Call(text, began, number))
    return calls


def unflushed(calls: list[Call], rid: str) -> str | None:
    """Return what is wrong with the order of the calls that concern the ping *rid*; None: it was on disk in time."""
    asked = [each for each in calls if each.is_one_of("read", "recvfrom", "recvmsg") and f"rid={rid}" in each.text]
    written = [each for each in calls if each.is_one_of("pwrite64", "pwritev") and rid in each.text]
    if not asked or not written:
        return "its request or its writing is not in the trace"
    socket_name = asked[0].text.partition("(")[2].partition(">")[0]
    answers = [
        each.began
        for each in calls
        if each.is_one_of("write", "writev", "sendto", "sendmsg")
        and socket_name in each.text
        and "HTTP/1.1 200" in each.text
        and each.began > asked[0].ended
    ]
    if not answers:
        return "its answer is not in the trace"
    log_writes = [each.ended for each in written if "-wal>" in each.text and each.began > asked[0].ended]
    flushes = [
        each
        for each in calls
        if each.is_one_of("fsync", "fdatasync") and "-wal>" in each.text and each.ended < answers[0]
    ]
    if not log_writes or not any(each.began > log_writes[0] for each in flushes):
        return TOO_EARLY
    return None


@contextmanager
def traced(server: Server, path: Path, *options: str) -> Iterator[None]:
    """Write the server's system calls to *path* while the block runs; *options* are further ones of strace."""
    command = [require("strace"), "-f", "-yy", "-s", "8192", "-e", f"trace={_CALLS}", *options]
    command += ["-p", str(server.process.pid)]
    messages = path.with_suffix(".messages")
    with messages.open("wb") as said:
        tracer = subprocess.Popen([*command, "-o", str(path)], stderr=said)
    try:

        def is_attached() -> bool:
            said = messages.read_text()
            if tracer.poll() is not None:
                pytest.fail(f"strace cannot trace the server: {said}")
            return "attached" in said

        wait_until(is_attached)
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(LONG_ENOUGH_SEC)


def pings_under_trace(server: Server, path: Path) -> list[str | None]:
    """Ping one after the other; return for each what was wrong with its flush."""
    (url,) = create_monitors(server, many(1)).values()
    rids = [str(uuid.uuid4()) for _ in range(PINGS)]
    with traced(server, path), httpx2.Client() as client:
        for rid in rids:
            assert client.get(url, params={"rid": rid}).status_code == 200
    calls = parse(path.read_text(errors="replace"))
    return [unflushed(calls, rid) for rid in rids]


def test_every_ping_is_flushed_to_disk_between_its_request_and_its_answer(a_server: Serve, tmp_path: Path) -> None:
    assert pings_under_trace(a_server(), tmp_path / "trace") == [None] * PINGS


@pytest.mark.parametrize("level", ["OFF", "NORMAL"])
def test_control_without_full_synchronous_nothing_is_flushed_in_time(
    a_server: Serve, tmp_path: Path, level: str
) -> None:
    unsafe = f"""
        from pulsemon.db import sqlite

        sqlite._WRITER_PRAGMAS = tuple(each.replace("FULL", "{level}") for each in sqlite._WRITER_PRAGMAS)
        sqlite._SYNCHRONOUS_FULL = {["OFF", "NORMAL", "FULL"].index(level)}
    """

    # Not all of them: what brings the log into the file may have flushed it in the middle of one.
    assert pings_under_trace(a_server(patch=unsafe), tmp_path / "trace").count(TOO_EARLY) > PINGS / 2


def test_a_database_that_would_not_flush_is_refused_at_the_start(a_server: Serve) -> None:
    forgotten = """
        from pulsemon.db import sqlite

        sqlite._WRITER_PRAGMAS = tuple(each.replace("FULL", "OFF") for each in sqlite._WRITER_PRAGMAS)
    """

    with pytest.raises(pytest.fail.Exception, match="does not keep what it acknowledges"):
        a_server(patch=forgotten)


def flushes_fail(a_server: Serve, sqlite_url: str, path: Path, *, patch: str = "") -> Evidence:
    """Let every flush fail for a while under load, then be well again; then kill the server and look."""
    server = a_server(patch=patch)
    urls = create_monitors(server, many(20))
    with Clients(urls, connections=4, pause_sec=0.01) as clients:
        wait_until(lambda: clients.log.count() >= 20)
        with traced(server, path, "-e", "inject=fsync,fdatasync:error=EIO"):
            answers = {httpx2.get(urls["job-0"]).status_code for _ in range(10)}
        print(f"while flushes failed: {answers}")
        wait_until_all_acknowledged(clients.log, urls)
        server.kill()
    server.start_again()
    assert server.stop() == 0
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert answers == {503}
    return evidence.read(sqlite_url, operations=clients.log.operations)


def test_while_flushes_fail_nothing_is_acknowledged_and_afterwards_all_is_well(
    a_server: Serve, sqlite_url: str, tmp_path: Path
) -> None:
    seen = flushes_fail(a_server, sqlite_url, tmp_path / "trace")

    assert checker.check(seen) == []


def test_control_a_server_that_takes_trouble_for_success_is_found_out(
    a_server: Serve, sqlite_url: str, tmp_path: Path
) -> None:
    hopeful = """
        from pulsemon.heartbeats.group_commit import GroupCommit
        from pulsemon.heartbeats.pings import Answer

        write = GroupCommit._write
        GroupCommit._write = lambda self, pings: write(self, pings) and [Answer.STORED] * len(pings)
    """

    with pytest.raises(AssertionError, match="200"):
        flushes_fail(a_server, sqlite_url, tmp_path / "trace", patch=hopeful)


_GOOD = """\
10 read(9<TCP:[a]>, "GET /h/job/t?rid=R HTTP/1.1", 100) = 27
11 pwrite64(5</x/p.db-wal>, "..R..", 4096, 0) = 4096
11 fdatasync(5</x/p.db-wal> <unfinished ...>
10 read(8<pipe>, "x", 1) = 1
11 <... fdatasync resumed>) = 0
10 write(9<TCP:[a]>, "HTTP/1.1 200 OK", 100) = 100
"""


def test_the_trace_is_read_rightly() -> None:
    lines = _GOOD.splitlines()

    assert unflushed(parse(_GOOD), "R") is None
    early = "\n".join([*lines[:4], lines[5], lines[4]])
    assert unflushed(parse(early), "R") == TOO_EARLY
    failed = _GOOD.replace("resumed>) = 0", "resumed>) = -1 EIO (Input/output error)")
    assert unflushed(parse(failed), "R") == TOO_EARLY
    other_file = _GOOD.replace("fdatasync(5</x/p.db-wal>", "fdatasync(5</x/p.db>")
    assert unflushed(parse(other_file), "R") == TOO_EARLY
    flushed_first = "\n".join([lines[0], lines[2], lines[4], lines[1], lines[5]])
    assert unflushed(parse(flushed_first), "R") == TOO_EARLY
    assert "answer is not" in str(unflushed(parse("\n".join(lines[:5])), "R"))
