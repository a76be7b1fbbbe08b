"""`python -m pulsemon` and `pulsemon`: the command line."""

from __future__ import annotations

import signal
import sys

JOBS_WORDS = ("run", "ping")


def main() -> None:
    """Carry out the command line; a job's words never wait for what only the server needs."""
    if sys.argv[1:2] and sys.argv[1] in JOBS_WORDS:
        if not sys.flags.safe_path:
            # The folder that a job happens to run in: an `email.py` there must not stand in for the library's.
            del sys.path[0]
        from pulsemon import client

        sys.exit(client.main(sys.argv[1:]))
    # The imports take a second, in which Ctrl-C shall end the process and not print where in them it was.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pulsemon.operations import garbage

    with garbage.no_collection():
        from pulsemon import cli

    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()


if __name__ == "__main__":
    main()
