"""What the system and this process hold in memory: files that are forgotten, and the most that was ever held."""

from __future__ import annotations

import os
from pathlib import Path


def dropped(place: Path) -> None:
    """Ask the system to forget what it holds of these files."""
    for file in place.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def most_mib() -> float:
    """The most memory this process has held since it was started; `ru_maxrss` counts what its parent held too."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
