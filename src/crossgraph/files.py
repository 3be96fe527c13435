"""Files that are complete or absent, whatever happens while they are written: a kill, a full disk, a power cut."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".writing"
"""How the names of files end that are not complete yet."""

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says where a disk, or a user's share of it, is full."""

ABANDONED = 3600.0
"""Seconds without a change after which an incomplete file is what a killed process left."""


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace `path` by `content` in one instant: before it there is the old file or none, after it the new one.

    Any number of processes and threads may write one path at once; the last wins. `durable` waits until the disk has
    the file and its name, so that a power cut cannot take it back. The folder must exist. Raises `OSError`, and
    leaves nothing behind then.
    """
    while True:
        try:
            with replacing(path, durable=durable) as file:
                file.write(content)
            return
        except _TakenAway:
            continue  # a process that opened a cache just now took the temporary file for a leftover of a kill


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A stream that becomes `path` when the block ends without an error, as `write_atomically` does it at once.

    Where the disk is full, the `OSError` names `path`, which the system's own does not.
    """
    for leftover in leftovers(path):
        leftover.unlink(missing_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        with temporary.open("xb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        try:
            temporary.replace(path)
        except FileNotFoundError as error:
            raise _TakenAway(*error.args) from error
    except OSError as error:
        if error.errno in FULL and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        _sync_folder(path.parent)


@contextmanager
def writing_out(path: Path) -> Iterator[BinaryIO]:
    """A stream into the file that somebody named for an answer, which becomes it at once, as by `replacing`.

    A link stays, and what it leads to is written; a file that was there keeps its mode and, if it may, its owner; a
    pipe or a device is written as it goes. The folder must exist. Raises `OSError`.
    """
    try:
        before = path.stat()
    except FileNotFoundError:
        before = None
    if before is not None and not stat.S_ISREG(before.st_mode):
        with path.open("wb") as file:
            yield file
        return
    with replacing(Path(os.path.realpath(path))) as file:
        if before is not None:
            with suppress(OSError):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
        yield file


def content_hash(path: Path) -> str:
    """A hash of what is in a file: 16 hexadecimal digits. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def empty_folder(folder: Path, *, itself: bool = False) -> None:
    """Remove all that is in a folder, and, if asked to, the folder `itself`."""
    for entry in list(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    if itself:
        folder.rmdir()


def leftovers(path: Path) -> list[Path]:
    """Incomplete files that killed processes left of `path`."""
    now = time.time()
    found = path.parent.glob(f"{escape(path.name)}.*{TEMPORARY}")
    return [file for file in found if now - _changed(file, now) > ABANDONED]


class _TakenAway(FileNotFoundError):
    """The temporary file was gone when it should have got its name."""


def _changed(file: Path, now: float) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # another writer just finished with it
        return now


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
