"""The files that say what is installed: each package in one version, each file of it with its hash."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = ("requirements.txt", "requirements-dev.txt", "requirements-audit.txt")
_PIN = re.compile(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; [a-z_A-Z0-9'<>=. !-]+)?")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(name: str) -> list[list[str]]:
    """Return each requirement of a file as its parts: the pin, then the hashes."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "\n    ")
    found: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith(" "):
            found[-1].extend(line.split())
        elif line and not line.startswith(("#", "-r ")):
            found.append([line.strip()])
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_package_has_one_version_and_hashes_and_names_no_index(name: str) -> None:
    made = entries(name)

    assert len(made) > 40
    for pin, *hashes in made:
        assert _PIN.fullmatch(pin), pin
        assert hashes, f"{pin} has no hash, so pip would refuse the whole file"
        assert all(_HASH.fullmatch(each) for each in hashes), pin
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


def test_another_file_than_the_one_that_was_pinned_is_not_installed(tmp_path: Path) -> None:
    pin, *hashes = next(each for each in entries("requirements.txt") if each[0].startswith("idna=="))
    name, version = pin.split("==")
    with zipfile.ZipFile(tmp_path / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        info = f"{name}-{version}.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    asked = {"with": " ".join([pin, *hashes]), "without": pin}
    ends = {}
    for how, line in asked.items():
        (tmp_path / f"{how}.txt").write_text(line, encoding="utf-8")
        pip = [sys.executable, "-I", "-m", "pip", "install", "--isolated", "--no-index", "--find-links", str(tmp_path)]
        wanted = ["--no-deps", "--no-cache-dir", "--target", str(tmp_path / how), "-r", str(tmp_path / f"{how}.txt")]
        ends[how] = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)

    # Control: the file is one that pip would install.
    assert ends["without"].returncode == 0, ends["without"].stderr
    assert ends["with"].returncode != 0
    assert "DO NOT MATCH THE HASHES" in ends["with"].stderr
