"""A mail server on a real socket that keeps what it got and answers, or misbehaves, as a test tells it.

    with MailSink() as sink:
        ...                                  # something sends to 127.0.0.1:sink.port
        first, = sink.wait_for(1)
        assert first.to == "ana@example.org"

A *script* maps a verb (or `banner`, `body`) to the answers it gets, one after the other, the last one for ever; an
answer is text, or one of the misbehaviours below. Every connection has a thread of its own.
"""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Self, cast

from tests.conftest import LONG_ENOUGH_SEC, wait_until

HANG = object()  # no answer, until the sink stops
CUT = object()  # the connection ends without an answer
Answer = str | object

_USUAL: dict[str, Answer] = {
    "banner": "220 sink ESMTP",
    "HELO": "250 sink",
    "STARTTLS": "220 go ahead",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go ahead",
    "body": "250 2.0.0 queued",
    "RSET": "250 ok",
    "NOOP": "250 ok",
    "QUIT": "221 bye",
}


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that the server took."""

    sender: str
    to: str
    content: bytes
    was_encrypted: bool
    login: tuple[str, str] | None

    @property
    def message(self) -> EmailMessage:
        return cast(EmailMessage, message_from_bytes(self.content, policy=default))

    @property
    def text(self) -> str:
        return str(self.message.get_content())


class _Ended(Exception):
    """The conversation is over."""


class MailSink:
    """The server. *tls*: offers STARTTLS, or speaks TLS from the beginning with *implicit*."""

    def __init__(
        self,
        script: Mapping[str, Sequence[Answer]] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        logins: Mapping[str, str] | None = None,
        port: int = 0,
        on_mail: Callable[[Mail], None] = lambda mail: None,
    ) -> None:
        self._script = {verb: list(answers) for verb, answers in (script or {}).items()}
        self._tls = tls
        self._implicit = implicit
        self._logins = logins
        self._on_mail = on_mail
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.mails: list[Mail] = []
        self.said: list[str] = []
        self.open_count = 0
        self.most_open = 0
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._connections:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self._thread.join(LONG_ENOUGH_SEC)

    def wait_for(self, count: int, *, within: float = LONG_ENOUGH_SEC) -> list[Mail]:
        """Return the first *count* mails, once so many are there."""
        wait_until(lambda: len(self.mails) >= count, within=within)
        return self.mails[:count]

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
            self.open_count += 1
            self.most_open = max(self.most_open, self.open_count)
        talk = _Talk(self, connection)
        try:
            if self._implicit:
                talk.encrypt()
            talk.run()
        except (_Ended, OSError):
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
                self.open_count -= 1
            talk.close()

    def answer_to(self, verb: str) -> Answer:
        """Return what *verb* is answered this time."""
        with self._lock:
            answers = self._script.get(verb)
            if not answers:
                return _USUAL.get(verb, "502 what?")
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def keep(self, mail: Mail) -> None:
        with self._lock:
            self.mails.append(mail)
        self._on_mail(mail)

    def hold(self) -> None:
        self._stopping.wait(LONG_ENOUGH_SEC)


class _Talk:
    """One connection."""

    def __init__(self, sink: MailSink, connection: socket.socket) -> None:
        self._sink = sink
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._is_encrypted = False
        self._login: tuple[str, str] | None = None

    def encrypt(self) -> None:
        assert self._sink._tls is not None
        self._connection = self._sink._tls.wrap_socket(self._connection, server_side=True)
        self._reader = self._connection.makefile("rb")
        self._is_encrypted = True

    def close(self) -> None:
        for each in (self._reader, self._connection):
            with suppress(OSError):
                each.close()

    def run(self) -> None:
        self._answer("banner")
        sender = to = ""
        while line := self._reader.readline(10_000):
            text = line.decode("latin-1").rstrip("\r\n")
            self._sink.said.append(text)
            verb = text.partition(" ")[0].upper()
            if verb == "EHLO":
                self._greet()
            elif verb == "AUTH":
                self._log_in(text)
            elif verb == "STARTTLS":
                self._answer(verb)
                self.encrypt()
            elif verb == "DATA":
                self._answer(verb)
                content = self._read_body()
                if self._answer("body").startswith("2"):
                    self._sink.keep(Mail(sender, to, content, self._is_encrypted, self._login))
            else:
                if verb == "MAIL":
                    sender = text.partition("<")[2].partition(">")[0]
                if verb == "RCPT":
                    to = text.partition("<")[2].partition(">")[0]
                self._answer(verb)
                if verb == "QUIT":
                    return

    def _answer(self, verb: str) -> str:
        answer = self._sink.answer_to(verb)
        if answer is HANG:
            self._sink.hold()
            raise _Ended
        if answer is CUT:
            raise _Ended
        text = str(answer)
        self._connection.sendall(f"{text}\r\n".encode())
        if verb == "DATA" and not text.startswith("354"):
            raise _Ended
        return text

    def _greet(self) -> None:
        offers = ["250-sink", "250-8BITMIME"]
        if self._sink._tls is not None and not self._is_encrypted:
            offers.append("250-STARTTLS")
        if self._sink._logins is not None:
            offers.append("250-AUTH PLAIN")
        self._connection.sendall(("\r\n".join([*offers, "250 HELP"]) + "\r\n").encode())

    def _log_in(self, text: str) -> None:
        given = base64.b64decode(text.split()[2]).decode().split("\0")
        name, password = given[1], given[2]
        if (self._sink._logins or {}).get(name) != password:
            # As tactless as a server can be.
            self._connection.sendall(f"535 5.7.8 {password} is wrong for {name}\r\n".encode())
            return
        self._login = (name, password)
        self._connection.sendall(b"235 2.7.0 ok\r\n")

    def _read_body(self) -> bytes:
        if self._sink._script.get("body") and self._sink._script["body"][0] is CUT:
            self._reader.readline()  # the first line is there, and the connection is cut in the middle
            self._answer("body")
        lines = []
        while (line := self._reader.readline(10_000)) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        if line == b"":
            raise _Ended
        return b"".join(lines)
