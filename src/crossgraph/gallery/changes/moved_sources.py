"""Folders that a gallery follows and that are gone, recognised in a folder that holds their pictures now."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossgraph.data.images import image_bytes_digest
from crossgraph.data.places import absolute, is_gone, placed, state_of
from crossgraph.errors import GalleryError, ImageError
from crossgraph.gallery.changes.indexing import FileState
from crossgraph.gallery.changes.moves import Moves, within
from crossgraph.gallery.changes.sources import Sources, not_there
from crossgraph.gallery.tables.items import Known
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.store import Store
from crossgraph.progress import Progress


@dataclass(frozen=True)
class MovedSource:
    """A source that is gone, and the one that holds more than half of its pictures `now`, by content.

    `images`, by path, are the pictures that lay in it: each may be found in the new one; one that is not stays.
    """

    before: str
    now: str
    images: Mapping[str, Known] = field(repr=False)

    @property
    def folder(self) -> str:
        """The folder that moved."""
        return _folder_of(self.before, self.images)

    @property
    def moves(self) -> Moves:
        """The move of the one folder to the other."""
        return Moves(((self.folder, self.now if os.path.isdir(self.now) else os.path.dirname(self.now)),))


class Digests:
    """Digests of files, each read once; a file that changed meanwhile is read again."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[FileState, str]] = {}

    def note(self, path: Path) -> str:
        """The digest of the file at `path`, kept for `of`; empty if it cannot be read."""
        state = FileState.of(path)
        try:
            digest = image_bytes_digest(path)
        except ImageError:
            return ""
        if state is not None:
            self._read[str(path)] = state, digest
        return digest

    def of(self, path: Path) -> str | None:
        """The digest that was noted of the file at `path`, if it is as it was."""
        state, digest = self._read.pop(str(path), (None, None))
        return digest if state is not None and state == FileState.of(path) else None


def find_moved_sources(
    sources: Sources, store: Store, digests: Digests, *, progress: Progress
) -> tuple[MovedSource, ...]:
    """Which of the sources that are lost moved to which of those that were opened.

    Reads those new files whose size is that of a lost picture, and notes their digests. Raises `GalleryError` for a
    source that was named, is not there and did not move, unless it may be empty.
    """
    if not sources.lost:
        return ()
    known = store.known()
    images = {name: _images_of(name, known) for name in sources.lost}
    sizes = {one.bytes for inside in images.values() for one in inside.values()}
    found: dict[str, set[str]] = {}
    for source in sources.opened:
        new = [path for path in map(placed, map(absolute, source.corpus.image_paths)) if str(path) not in known]
        alike = [path for path in new if _bytes_of(path) in sizes]
        with progress.task("comparing", len(alike)) as task:
            for path in alike:
                found.setdefault(source.name, set()).add(digests.note(path))
                task.advance()
    moved = []
    for name, inside in images.items():
        held = {now: sum(one.digest in there for one in inside.values()) for now, there in found.items()}
        now = max(held, key=lambda place: held[place], default="")
        if now and 2 * held[now] > len(inside):
            moved.append(MovedSource(name, now, inside))
    away = [name for name in sources.absent if name not in {one.before for one in moved}]
    if away and not sources.allow_empty:
        raise GalleryError(not_there(away[0], store.folder))
    return tuple(moved)


def without_moved(
    manifest: Manifest, moved: Sequence[MovedSource], left: Collection[str], sources: Sources
) -> Manifest:
    """The manifest without the sources that moved or are gone; a folder with pictures `left` in it stays known."""
    dropped = {*sources.absent, *(one.before for one in moved)}
    now = {one.before: one.now for one in moved}
    folders = ({*sources.absent} | {one.folder for one in moved}) - set(left)
    return manifest.model_copy(
        update={
            "sources": tuple(name for name in manifest.sources if name not in dropped),
            "excludes": {now.get(name, name): patterns for name, patterns in manifest.excludes.items()},
            "roots": tuple(name for name in manifest.roots if name not in folders),
        }
    )


def _folder_of(source: str, known: Iterable[str]) -> str:
    """The folder of a source that is gone: itself, or, if nothing known lies in it, that of a caption file."""
    return source if any(within(path, source) for path in known) else os.path.dirname(source)


def _images_of(source: str, known: Mapping[str, Known]) -> dict[str, Known]:
    """The stored pictures that lay in a source and are gone with it."""
    folder = _folder_of(source, known)
    return {path: one for path, one in known.items() if within(path, folder) and is_gone(path)}


def _bytes_of(path: Path) -> int | None:
    try:
        return state_of(path)[0]
    except OSError:
        return None
