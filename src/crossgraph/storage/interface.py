"""What a gallery needs of the place where it lies."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class Storage(Protocol):
    """A place for small documents that are replaced as a whole, and for tables, which have a library of their own.

    One writer at a time holds it (`writing`). Written as text it is as its user named it. Names are of what lies
    directly in it.
    """

    def __hash__(self) -> int:
        """What was read of it is remembered by it."""

    @property
    def uri(self) -> str:
        """What the library of tables opens."""

    @property
    def options(self) -> dict[str, str] | None:
        """What that library is told besides, to get there."""

    @property
    def beside(self) -> Path:
        """A folder of this machine for what can be made again: thumbnails, maps."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of this machine."""

    @property
    def look_every(self) -> float:
        """Seconds for which what was seen of it may be taken to be so; 0 where looking costs nothing."""

    @property
    def fenced(self) -> bool:
        """Whether a writer may go on writing, unaware, after another took its place; `check` then stops it."""

    def under(self, name: str) -> Storage:
        """What lies there as a place of its own, held by the same writer."""

    def names(self) -> list[str]:
        """What lies in it; nothing if it is not there. Raises `OSError`."""

    def read(self, name: str) -> bytes:
        """A document. Raises `FileNotFoundError` if there is none, `OSError` if it cannot be read."""

    def stamp(self, name: str) -> Hashable:
        """Changes whenever the document is replaced. Raises as `read` does."""

    def write(self, name: str, content: bytes) -> None:
        """Replace a document at once: before it there is the old one or none. Raises `OSError`, `GalleryError`."""

    def remove(self, name: str) -> None:
        """Remove what is called so, with all that is in it, if it is there."""

    def size(self, name: str = "") -> int:
        """Bytes of all that lies in it, or of what is called so; what goes meanwhile counts nothing."""

    def writing(self) -> AbstractContextManager[bool]:
        """Keep others from writing meanwhile. Gives whether another writer may still be unaware that it lost its place.

        Tables must be fenced then, before anything is read (`gallery.tables.lance.fence`). Raises `GalleryError` if
        another one is writing.
        """

    def check(self) -> None:
        """Raise `GalleryError` if another writer took the place of this one."""
