"""Places for new galleries: made, looked at, and left as they were found."""

from __future__ import annotations

from collections.abc import Iterable

from crossgraph.errors import GalleryError
from crossgraph.files import empty_folder
from crossgraph.storage import lease
from crossgraph.storage.folder import LOCK, Folder
from crossgraph.storage.interface import Storage

__all__ = ["LOCK", "OWN", "clear", "is_made", "make"]

OWN = frozenset({LOCK, lease.FILE, "skipped.json"})
"""What may lie in a place before it is a gallery: what keeps writers apart, and what taking over a lease leaves."""


def make(storage: Storage) -> None:
    """Make the folder, if it is one. Raises `GalleryError` if a file is in its place, or it cannot be made."""
    if not isinstance(storage, Folder):
        return
    if storage.path.exists() and not storage.path.is_dir():
        raise GalleryError(f"{storage} is a file. A new gallery needs an empty or new folder.")
    try:
        storage.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GalleryError(f"{storage} could not be made: {error.strerror}.") from error


def is_made(storage: Storage) -> bool:
    """Whether the folder is there; of an object store there is nothing to make."""
    return not isinstance(storage, Folder) or storage.path.exists()


def clear(storage: Storage, *, names: Iterable[str] | None = None, itself: bool = False) -> None:
    """Remove all that is in a place, or only what is called so, and, if it is a folder and asked to, the place itself.

    The lease of an object store stays, for who holds it lets go of it afterwards.
    """
    if names is not None:
        for name in names:
            storage.remove(name)
    elif isinstance(storage, Folder):
        empty_folder(storage.path, itself=itself)
    else:
        for name in storage.names():
            if name != lease.FILE:
                storage.remove(name)
