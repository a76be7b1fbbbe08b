"""Everything one types in a fresh clone: `python3 run.py` serves, `python3 run.py test` tests. Standard library only.

The packages go into `.venv` beside this file; the data (`.env`, `pulsemon.db`) lie in the working directory.
What this file does not do: read settings. It looks at `.env` only to say where to go and with which token.
"""

# Old syntax and no `from __future__`: an older Python must be able to read this file up to the line that refuses it.
import codecs
import contextlib
import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NoReturn

if sys.version_info < (3, 11):  # noqa: UP036 - this is the one file that an older Python gets to read
    sys.exit(f"PulseMon needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.")

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# Stands in .venv while it is being made: a power cut leaves it behind, and the next start begins anew.
UNFINISHED = VENV / "pulsemon-unfinished"
LOCK = HERE / ".venv.lock"
REQUIREMENTS = {
    "run": (HERE / "requirements.txt",),
    "dev": (HERE / "requirements.txt", HERE / "requirements-dev.txt"),
    "audit": (HERE / "requirements-audit.txt",),
}
# Printed in .env.example, so public knowledge. A test holds this list against pulsemon.settings, which decides.
PLACEHOLDERS = frozenset({"change-this-token", "change-this-secret", "changeme", "change-me"})
# NAME='value', NAME="value" or NAME=value, and perhaps a comment: what pulsemon.settings' parser takes on one line.
ENV_LINE = re.compile(
    r"""
    \s* (?:export\s+)? (\w+) \s* = \s* (?:
        '((?:\\.|[^'\\])*)'
      | "((?:\\.|[^"\\])*)"
      | (?<=\s)(?=\#)                        # only a comment follows
      | ((?!['"]).*?)(?=\s+\#|\s*$)
    ) \s* (?:\#.*)? $
    """,
    re.VERBOSE,
)
CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("lint", ("-m", "ruff", "check", ".")),
    ("format", ("-m", "ruff", "format", "--check", ".")),
    ("types", ("-m", "mypy", "--strict", "pulsemon", "app", "run.py")),
    ("imports", ("-c", "from importlinter.cli import lint_imports_command as check; check()", "--no-cache")),
    ("translations", ("-m", "pulsemon.locale.build", "--check")),
    ("docs", ("scripts/check_docs.py",)),
)
DEVELOPMENT = ("test", "check", "soak", "bench", "audit")
LONG_TESTS = ("tests/faults", "tests/core/test_excuses.py")
JOBS_WORDS = ("run", "ping")
USAGE = """\
python3 run.py                  serve (installs what is missing, makes .env on the first start)
python3 run.py test [ARGS]      run every test, or pytest with ARGS; --quick: core, input, one path of each feature
python3 run.py check            run the linters and the other checks that CI runs before the tests
python3 run.py soak [ARGS]      run the tests of faults in their long form, all or those in the files named
python3 run.py bench [PART ...] run the measurements that the README quotes, all or some (--list)
python3 run.py audit            look for known vulnerabilities in what is installed; write the bill of materials
python3 run.py run SLUG -- CMD  run a job and tell a monitor how it went; needs no packages (also: ping)
python3 run.py COMMAND [ARGS]   any command of PulseMon: migrate, check-config, backup, monitor ...
                                (`python3 run.py serve --help` and the like explain them)"""


class Refused(Exception):
    """PulseMon does not start; the message is what the person at the terminal reads."""


def main(arguments: Sequence[str]) -> int:
    """Carry out one command line and return the exit status; on POSIX most commands replace this process."""
    command, rest = (arguments[0], list(arguments[1:])) if arguments else ("serve", [])
    if command in ("-h", "--help", "help"):
        print(USAGE)
        return 0
    if command in DEVELOPMENT:
        return develop(command, rest)
    if command in JOBS_WORDS:
        # A job waits for no packages: that file needs none.
        return hand_over(
            [str(HERE / "pulsemon" / "client.py"), command, *rest], dict(os.environ), python=sys.executable
        )
    ensure_packages("run")
    if command == "serve" and not {"-h", "--help"} & set(rest):
        prepare_and_announce(Path.cwd() / ".env")
    # Otherwise a file that happens to lie among the data (say secrets.py) would be imported in a library's place.
    return hand_over(["-m", "pulsemon", command, *rest], environment() | {"PYTHONSAFEPATH": "1"})


