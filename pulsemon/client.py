"""The job's side: `pulsemon run`, `pulsemon ping` and the decorator `pulsemon.monitor`.

Standard library only, and nothing of PulseMon: this file works alone. Copied to a machine without PulseMon it is
`python3 client.py run ...`. Written for Python 3.8 and newer.

Nothing here fails the job: what goes wrong between the job and PulseMon is a warning without a token in it. Whatever is
costly to import is imported where it is needed, so that a short job stays short.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Run as a file, Python would look for the library's modules beside it first, and there may lie a `locale`.
    _HERE = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.realpath(folder or ".") != _HERE]

import argparse
import atexit
import contextlib
import errno
import re
import signal
import subprocess
import threading
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType, TracebackType
    from typing import Any, NoReturn, TypeVar

    _Function = TypeVar("_Function", bound="Callable[..., Any]")

# What PulseMon keeps of a body, unless PING_BODY_LIMIT says otherwise: its first bytes, so more would lose the end.
BODY_LIMIT = 10_000
TRIES = 3
# Seconds, after the job has ended, in which PulseMon may still be told.
PATIENCE_SEC = 20.0
_TRY_SEC = 5.0
# How long a process that the job left behind may hold the job's output open.
_LINGER_SEC = 2.0
# The largest pipe that Linux gives to an ordinary user: more than that was written after the job's end.
_PIPE_MAX = 1 << 20
_WAITING_MAX = 100
_USAGE, _CANNOT_RUN, _NOT_FOUND = 2, 126, 127
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[^][\s/@?#:\\]+|\[[0-9a-f:.]+\])(?P<port>:[0-9]{0,5})?"
    r"(?P<path>/[^\s\x00-\x1f\x7f?#]+)(?P<query>\?[^\s\x00-\x1f\x7f#]*)?(#\S*)?",
    re.IGNORECASE,
)
# What is pasted along and nobody sees: the byte order mark, zero-width and soft characters, marks of direction.
_UNSEEN = dict.fromkeys(
    [0, *map(ord, "\xad\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")]
)
_AROUND = "\"'`<>,;\u200c\u200d\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a"
# What may be quoted in a message. Shorter than any token: those of PulseMon have 32 characters and more.
_SLUG = re.compile(r"[\w.-]{1,29}")
_HOST = re.compile(r"([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?|\[[0-9a-f:.]+\]", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Unknown(Exception):
    """No ping URL is known for a slug; the message says where it was looked for, and holds no URL."""


def find_url(target: str) -> str:
    """Return the ping URL that *target* is, or the one that a file of URLs has for the slug *target*.

    Such a file has lines `slug URL`; a line that begins with `#` is a comment. The first file that names the slug is
    the one that counts: that of PULSEMON_URLS, `~/.config/pulsemon/urls`, `/etc/pulsemon/urls`.

    Raises:
        Unknown: no file names it, or what stands there is no URL.
    """
    target = cleaned(target)
    if not target:
        raise Unknown("the slug or URL given is empty")
    if "/" in target:
        return _checked(target, "the URL given")
    looked_in = []
    for path in _files_of_urls():
        try:
            with open(path, "rb") as file:
                lines = _text_of(file.read()).translate(_UNSEEN).splitlines()
        except (OSError, ValueError) as failed:
            # What is no file may be a URL, put into the wrong variable.
            name = path if path.endswith("pulsemon/urls") else "what PULSEMON_URLS says"
            looked_in.append(f"{name} ({getattr(failed, 'strerror', 'no name of a file')})")
            continue
        why_not = "does not name it"
        for number, line in enumerate(lines, 1):
            words = line.split(None, 1)
            if words and cleaned(words[0]) == target and not words[0].startswith("#"):
                return _checked("".join(words[1:]), f"{path}, line {number}: what follows the slug")
            if re.match(re.escape(target) + "[\"']?\\s*[=:,;|]", cleaned(line)):
                why_not = f"line {number} is not of the form `SLUG URL`, with a blank between the two"
        looked_in.append(f"{path} ({why_not})")
    if re.search(r"[:\\%]", target):
        raise Unknown("what was given is neither a slug nor a ping URL such as https://status.example.org/h/SLUG/TOKEN")
    raise Unknown(f"no ping URL is known for {_shown(target)}; looked in {', '.join(looked_in)}")


def _shown(target: str) -> str:
    """Return a slug as it may be shown: what does not look like one may be a token, or hold one."""
    return repr(target) if _SLUG.fullmatch(target) else "what was given (not shown: it may be a token)"


def _files_of_urls() -> list[str]:
    named = os.environ.get("PULSEMON_URLS")
    if named and not os.path.exists(named):
        named = os.path.expanduser(cleaned(named))
    return [*([named] if named else []), os.path.expanduser("~/.config/pulsemon/urls"), "/etc/pulsemon/urls"]


def cleaned(text: str) -> str:
    """Return *text* without what came along when it was pasted: white space, quotes, brackets, what nobody sees."""
    text = text.translate(_UNSEEN)
    while text != text.strip().strip(_AROUND):
        text = text.strip().strip(_AROUND)
    return text


def _text_of(content: bytes) -> str:
    """Return the text of a file as editors and shells write it: UTF-8, or the UTF-16 of Windows."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    if b"\0" in content[:2]:
        return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _checked(url: str, what: str) -> str:
    """Return *url* as it is sent: ASCII alone, the host by IDNA, the path in escapes. Raises Unknown."""
    url = cleaned(url)
    found = _URL.fullmatch(url)
    if not found:
        authority = url.partition("://")[2].partition("/")[0]
        why = " (there is white space in it)" if re.search(r"\s", url) else ""
        why = " (a name and a password are not taken)" if "@" in authority else why
        raise Unknown(f"{what} is not a ping URL such as https://status.example.org/h/SLUG/TOKEN{why}")
    port = (found["port"] or "").strip(":")
    host = _ascii_host(found["host"])
    if not host or (port and not 0 < int(port) < 65_536):
        raise Unknown(f"{what} has a {'port' if host else 'host'} that cannot be")
    path = found["path"] + (found["query"] or "")
    if not path.isascii():
        path = "".join(map(_escaped, path))
    return f"{found['scheme'].lower()}://{host}{port and ':' + port}{path}"


