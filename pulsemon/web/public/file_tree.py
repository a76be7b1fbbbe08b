"""A folder whose files are replaced one by one, each at once: no reader ever gets half of one.

What was written is kept in a list beside it, so that what is no longer wanted goes, and nobody else's file ever does. A
link in it is never followed: whoever else may write there does not say where we write.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from pulsemon import whole_file
from pulsemon.db.lock import FileLock
from pulsemon.errors import StartRefused

_LIST = ".pulsemon-files.json"
_LOCK = ".pulsemon-lock"


def replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make *folder* hold *files* (path below it, with `/`, to content), and nothing of an earlier call.

    Raises:
        StartRefused: the folder cannot be written, holds files of somebody else, or is being written at the moment.
    """
    try:
        _prepare(folder)
        lock = FileLock(folder / _LOCK)
        if not lock.acquire():
            raise StartRefused(f"Another command is writing to {folder} at the moment.")
        try:
            _replace(folder, files)
        finally:
            lock.release()
    except OSError as failed:
        raise StartRefused(f"{folder} cannot be written: {failed.strerror or failed}.") from None


def _prepare(folder: Path) -> None:
    if not folder.parent.is_dir():
        raise StartRefused(f"The folder {folder.parent} does not exist.")
    if folder.is_symlink():
        raise StartRefused(f"{folder} is a link. Name the folder that it leads to.")
    folder.mkdir(exist_ok=True)
    is_ours = (folder / _LIST).exists()
    if not is_ours and any(each.name != _LOCK for each in folder.iterdir()):
        raise StartRefused(f"{folder} holds files that this command did not write. Name a new or an empty folder.")


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    for left in folder.rglob(whole_file.PATTERN):  # of a call that was killed: nobody else writes here now
        left.unlink(missing_ok=True)
    before = _listed(folder)
    # Before the files themselves: whatever interrupts this, the next call knows what to take away.
    _list(folder, {*before, *files})
    for name, content in files.items():
        _put(_way_to(folder, name), content)
    for name in before - files.keys():
        _take_away(folder, name)
    _list(folder, files.keys())


def _listed(folder: Path) -> set[str]:
    path = folder / _LIST
    if not path.exists():
        return set()
    try:
        names = {PurePosixPath(name) for name in json.loads(path.read_text("utf-8"))}
    except (ValueError, TypeError):
        raise StartRefused(f"{path} cannot be read. Empty the folder, and run this again.") from None
    return {str(name) for name in names if not name.is_absolute() and ".." not in name.parts}


def _list(folder: Path, names: Collection[str]) -> None:
    _put(folder / _LIST, json.dumps(sorted(names), indent=0).encode())


def _put(path: Path, content: bytes) -> None:
    if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
        return  # its time stays, and whoever asks whether it changed is told that it did not
    with whole_file.unfinished(path, mode=0o666) as made:
        made.write_bytes(content)
        made.replace(path)


def _way_to(folder: Path, name: str) -> Path:
    """Return the path of *name* below *folder*, the folders on the way made if they are missing.

    Raises:
        StartRefused: one of them is a link.
    """
    path = folder / name
    for parent in reversed(path.relative_to(folder).parents[:-1]):
        if (folder / parent).is_symlink():
            raise StartRefused(f"{folder / parent} is a link. Take it away, and run this again.")
        (folder / parent).mkdir(exist_ok=True)
    return path


def _take_away(folder: Path, name: str) -> None:
    path = folder / name
    parents = path.relative_to(folder).parents[:-1]
    if any((folder / parent).is_symlink() for parent in parents):
        return  # what lies behind a link is not what was written here
    path.unlink(missing_ok=True)
    for parent in parents:
        if not (folder / parent).is_dir() or any((folder / parent).iterdir()):
            return
        (folder / parent).rmdir()
