"""One trainer a run folder: a lock that a kill frees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from crossgraph.errors import ModelError

LOCK = ".lock"


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