def _escaped(letter: str) -> str:
    return letter if letter.isascii() else "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogateescape"))


def _ascii_host(host: str) -> str:
    """Return a host's name as it is looked up, "" for what is none.

    IDNA 2008 as far as the library goes, with the mappings of UTS 46 that matter (width, case, composition): its own
    codec is of 2003 and would lead `strasse` and the name with a sharp s to one host.
    """
    if host.isascii():
        return host if _HOST.fullmatch(host) and len(host) <= 254 else ""
    if re.search("[\ud800-\udfff]", host):
        return ""
    import unicodedata

    labels = []
    for label in re.split("[.\u3002\uff0e\uff61]", host):
        # Letter by letter: lower() of a word makes the last sigma of it a final one, which is another name.
        plain = unicodedata.normalize("NFKC", "".join(map(str.lower, unicodedata.normalize("NFKC", label))))
        labels.append(plain if plain.isascii() else "xn--" + plain.encode("punycode").decode("ascii"))
    name = ".".join(labels)
    return name if _HOST.fullmatch(name) and len(name) <= 253 else ""


def new_rid() -> str:
    """Return a random id for a run: a UUID of version 4, without the time that importing `uuid` takes."""
    a, b, c, d, e = (os.urandom(count).hex() for count in (4, 2, 2, 2, 6))
    return f"{a}-{b}-4{c[1:]}-{'89ab'[int(d[0], 16) & 3]}{d[1:]}-{e}"


def _ping_url(url: str, suffix: str, rid: str | None) -> str:
    path, _, query = url.partition("?")
    path = path.rstrip("/") + ("/" + suffix if suffix else "")
    query = "&".join(part for part in (query, f"rid={rid}" if rid else "") if part)
    return f"{path}?{query}" if query else path


def _without_secret(url: str) -> str:
    """Return as much of a ping URL as may be shown: the server, and the slug where the path has one."""
    from urllib.parse import unquote

    try:
        scheme, _, rest = _checked(url, "").partition("://")
    except Unknown:
        return "the URL given"
    host, *path = rest.partition("?")[0].split("/")
    # Where the slug was left out, or the slash escaped, the token stands there.
    has_slug = path[0] == "h" and len(path) > 2 and _SLUG.fullmatch(unquote(path[1]))
    return f"{scheme}://{host}" + (f"/h/{path[1]}/..." if has_slug else "/...")