def develop(command: str, rest: list[str]) -> int:
    """Carry out one of the commands for whoever works on PulseMon itself, in its own folder."""
    ensure_packages("dev")
    os.chdir(HERE)
    if command == "check":
        return run_checks()
    if command == "audit":
        ensure_packages("audit")
        return hand_over(["scripts/audit.py", *rest], environment())
    if command == "bench":
        return hand_over(["-m", "bench", *rest], environment())
    if command == "soak":
        named = [each for each in rest if Path(each.partition("::")[0]).exists()]
        tests = [] if named else LONG_TESTS
        return hand_over(["-m", "pytest", *tests, *rest], environment() | {"PULSEMON_SOAK": "1"})
    # Side by side, two for each core, unless told otherwise: one of two waits, for a server's start or a deadline.
    is_told = any(each.startswith(("-n", "-p")) for each in rest)
    workers = [] if is_told else ["-n", str(2 * (os.cpu_count() or 1)), "--dist", "worksteal"]
    return hand_over(["-m", "pytest", *workers, *rest], environment())


def environment() -> dict[str, str]:
    """Return the environment of a started program: this one, with our code importable from any working directory."""
    inherited = os.environ.get("PYTHONPATH")
    return dict(os.environ) | {"PYTHONPATH": f"{HERE}{os.pathsep}{inherited}" if inherited else str(HERE)}


def hand_over(arguments: Sequence[str], env: dict[str, str], *, python: str = str(VENV_PYTHON)) -> int:
    """Become that program, so that signals and the exit status are its own; on Windows, which cannot, wait for it."""
    command = [python, *arguments]
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(command[0], command, env)
    with subprocess.Popen(command, env=env) as program:
        while True:
            # Ctrl-C reaches both processes; the program ends itself, and its status is the answer.
            with contextlib.suppress(KeyboardInterrupt):
                return program.wait()


def run_checks() -> int:
    """Run every check, whether or not an earlier one failed; return 1 if any did."""
    failed = []
    for name, arguments in CHECKS:
        print(f"--- {name}", flush=True)
        if subprocess.run([str(VENV_PYTHON), *arguments], env=environment(), check=False).returncode != 0:
            failed.append(name)
    print(f"check: FAILED: {', '.join(failed)}" if failed else f"check: all {len(CHECKS)} passed", flush=True)
    return 1 if failed else 0


# --- packages


def ensure_packages(kind: str) -> None:
    """See to it that `.venv` holds the packages of *kind* ("run", "dev" or "audit"); nothing happens when it does.

    Raises:
        Refused: they could not be installed. Nothing was changed, and the next start tries again.
    """
    if is_current(kind):
        return
    try:
        with install_lock():
            # Whoever held the lock may just have installed the same.
            if not is_current(kind):
                install(kind)
    except OSError as wrong:
        where = wrong.filename or HERE
        raise Refused(
            f"PulseMon did not start: its packages belong in {VENV}, and {where} cannot be written ({wrong.strerror})."
        ) from None


def stamp(kind: str) -> Path:
    """Return the file that remembers what was installed."""
    return VENV / f"pulsemon-{kind}.sha256"


def fingerprint(kind: str) -> str:
    """Return what the stamp must hold: the requirement files and the Python that they were installed for.

    Empty when `.venv` holds no Python that runs, or one that is too old.
    """
    if UNFINISHED.exists() or not VENV_PYTHON.exists():
        return ""
    question = "import sys; print(sys.version_info >= (3, 11), *sys.version_info[:2])"
    with contextlib.suppress(OSError):
        # After an upgrade of the system the link may lead to another Python, whose packages lie elsewhere.
        asked = [str(VENV_PYTHON), "-I", "-S", "-c", question]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        if answer.startswith("True "):
            content = b"".join(file.read_bytes() for file in REQUIREMENTS[kind])
            return hashlib.sha256(answer.encode() + content).hexdigest()
    return ""


