"""The files that a gallery leaves out, and why: unreadable ones, and pictures that were removed by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from crossgraph.data.corpus import Skipped
from crossgraph.data.places import absolute, placed
from crossgraph.errors import GalleryError
from crossgraph.gallery.tables.lance import is_unicode
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of

FILE = "skipped.json"
BY_HAND = "removed from the gallery by hand; `crossgraph gallery add` brings it back"


@dataclass(frozen=True)
class LeftOut:
    """What the last look at each folder left out: `files` that are not in the gallery, pictures that were `removed`
    by hand, and `unfollowed` ones, which are in the gallery as they were.
    """

    files: tuple[Skipped, ...]
    removed: tuple[Skipped, ...]
    unfollowed: tuple[Skipped, ...]


def left_out(listed: Sequence[Skipped], paths: pa.ChunkedArray) -> LeftOut:
    """What `read_skipped` lists, told apart by the `paths` of the pictures that are in the gallery."""
    by_path = {absolute(one.path): one for one in listed}
    wanted = pa.array([path for path in by_path if is_unicode(path)], pa.string())
    there = set(paths.filter(pc.is_in(paths, wanted)).to_pylist()) if len(wanted) else set()
    removed = tuple(one for one in listed if one.reason == BY_HAND)
    others = {path: one for path, one in by_path.items() if one.reason != BY_HAND}
    return LeftOut(
        tuple(one for path, one in others.items() if path not in there),
        removed,
        tuple(one for path, one in others.items() if path in there),
    )


def read_skipped(place: Storage | Path | str) -> tuple[Skipped, ...]:
    """What the last look at each folder left out. Raises `GalleryError` if the list is damaged."""
    return tuple(Skipped(placed(path), reason) for path, reason in _rows(place).items())


def _rows(place: Storage | Path | str) -> Mapping[str, str]:
    """The reasons, by path, which nobody may change. Raises as `read_skipped` does."""
    storage = storage_of(place)
    try:
        return _read(storage, storage.stamp(FILE))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise GalleryError(f"{storage}/{FILE} cannot be read ({error}). Delete it and sync again.") from error


@lru_cache(maxsize=8)
def _read(storage: Storage, _stamp: Hashable) -> Mapping[str, str]:
    """The list, which is read once as long as it is not replaced."""
    return {path: str(reason) for path, reason in json.loads(storage.read(FILE)).items()}


def removed_by_hand(place: Storage | Path) -> frozenset[str]:
    """The paths of pictures that a sync leaves out because they were removed by hand."""
    return frozenset(path for path, reason in _rows(place).items() if reason == BY_HAND)


def write_skipped(
    place: Storage | Path, found: Sequence[Skipped], *, under: Iterable[Path], looked_at: Collection[str]
) -> None:
    """Replace what was noted of the files `under` these folders, and of those `looked_at`, by what was `found`."""
    folders = [f"{absolute(path).rstrip(os.sep)}{os.sep}" for path in under]
    rows = {
        path: reason
        for path, reason in _rows(place).items()
        if reason == BY_HAND or not (path in looked_at or any(path.startswith(start) for start in folders))
    }
    rows |= {absolute(entry.path): entry.reason for entry in found}
    _replace(place, rows)


def note_removed(place: Storage | Path, paths: Iterable[str]) -> None:
    """Leave these paths out from now on."""
    _replace(place, {**_rows(place), **dict.fromkeys(paths, BY_HAND)})


def forgive(place: Storage | Path, paths: Collection[str]) -> None:
    """Note nothing of these paths any longer."""
    rows = _rows(place)
    if any(path in rows for path in paths):
        _replace(place, {path: reason for path, reason in rows.items() if path not in paths})


def move_skipped(storage: Storage | Path, place: Callable[[str], str]) -> None:
    """Note each path as where `place` says it lies now."""
    rows = _rows(storage)
    last = sorted(rows.items(), key=lambda row: row[1] == BY_HAND)  # where two come together, what was removed counts
    moved = {place(path): reason for path, reason in last}
    if moved != rows:
        _replace(storage, moved)


def _replace(place: Storage | Path, rows: Mapping[str, str]) -> None:
    """At once: after a kill there is the old list or the new one. Names that are not Unicode survive as escapes."""
    storage = storage_of(place)
    try:
        storage.write(FILE, json.dumps(dict(sorted(rows.items())), separators=(",\n", ": ")).encode())
    except OSError as error:
        raise GalleryError(f"{storage}/{FILE} could not be written: {error.strerror}.") from error