# --- one ping


def deliver(url: str, body: bytes, *, tries: int = TRIES, patience: float = PATIENCE_SEC) -> str:
    """POST a ping until PulseMon acknowledges it; return "" then, else why it did not. Takes about *patience* seconds.

    Tried again: no answer, 408, 429 and 5xx. Repeating is safe when the URL has a rid.
    """
    give_up_at = time.monotonic() + patience
    for attempt in range(1, tries + 1):
        why_not, pause = _post(url, body, timeout=max(0.1, min(_TRY_SEC, give_up_at - time.monotonic())))
        if pause is None:
            return why_not
        # Many jobs end at the same minute; they do not come back at the same second.
        pause = max(pause, 2.0 ** (attempt - 1)) * (0.75 + os.urandom(1)[0] / 512)
        if attempt == tries or time.monotonic() + pause > give_up_at:
            return why_not
        time.sleep(pause)
    return "it was not tried"


def _post(url: str, body: bytes, *, timeout: float) -> tuple[str, float | None]:
    """Send one request. Return ("", None) when it was acknowledged, else why not, and the pause before the next try."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request

    headers = {"User-Agent": "PulseMon-client", "Content-Type": f"text/plain{_charset(body)}"}
    try:
        # The URL is http or https: _checked has seen it.
        with _opener().open(Request(url, body, headers, method="POST"), timeout=timeout) as reply:  # noqa: S310
            said = reply.read(200).strip()
    except HTTPError as answered:
        with answered:
            return _refusal(answered.code, answered.headers.get("Retry-After", ""))
    except (OSError, HTTPException, ValueError) as failed:
        reason = failed.reason if isinstance(failed, URLError) else failed
        # The texts of other errors may quote the URL, and with it the token.
        told = reason.strerror or str(reason) if isinstance(reason, OSError) else ""
        return told or type(reason).__name__, 0.0
    # A page of a proxy or of a login is a 200 too.
    if said.replace(b" ", b"").startswith(b'{"ok":true') or said in (b"OK", b"Created"):
        return "", None
    return "the answer is not PulseMon's", None


def _charset(body: bytes) -> str:
    """Return what a Content-Type says of the job's words: UTF-8 if they are, else what the console speaks."""
    if body.isascii():
        return ""
    with contextlib.suppress(UnicodeDecodeError):
        # The beginning may be cut in the middle of a character.
        body.lstrip(bytes(range(0x80, 0xC0))).decode("utf-8")
        return "; charset=utf-8"
    if os.name == "nt":
        import ctypes

        page = ctypes.windll.kernel32.GetConsoleOutputCP() or ctypes.windll.kernel32.GetOEMCP()  # type: ignore[attr-defined]
        return f"; charset=cp{page}"
    import locale

    spoken = locale.getpreferredencoding(False)
    return "" if spoken.lower() in ("utf-8", "utf8", "ascii", "us-ascii", "ansi_x3.4-1968") else f"; charset={spoken}"


def _refusal(code: int, retry_after: str) -> tuple[str, float | None]:
    if code in (408, 429) or code >= 500:
        return f"answered {code}", float(retry_after) if retry_after.isdecimal() else 0.0
    told = {404: " (slug or token unknown there)"}.get(code, " (a redirect elsewhere)" if 300 <= code < 400 else "")
    return f"answered {code}{told}", None


