"""One trainer a run folder: a lock that a kill frees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from crossgraph.errors import ModelError

LOCK = ".lock"
KERNEL_LOCKS = Path("/proc/locks")


@contextmanager
def sole_trainer(run: Path) -> Iterator[None]:
    """Hold the folder `run`, which is made if it is not there, against every other trainer.

    Raises `ModelError` where another one holds it, or where there can be no such folder.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(run / LOCK, timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise ModelError(
            f"another process is training into {run}. Wait until it is done, or stop it, or train into another folder."
        ) from None
    except OSError as error:
        raise ModelError(
            f"no run can be written to {run}: {error.strerror or error}. Give --out a folder that can be made."
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_being_trained(run: Path) -> bool | None:
    """Whether a process of this machine holds the folder `run`, read off the kernel's list: no lock is taken.

    None where that cannot be told: no such list (not Linux), or a file system that numbers its files otherwise.
    """
    try:
        found = (run / LOCK).stat()
    except OSError:
        return False
    try:
        lines = KERNEL_LOCKS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    told: bool | None = False
    for line in lines:  # "1: FLOCK  ADVISORY  WRITE 4711 fe:00:5595209 0 EOF", of one that waits "1: -> FLOCK ..."
        fields = line.split()
        if len(fields) < 8 or fields[1] != "FLOCK":
            continue
        major, minor, inode = fields[5].split(":")
        if int(inode) == found.st_ino:
            if (int(major, 16), int(minor, 16)) == (os.major(found.st_dev), os.minor(found.st_dev)):
                return True
            told = None
    return told