def is_current(kind: str) -> bool:
    """Tell whether `.venv` works and holds what the requirement files ask for."""
    try:
        remembered = stamp(kind).read_text("ascii").strip()
    except (OSError, ValueError):
        return False
    return bool(remembered) and remembered == fingerprint(kind)


@contextlib.contextmanager
def install_lock() -> Iterator[None]:
    """Let one run.py at a time install; the operating system lets go when the process ends, however it ends."""
    with LOCK.open("a+b") as file:
        if not try_lock(file):
            say("Another run.py is installing the packages; waiting for it.")
            while not try_lock(file):
                time.sleep(0.2)
        yield


def try_lock(file: IO[bytes]) -> bool:
    """Take the lock on *file* unless another process holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def install(kind: str) -> None:
    """Make `.venv` if need be and install into it. A folder made here does not outlive a failure."""
    made = make_venv()
    names = " and ".join(file.name for file in REQUIREMENTS[kind])
    try:
        say(f"Installing {names} into {VENV}; this takes a minute or two and happens only when they change.")
        pip = [str(VENV_PYTHON), "-I", "-m", "pip", "install", "--no-user", "--no-input", "--disable-pip-version-check"]
        done = run_quietly([*pip, "-r", str(REQUIREMENTS[kind][-1])])
        if done.returncode != 0:
            refuse_with_output(f"pip could not install {names} (is the network there?)", done)
        # Development requirements contain those to run with.
        for installed in ("run", "dev") if kind == "dev" else ("run",):
            stamp(installed).write_text(fingerprint(installed), "ascii")
    except BaseException:
        if made:
            shutil.rmtree(VENV, ignore_errors=True)
        raise


def make_venv() -> bool:
    """Make `.venv` unless there is one that works; return whether it was made.

    One that stopped working is replaced if run.py had made it; one of somebody else's is left alone.
    """
    if fingerprint("run"):
        return False
    ours = UNFINISHED.exists() or any(stamp(kind).exists() for kind in REQUIREMENTS)
    if VENV.is_dir() and any(VENV.iterdir()) and not ours:
        raise Refused(f"PulseMon did not start: {VENV} holds no working Python 3.11 or newer. Delete it, start again.")
    if any(importlib.util.find_spec(module) is None for module in ("venv", "ensurepip")):
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise Refused(
            f"PulseMon did not start: {sys.executable} lacks venv and ensurepip. On Debian and Ubuntu install them with"
            f" `apt install python3-venv` (or {package})."
        )
    if ours:
        shutil.rmtree(VENV)
    try:
        VENV.mkdir(exist_ok=True)
        UNFINISHED.touch()
        done = run_quietly([sys.executable, "-I", "-m", "venv", str(VENV)])
        if done.returncode != 0:
            refuse_with_output("the virtual environment could not be made", done)
        UNFINISHED.unlink()
    except BaseException:
        if UNFINISHED.exists():
            shutil.rmtree(VENV, ignore_errors=True)
        raise
    return True


def run_quietly(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run *command* and keep what it says for the case that it fails."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip


def refuse_with_output(what: str, done: "subprocess.CompletedProcess[str]") -> NoReturn:
    """Raise Refused with *what* and the last lines that the program said."""
    last = [line.strip() for line in done.stdout.splitlines() if line.strip()][-4:]
    quoted = "".join(f"\n    {line[:300]}" for line in last)
    raise Refused(f"PulseMon did not start: {what}. Nothing was changed; the next start tries again. It said:{quoted}")


# --- .env, the address and the token


def prepare_and_announce(file: Path) -> None:
    """Make *file* if there is none, then say where PulseMon is and which token opens it."""
    made = make_env_file(file)
    written = read_env_file(file)
    # Names are read in either case, and an empty value counts as unset: as pulsemon.settings does.
    real = {name.upper(): value for name, value in os.environ.items() if value.strip()}
    token = token_line(file, real.get("ADMIN_TOKEN"), written.get("ADMIN_TOKEN"), made=made)
    print(f"PulseMon     {address(written | real)}\nAdmin token  {token}", flush=True)


def make_env_file(file: Path) -> bool:
    """Write *file* with random secrets, readable by its owner only; return False and touch nothing if it exists."""
    text = (
        "# Made by the first start of run.py. .env.example lists every other setting with its default.\n"
        "# ADMIN_TOKEN opens the panel at / and the API (header X-Admin-Token).\n"
        f"ADMIN_TOKEN={secrets.token_urlsafe(32)}\n"
        "# ADMIN_SESSION_SECRET signs the session cookie.\n"
        f"ADMIN_SESSION_SECRET={secrets.token_urlsafe(32)}\n"
    )
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as wrong:
        raise Refused(f"PulseMon did not start: {file} cannot be made ({wrong.strerror}).") from None
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(text)
    except OSError as wrong:
        # Half a file would count as one next time, and PulseMon would start without a token.
        file.unlink(missing_ok=True)
        raise Refused(f"PulseMon did not start: {file} cannot be written ({wrong.strerror}).") from None
    return True


def read_env_file(file: Path) -> dict[str, str]:
    """Return the values in *file* that are not empty; good enough for showing, pulsemon.settings reads for real."""
    try:
        content = file.read_bytes()
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    except OSError as wrong:
        raise Refused(f"PulseMon did not start: {file} cannot be read ({wrong.strerror}).") from None
    values = {}
    for line in re.split("\r\n|\n|\r", text):
        found = ENV_LINE.match(line)
        value = unescaped(*found.groups("")[1:]) if found else ""
        if found and value:
            values[found[1].upper()] = value
    return values


def unescaped(single: str, double: str, bare: str) -> str:
    """Return the value of a line of `.env`, found in one of the three ways to write it. No `${NAME}` is replaced."""
    if double:
        return re.sub(r"\\[\\'\"abfnrtv]", lambda escape: codecs.decode(escape[0], "unicode-escape"), double)
    return re.sub(r"\\([\\'])", r"\1", single) or bare


def address(values: dict[str, str]) -> str:
    """Return the address to open on this machine; a port that is none is shown as it stands (the server refuses it)."""
    host = values.get("APP_HOST", "0.0.0.0").strip("[]")  # noqa: S104 - the default is the specification's
    if host in ("0.0.0.0", "::"):  # noqa: S104 - recognised, not bound
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{values.get('APP_PORT', '8088')}"


def token_line(file: Path, real: str | None, written: str | None, *, made: bool) -> str:
    """Return what to say about the admin token: the value once, when it was made; later only where it is."""
    advice = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))" makes a good value.'
    if real is not None:
        if real.strip() in PLACEHOLDERS:
            return f"not set: the environment's ADMIN_TOKEN is a placeholder, administration is closed. {advice}"
        return "is the ADMIN_TOKEN of the environment"
    if written is None or written.strip() in PLACEHOLDERS:
        return f"not set, administration is closed: put a line ADMIN_TOKEN=... into {file} and start again. {advice}"
    return f"{written}  (shown this once, kept in {file})" if made else f"is kept in {file} (ADMIN_TOKEN)"


def say(message: str) -> None:
    """Print to standard error, which is never mistaken for a command's output."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        # A path may hold characters that the terminal's encoding has not.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # real streams when run as a program
    try:
        sys.exit(main(sys.argv[1:]))
    except Refused as refused:
        say(str(refused))
        sys.exit(1)
    except KeyboardInterrupt:
        say("Stopped.")
        sys.exit(130)