def _opener() -> Any:
    """Return urllib's opener, with its proxies and its checks of certificates; redirects stay on the same host."""
    from urllib.parse import urlsplit
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class SameHost(HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
            old, new = urlsplit(req.full_url), urlsplit(newurl)
            if new.hostname != old.hostname or new.scheme not in (old.scheme, "https"):
                return None
            # urllib would make a GET of it and drop the body.
            return Request(newurl, req.data, dict(req.headers), method="POST")  # noqa: S310

    return build_opener(SameHost)


class Teller:
    """Tells one monitor's pings in order, in a thread of its own, so that nobody waits for the network.

    *say* gets the warnings. After a fork the child begins with nothing to tell.
    """

    def __init__(self, target: str, say: Callable[[str], None], *, tries: int, patience: float) -> None:
        self.target, self.tries, self.patience = cleaned(str(target)), tries, patience
        self._say, self._said = say, ""
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        # The newest count most: they say how the monitor is now.
        self._waiting: deque[tuple[str, str | None, bytes, int]] = deque(maxlen=_WAITING_MAX)
        self._is_working = False
        self._all_told = True

    def tell(self, suffix: str, *, rid: str | None = None, body: bytes = b"", tries: int = 0) -> None:
        """Put a ping in the queue: `start`, `fail`, `log`, an exit status, or "" for success."""
        if self._process != os.getpid():
            self._begin()
        with self._changed:
            self._waiting.append((suffix, rid, body, tries or self.tries))
            if self._is_working:
                return
            try:
                threading.Thread(target=self._work, name="pulsemon", daemon=True).start()
                self._is_working = True
            except RuntimeError as failed:  # too many threads, or the interpreter is about to end
                self._all_told = False
                self._warn(f"PulseMon is not told about {self._name()}: {failed}")

    def flush(self, seconds: float, *, is_enough: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the queue is empty, at most *seconds* or until *is_enough*; tell whether all was acknowledged."""
        if self._process != os.getpid():
            return True
        give_up_at = time.monotonic() + seconds
        with self._changed:
            while self._is_working:
                left = give_up_at - time.monotonic()
                if left <= 0 or is_enough():
                    self._warn(f"PulseMon may not have been told about {self._name()}: no answer in time")
                    return False
                # A signal's handler may not notify: it would take the lock that this thread holds.
                self._changed.wait(min(left, 0.2))
            return self._all_told

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._is_working = False
                    self._changed.notify_all()
                    return
                suffix, rid, body, tries = self._waiting.popleft()
            try:
                url = _ping_url(find_url(self.target), suffix, rid)
                why_not = deliver(url, body, tries=tries, patience=self.patience)
                why_not = why_not and f"{_without_secret(url)} was not told {suffix or 'success'}: {why_not}"
            except Unknown as unknown:
                why_not = f"PulseMon is not told: {unknown}"
            except Exception as failed:  # the promise: nothing between job and PulseMon reaches the job
                why_not = f"PulseMon was not told about {self._name()}: {type(failed).__name__}"
            if why_not:
                self._all_told = False
                self._warn(why_not)

    def _warn(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._say(text)

    def _name(self) -> str:
        return _without_secret(self.target) if "/" in self.target else _shown(self.target)


# --- run: a command and its output


def run(target: str, command: Sequence[str], options: argparse.Namespace) -> int:
    """Run *command* and tell how it went; return its exit status, or die by the signal that it died by."""
    teller = Teller(target, _warn, tries=options.tries, patience=options.patience)
    rid, tail = new_rid(), Tail(options.tail)
    # Windows cannot wait for pipes and for a process at once. Asked before a pipe of ours gets a closed one's number.
    captured = [] if options.no_output or os.name != "posix" else [each for each in (1, 2) if _is_open(each)]
    signals = Signals()
    try:
        job = _start(command, captured)
    except OSError as failed:
        status = _NOT_FOUND if isinstance(failed, FileNotFoundError) else _CANNOT_RUN
        why = f"{command[0]}: {failed.strerror}"
        _warn(f"cannot run {why}")
        teller.tell(str(status), rid=rid, body=f"pulsemon: cannot run {why}\n".encode("utf-8", "replace"))
        teller.flush(options.patience)
        return status
    signals.pass_on_to(job)
    if not options.no_start:
        teller.tell("start", rid=rid, tries=1)
    _relay(job, tail, signals.wakeup)
    returncode = job.wait()
    signals.ended_at = time.monotonic()
    status = returncode if returncode >= 0 else 128 - returncode
    # On Windows an exit status may be any number of 32 bits.
    teller.tell(str(status) if status <= 255 else "fail", rid=rid, body=bytes(tail))
    teller.flush(options.patience, is_enough=signals.are_impatient)
    return _end_like(returncode)


def _start(command: Sequence[str], captured: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start the job, the *captured* descriptors through a pipe; one for both where both lead to the same place."""
    out, err = 1 in captured, 2 in captured
    together = out and err and os.path.sameopenfile(1, 2)
    return subprocess.Popen(  # noqa: S603 - to run what the caller says is what this is for
        command,
        bufsize=0,
        stdout=subprocess.PIPE if out else None,
        stderr=subprocess.STDOUT if together else subprocess.PIPE if err else None,
    )


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


class Tail:
    """The last *limit* bytes of what was added."""

    def __init__(self, limit: int) -> None:
        self._limit, self._kept = limit, bytearray()

    def add(self, chunk: bytes) -> None:
        """Add to the end."""
        self._kept += chunk
        # Not at every chunk: moving ten thousand bytes for each line would cost more than the job.
        if len(self._kept) > 2 * self._limit + 65_536:
            del self._kept[: len(self._kept) - self._limit]

    def __bytes__(self) -> bytes:
        return bytes(self._kept[max(0, len(self._kept) - self._limit) :])


class Signals:
    """Passes the signals that this process gets on to the job, and wakes the main thread when the job ends.

    One that is ignored (nohup) stays ignored, here and in the job.
    """

    _PASSED_ON = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM")

    def __init__(self) -> None:
        self.ended_at = float("inf")
        self._job: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._is_impatient = False
        self.wakeup, write = os.pipe()
        if os.name == "posix":
            os.set_blocking(self.wakeup, False)
            os.set_blocking(write, False)
            signal.set_wakeup_fd(write, warn_on_full_buffer=False)
            # Were it ignored, the system would throw the job's exit status away.
            signal.signal(signal.SIGCHLD, lambda *_: None)
        for name in self._PASSED_ON:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)

    def pass_on_to(self, job: subprocess.Popen[bytes]) -> None:
        """Begin, with what came in while the job was being started."""
        self._job = job
        for number in self._early:
            job.send_signal(number)

    def are_impatient(self) -> bool:
        """Tell whether a signal came when only PulseMon was waited for."""
        return self._is_impatient

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self._job is None:
            self._early.append(number)
        elif self._job.returncode is not None:
            # A signal for the whole group may come after the job died of it: that is not impatience.
            self._is_impatient = time.monotonic() > self.ended_at + 1
        elif not (number in _keys() and _keyboard_reaches_the_job()):
            with contextlib.suppress(OSError, ValueError):  # it has just ended; Windows knows few signals
                self._job.send_signal(number)


def _keys() -> tuple[int, ...]:
    return (signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGINT))


