"""The files that a gallery leaves out, and why: unreadable ones, and pictures that were removed by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from crossgraph.data.corpus import Skipped
from crossgraph.data.places import absolute, placed
from crossgraph.errors import GalleryError
from crossgraph.files import write_atomically

FILE = "skipped.json"
BY_HAND = "removed from the gallery by hand; `crossgraph gallery add` brings it back"


def read_skipped(folder: Path) -> tuple[Skipped, ...]:
    """What the last look at each folder left out. Raises `GalleryError` if the list is damaged."""
    try:
        found = (folder / FILE).stat()
        return _read(folder / FILE, (found.st_ino, found.st_size, found.st_mtime_ns))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, AttributeError) as error:
        raise GalleryError(f"{folder / FILE} cannot be read ({error}). Delete it and sync again.") from error


@lru_cache(maxsize=8)
def _read(file: Path, _state: tuple[int, int, int]) -> tuple[Skipped, ...]:
    """The list in a file, which is read once as long as it stays in its state."""
    rows = json.loads(file.read_text(encoding="utf-8"))
    return tuple(Skipped(placed(path), str(reason)) for path, reason in rows.items())


def removed_by_hand(folder: Path) -> frozenset[str]:
    """The paths of pictures that a sync leaves out because they were removed by hand."""
    return frozenset(str(entry.path) for entry in read_skipped(folder) if entry.reason == BY_HAND)


def write_skipped(folder: Path, found: Sequence[Skipped], *, under: Iterable[Path], looked_at: Collection[str]) -> None:
    """Replace what was noted of the files `under` these folders, and of those `looked_at`, by what was `found`."""
    folders = [f"{absolute(path).rstrip(os.sep)}{os.sep}" for path in under]
    rows = {
        str(entry.path): entry.reason
        for entry in read_skipped(folder)
        if entry.reason == BY_HAND
        or not (str(entry.path) in looked_at or any(str(entry.path).startswith(start) for start in folders))
    }
    rows |= {absolute(entry.path): entry.reason for entry in found}
    _replace(folder, rows)


def note_removed(folder: Path, paths: Iterable[str]) -> None:
    """Leave these paths out from now on."""
    rows = {str(entry.path): entry.reason for entry in read_skipped(folder)}
    _replace(folder, rows | dict.fromkeys(paths, BY_HAND))


def forgive(folder: Path, paths: Collection[str]) -> None:
    """Note nothing of these paths any longer."""
    rows = {str(entry.path): entry.reason for entry in read_skipped(folder)}
    if any(path in rows for path in paths):
        _replace(folder, {path: reason for path, reason in rows.items() if path not in paths})


def move_skipped(folder: Path, place: Callable[[str], str]) -> None:
    """Note each path as where `place` says it lies now."""
    rows = {str(entry.path): entry.reason for entry in read_skipped(folder)}
    last = sorted(rows.items(), key=lambda row: row[1] == BY_HAND)  # where two come together, what was removed counts
    moved = {place(path): reason for path, reason in last}
    if moved != rows:
        _replace(folder, moved)


def _replace(folder: Path, rows: Mapping[str, str]) -> None:
    """At once: after a kill there is the old list or the new one. Names that are not Unicode survive as escapes."""
    try:
        write_atomically(folder / FILE, json.dumps(dict(sorted(rows.items())), indent=1).encode())
    except OSError as error:
        raise GalleryError(f"{folder / FILE} could not be written: {error.strerror}.") from error
