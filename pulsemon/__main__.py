"""`python -m pulsemon`: the command line."""

import signal

# The imports below take a second, in which Ctrl-C shall end the process and not print where in them it was.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from pulsemon.cli import main  # noqa: E402 - see above

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
