"""Folders that lie elsewhere now, and where that puts everything which lay in them."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from crossgraph.data import places
from crossgraph.errors import GalleryError


@dataclass(frozen=True)
class Moves:
    """Old places and their new ones, as absolute paths; make them with `Moves.of`."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, pairs: Iterable[tuple[Path | str, Path | str]]) -> Moves:
        """The moves from each first place to its second: relative, with `~` or with slashes at the end as they come.

        Raises `GalleryError` if a place is its own new one, or has two.
        """
        found: dict[str, str] = {}
        for old, new in pairs:
            before, after = absolute(old), absolute(new)
            if before == after:
                raise GalleryError(f"{before} is both the old and the new place. Give two: OLD NEW.")
            if found.setdefault(before, after) != after:
                raise GalleryError(f"{before} has two new places: {found[before]} and {after}. Give one.")
        return cls(tuple(found.items()))

    @cached_property
    def _innermost_first(self) -> list[tuple[str, str]]:
        """The pairs, also with the old place as links lead there: a run is noted so, a folder as it was typed."""
        found = dict(self.pairs)
        for old, new in self.pairs:
            parent, name = os.path.split(old)
            found.setdefault(os.path.join(os.path.realpath(parent), name), new)
        return sorted(found.items(), key=lambda pair: -len(pair[0]))

    def place(self, path: str) -> str:
        """Where `path` lies now. The innermost old place counts; what lies in its new place already stays."""
        for old, new in self._innermost_first:
            if within(path, old):
                there = within(new, old) and within(path, new)
                return path if there else os.path.normpath(f"{new}{os.sep}{path[len(old) :]}")
        return path

    def concern(self, path: str) -> bool:
        """Whether `path` lies elsewhere now."""
        return self.place(path) != path

    def paths(self) -> dict[Path, Path]:
        """The new place of each old one."""
        return {Path(old): Path(new) for old, new in self._innermost_first}


def absolute(path: Path | str) -> str:
    """`path` as a gallery notes it: absolute, without `~`, dots and a slash at the end; links are not followed."""
    return places.absolute(path if places.is_far(path) else Path(path).expanduser())


def within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies under it; /a/pics2 does not lie under /a/pics."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def near_paths(path: str, known: Sequence[str]) -> str:
    """What to say of a place that is not there: which of the `known`, or of what lies beside it, is named alike."""
    parent, name = os.path.split(path)
    readable = os.path.isdir(parent) and os.access(parent, os.R_OK)
    beside = [os.path.join(parent, other) for other in os.listdir(parent)] if readable else []
    names = {_folded(os.path.basename(place)): place for place in (*beside, *known)}
    near = difflib.get_close_matches(_folded(name), names, n=1, cutoff=0.7)
    return f" Did you mean {names[near[0]]}?" if near else ""


class Spellings:
    """Finds files whose name is written otherwise on the disk: in another case, or with accents composed otherwise."""

    def __init__(self) -> None:
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, path: str) -> str | None:
        """The file that `path` means, None if there is none, or more than one."""
        found = Path(Path(path).anchor)
        for name in Path(path).parts[1:]:
            alike = [name] if os.path.lexists(found / name) else self._names(found).get(_folded(name), [])
            if len(alike) != 1:
                return None
            found /= alike[0]
        return str(found)

    def _names(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listed:
            self._listed[folder] = {}
            for name in os.listdir(folder) if os.access(folder, os.R_OK) and folder.is_dir() else ():
                self._listed[folder].setdefault(_folded(name), []).append(name)
        return self._listed[folder]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
