"""What a server that nobody logs in at does not load."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

SEEN = """
import sys
import pulsemon.cli, pulsemon.server
print([each for each in ("argon2", "pyotp", "segno", "cryptography") if each in sys.modules])
"""


def test_what_is_needed_for_a_login_alone_is_imported_by_a_login() -> None:
    done = subprocess.run([sys.executable, "-c", SEEN], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