def _keyboard_reaches_the_job() -> bool:
    """Tell whether the terminal itself delivers Ctrl-C to the job: hearing it twice makes many programs give up."""
    if os.name != "posix":
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _relay(job: subprocess.Popen[bytes], tail: Tail, wakeup: int) -> None:
    """Copy what the job writes until it has ended and its output is closed, or is held open by others for too long."""
    import selectors

    with selectors.DefaultSelector() as selector:
        for pipe, descriptor in ((job.stdout, 1), (job.stderr, 2)):
            if pipe:
                selector.register(pipe, selectors.EVENT_READ, descriptor)
        if not selector.get_map():
            return
        selector.register(wakeup, selectors.EVENT_READ)
        ended_at, after_end = None, 0
        while len(selector.get_map()) > 1:
            if ended_at is None and job.poll() is not None:
                ended_at = time.monotonic()
            left = None if ended_at is None else max(0.0, ended_at + _LINGER_SEC - time.monotonic())
            ready = selector.select(left)
            if left is not None and (not ready or (left == 0 and after_end > _PIPE_MAX)):
                _warn("a process that the job left behind holds its output open; not waiting for it")
                return
            for key, _ in ready:
                if key.data is None:
                    os.read(wakeup, 512)
                    continue
                chunk = os.read(key.fd, 65_536)
                tail.add(chunk)
                after_end += len(chunk) if ended_at is not None else 0
                if not chunk or not _write(key.data, chunk):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr] # they are pipes


def _write(descriptor: int, chunk: bytes) -> bool:
    """Write all of it; tell whether somebody still reads. Other errors (a full disk) cost the output, not the job."""
    import select

    rest = memoryview(chunk)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
        except OSError as failed:
            return failed.errno != errno.EPIPE
    return True


