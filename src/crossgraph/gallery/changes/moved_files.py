"""The pictures of a gallery that lie in an old place, looked for at their new one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossgraph.data.images import image_bytes_digest
from crossgraph.errors import ImageError
from crossgraph.gallery.changes.indexing import FileState
from crossgraph.gallery.changes.moves import Moves, Spellings, within
from crossgraph.gallery.tables.items import Known
from crossgraph.progress import Progress


@dataclass(frozen=True)
class MovedFiles:
    """Pictures that lie in an old place, by id: `paths` are where they lie now, `missing` where nothing of them is.

    Those that are `changed` have a path with other content.
    """

    known: Mapping[str, Known]
    paths: Mapping[str, str]
    missing: Mapping[str, str]
    changed: tuple[Path, ...]

    def none_of(self, folder: str) -> bool:
        """Whether there are pictures in the old `folder`, and none of them is at its new place."""
        inside = self._inside(folder)
        return bool(inside) and not any(key in self.paths for key in inside)

    def left_in(self, folder: str) -> list[str]:
        """The old paths, in `folder`, of pictures that are not at their new place."""
        return [self.known[key].path for key in self._inside(folder) if key in self.missing]

    def _inside(self, folder: str) -> list[str]:
        return [key for key, known in self.known.items() if within(known.path, folder)]


def look_for_moved(known: Mapping[str, Known], moves: Moves, *, trust: bool, progress: Progress) -> MovedFiles:
    """Every picture of `known` (by path) that moved, checked by content, or with `trust` by size.

    A name that the new disk writes in another case, or with accents composed otherwise, is found.
    """
    moving = {one.id: one for path, one in known.items() if moves.concern(path)}
    spellings = Spellings()
    paths: dict[str, str] = {}
    missing: dict[str, str] = {}
    changed: list[Path] = []
    with progress.task("checking pictures", len(moving)) as task:
        for key, one in moving.items():
            place = moves.place(one.path)
            found = place if os.path.lexists(place) else spellings.find(place)
            same = None if found is None else _is_same(Path(found), one, trust=trust)
            if found is None or same is None:
                missing[key] = place
            else:
                paths[key] = found
                changed += [] if same else [Path(found)]
            task.advance(missing=len(missing), changed=len(changed))
    return MovedFiles(moving, paths, missing, tuple(changed))


def _is_same(path: Path, known: Known, *, trust: bool) -> bool | None:
    """Whether the file at `path` is the picture that was stored; None if it cannot be read."""
    state = FileState.of(path)
    if state is None:
        return None
    if known.bytes is not None and state.bytes != known.bytes:
        return False
    try:
        return trust or image_bytes_digest(path) == known.digest
    except ImageError:
        return None
