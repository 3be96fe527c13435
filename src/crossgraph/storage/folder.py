"""A folder of this machine, or one that several machines share."""

from __future__ import annotations

import shutil
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from crossgraph.errors import GalleryError
from crossgraph.files import write_atomically

LOCK = ".lock"


@dataclass(frozen=True)
class Folder:
    """The folder at `path`. A file lock keeps other writers out, and the end of its process frees it, also a kill."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def uri(self) -> str:
        """The folder's name."""
        return str(self.path)

    @property
    def options(self) -> None:
        """Nothing."""
        return None

    @property
    def beside(self) -> Path:
        """The folder itself."""
        return self.path

    @property
    def is_folder(self) -> bool:
        """It is."""
        return True

    @property
    def look_every(self) -> float:
        """Looking costs nothing."""
        return 0.0

    @property
    def fenced(self) -> bool:
        """Who holds a file lock holds it until it lets go."""
        return False

    def under(self, name: str) -> Folder:
        """A folder in it."""
        return Folder(self.path / name)

    def names(self) -> list[str]:
        """What lies in it."""
        return [entry.name for entry in self.path.iterdir()] if self.path.is_dir() else []

    def read(self, name: str) -> bytes:
        """A file."""
        return (self.path / name).read_bytes()

    def stamp(self, name: str) -> Hashable:
        """Every replacement is a new file."""
        status = (self.path / name).stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def write(self, name: str, content: bytes) -> None:
        """Put another file in its place."""
        write_atomically(self.path / name, content)

    def remove(self, name: str) -> None:
        """Remove a file or folder."""
        place = self.path / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)

    def size(self, name: str = "") -> int:
        """Bytes of all files."""
        total = 0
        for path in (self.path / name).rglob("*"):
            try:
                total += 0 if path.is_dir() else path.stat().st_size
            except OSError:
                continue
        return total

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Hold the lock of the folder."""
        lock = filelock.FileLock(self.path / LOCK, timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise GalleryError(
                f"another process is indexing into {self.path}, or changing it. Wait until it is done, or stop it."
            ) from None
        try:
            yield False
        finally:
            lock.release()

    def check(self) -> None:
        """The lock holds."""