def _end_like(returncode: int) -> int:
    """Return the exit status, or die by the job's signal: a shell sees 128 + n, systemd sees the signal itself."""
    if returncode >= 0 or os.name != "posix":
        return returncode
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError, ValueError):  # SIGKILL has no handler
        signal.signal(-returncode, signal.SIG_DFL)
    os.kill(os.getpid(), -returncode)
    return 128 - returncode  # process 1 of a container does not die by its own signal


# --- the command line


def main(arguments: Sequence[str]) -> int:
    """Carry out `run ...` or `ping ...`; return the exit status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    words = list(arguments)
    cut = words.index("--") if "--" in words else len(words)
    parser = _parser()
    options = parser.parse_args(words[:cut])
    command = words[cut + 1 :]
    given = [each for each in (options.url, options.slug, os.environ.get("PULSEMON_URL")) if each is not None]
    if options.url and options.slug:
        parser.error("give a slug or --url, not both")
    # Where each is empty, such as a variable that was never set, the job runs all the same.
    target = next((each for each in given if cleaned(each)), "")
    if not given:
        parser.error("which monitor? Give a slug or --url URL, or set PULSEMON_URL")
    if options.word == "ping":
        if command:
            parser.error("ping takes no command")
        return ping(target, options)
    if not command:
        parser.error("which command? It stands behind --, as in: pulsemon run SLUG -- /usr/local/bin/backup.sh")
    return run(target, command, options)


def ping(target: str, options: argparse.Namespace) -> int:
    """Send one ping; return 0 when PulseMon acknowledged it, else 1."""
    tail = Tail(BODY_LIMIT)
    if options.body == "-":
        for chunk in iter(lambda: os.read(0, 65_536), b""):
            tail.add(chunk)
    elif options.body is not None:
        tail.add(os.fsencode(options.body))
    teller = Teller(target, _warn, tries=options.tries, patience=options.patience)
    teller.tell(options.signal, rid=options.rid, body=bytes(tail))
    return 0 if teller.flush(options.patience) else 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong without the words that may be a token, and end with 2."""
        super().error(re.sub(r"\S{30,}", lambda word: word[0] if _UUID.fullmatch(word[0]) else "...", message))


def _parser() -> argparse.ArgumentParser:
    name = "pulsemon" if __name__ != "__main__" else os.path.basename(__file__)
    parser = _Parser(prog=name, description="Tell PulseMon that a job ran.", allow_abbrev=False)
    words = parser.add_subparsers(dest="word", required=True, metavar="run|ping")
    epilog = (
        "A slug is looked up in the files that PULSEMON_URLS names, ~/.config/pulsemon/urls and /etc/pulsemon/urls: "
        "lines `slug URL`. Without a slug and --url, PULSEMON_URL is the ping URL."
    )
    for_run = words.add_parser(
        "run", help="run a command and tell how it went", allow_abbrev=False, epilog=epilog,
        usage=f"{name} run [SLUG | --url URL] [options] -- COMMAND [ARGUMENTS]",
    )  # fmt: skip
    for_ping = words.add_parser("ping", help="send one ping", allow_abbrev=False, epilog=epilog)
    for each in (for_run, for_ping):
        each.add_argument("slug", nargs="?", metavar="SLUG", help="the monitor's slug, or its ping URL")
        each.add_argument("--url", metavar="URL", help="the ping URL")
        each.add_argument("--tries", type=_number(1, 100), default=TRIES, metavar="N", help=f"default {TRIES}")
        each.add_argument(
            "--patience", type=_number(1, 3600), default=PATIENCE_SEC, metavar="SECONDS",
            help=f"how long PulseMon is waited for, at most; default {PATIENCE_SEC:.0f}",
        )  # fmt: skip
    for_run.add_argument("--no-start", action="store_true", help="tell only the end, so no limit for the run begins")
    for_run.add_argument("--no-output", action="store_true", help="leave the job's output alone: it sees the terminal")
    for_run.add_argument(
        "--tail", type=_number(0, 10_000_000), default=BODY_LIMIT, metavar="BYTES",
        help=f"how much of the end of the output is sent; default {BODY_LIMIT}",
    )  # fmt: skip
    kind = for_ping.add_mutually_exclusive_group()
    for word in ("start", "fail", "log"):
        kind.add_argument(f"--{word}", dest="signal", action="store_const", const=word, default="")
    kind.add_argument(
        "--exit-status", dest="signal", type=_exit_status, metavar="N", help="0 is success, 1-255 failure"
    )
    for_ping.add_argument("--rid", type=_rid, metavar="UUID", help="the run that it belongs to")
    for_ping.add_argument("--body", metavar="TEXT", help="what to keep with it; - reads standard input")
    return parser


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return read


def _exit_status(text: str) -> str:
    return str(_number(0, 255)(text))


def _rid(text: str) -> str:
    rid = cleaned(text).strip("{}")
    if not _UUID.fullmatch(rid):
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID such as {new_rid()}")
    return rid


def _warn(text: str) -> None:
    # Descriptor 2 may be something else by now if it was closed at the start.
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            os.write(2, f"pulsemon: warning: {text}\n".encode("utf-8", "replace"))


# --- the decorator


class monitor:  # noqa: N801 - read at the place of use: @pulsemon.monitor("backup"), with pulsemon.monitor("backup"):
    """Tell PulseMon when a function, or a `with` block, begins and how it ends.

    An exception is told as a failure, with the end of its traceback, and raised again; `sys.exit()` and `sys.exit(0)`
    are success. Works for coroutine functions too. Nothing is waited for: a thread sends the pings, in order; only the
    end of the process gives the last of them *patience* seconds. Warnings go to the logger `pulsemon`.

    *target* is a slug or a ping URL; None or "" tells nothing. Many calls of a function may run at once; one object
    is for one `with` block at a time.
    """

    def __init__(
        self, target: str | None, *, start: bool = True, tries: int = TRIES, patience: float = PATIENCE_SEC
    ) -> None:
        self._teller = _teller_of(target, tries, patience) if target else None
        self._tells_start = start
        self._run = self._one_run()

    def __call__(self, function: _Function) -> _Function:
        import functools
        import inspect

        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("a generator has not run when its function returns: use `with pulsemon.monitor(...)` in it")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_async(*args: Any, **kwargs: Any) -> Any:
                with self._one_run():
                    return await function(*args, **kwargs)

            return call_async  # type: ignore[return-value] # it is called as the function is

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._one_run():
                return function(*args, **kwargs)

        return call  # type: ignore[return-value] # as above

    def __enter__(self) -> None:
        self._run = self._one_run()
        self._run.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, trace: TracebackType | None) -> None:
        self._run.__exit__(kind, error, trace)

    def _one_run(self) -> _Run:
        return _Run(self._teller, tells_start=self._tells_start)


class _Run:
    """One call: its rid, its start and its end."""

    def __init__(self, teller: Teller | None, *, tells_start: bool) -> None:
        self._teller, self._tells_start, self._rid = teller, tells_start, new_rid()

    def __enter__(self) -> None:
        if self._teller and self._tells_start:
            self._teller.tell("start", rid=self._rid, tries=1)

    def __exit__(self, _: Any, error: BaseException | None, __: TracebackType | None) -> None:
        if not self._teller:
            return
        # Whoever closes a generator has what he wanted of it.
        if error is None or isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and not error.code):
            self._teller.tell("", rid=self._rid)
        else:
            self._teller.tell("fail", rid=self._rid, body=_traceback_of(error))


def _traceback_of(error: BaseException) -> bytes:
    import traceback

    try:
        lines = traceback.format_exception(type(error), error, error.__traceback__)
    except Exception as failed:  # an exception may do anything when it is asked for its text
        lines = [f"{type(error).__name__}; its traceback cannot be shown: {type(failed).__name__}"]
    return "".join(lines).encode("utf-8", "backslashreplace")[-BODY_LIMIT:]


# One for each target, so that a run's end is told before the next one's start.
_tellers: dict[tuple[str, int, float], Teller] = {}


def _teller_of(target: str, tries: int, patience: float) -> Teller:
    if not _tellers:
        atexit.register(_tell_the_rest)
    return _tellers.setdefault((target, tries, patience), Teller(target, _log, tries=tries, patience=patience))


def _tell_the_rest() -> None:
    give_up_at = time.monotonic() + max(teller.patience for teller in _tellers.values())
    for teller in _tellers.values():
        teller.flush(max(0.0, give_up_at - time.monotonic()))


def _log(text: str) -> None:
    import logging

    logging.getLogger("pulsemon").warning("%s", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
