"""Pictures of a gallery by their names: an id, a path, the end of a path, or one of those written otherwise."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from crossgraph.data.names import Match, Missing, NameResolver
from crossgraph.data.places import absolute
from crossgraph.errors import GalleryError
from crossgraph.gallery.tables.snapshot import Snapshot

SUGGESTED = 100_000  # pictures among whose names the nearest is looked for in reasonable time
SHOWN = 3


@dataclass(frozen=True)
class NamedRow:
    """The row of the picture that `name` means; `guess` says what it was taken for, where it was written otherwise."""

    name: str
    row: int
    guess: str | None = None


@dataclass(frozen=True)
class UnknownName:
    """A name that no picture has, or several; `reason` says which, or what is nearest."""

    name: str
    reason: str


def find_row(snapshot: Snapshot, name: str | Path) -> int:
    """The row of the picture with this id or path, or else of the only one whose path ends so: `beach.jpg`.

    Slashes, URL escapes, composed letters, case and the ending may be written otherwise. Raises `GalleryError` if there
    is none, or if several fit.
    """
    return find_rows(snapshot, [name])[0]


def find_rows(snapshot: Snapshot, names: Sequence[str | Path]) -> list[int]:
    """The row of each name, as `find_row` finds it; however many there are, paths are looked through once."""
    rows = []
    for found in find_items(snapshot, names):
        if isinstance(found, UnknownName):
            raise GalleryError(found.reason)
        rows.append(found.row)
    return rows


def find_items(snapshot: Snapshot, names: Sequence[str | Path]) -> list[NamedRow | UnknownName]:
    """What each name means, in order."""
    if not names:
        return []
    finder = _Finder(snapshot, several=len(names) > 1)
    return [finder.find(str(name)) for name in names]


class _Finder:
    """Finds names in one snapshot; what it needs for those that are written otherwise is made at the first of them."""

    def __init__(self, snapshot: Snapshot, *, several: bool) -> None:
        self._snapshot = snapshot
        paths = snapshot.items["path"]
        self._rows = {path: row for row, path in enumerate(paths.to_pylist())} if several else None

    def find(self, name: str) -> NamedRow | UnknownName:
        """What `name` means."""
        path, row = absolute(name), self._snapshot.row(name)
        if row is None:
            row = self._snapshot.row_at(path) if self._rows is None else self._rows.get(path)
        if row is not None:
            return NamedRow(name, row)
        rows: list[int] = pc.indices_nonzero(pc.ends_with(self._snapshot.items["path"], f"/{name}")).to_pylist()
        if len(rows) == 1:
            return NamedRow(name, rows[0])
        return self._several(name, rows) if rows else self._otherwise(name)

    def _otherwise(self, name: str) -> NamedRow | UnknownName:
        """What a name means that nothing is called to the letter."""
        called: dict[str, set[int]] = defaultdict(set)
        parts = len(name.replace("\\", "/").split("/"))
        for row in self._candidates(name):
            path = self._snapshot.items["path"][row].as_py()
            called[path].add(row)
            if not os.path.isabs(name):  # what lies elsewhere is another picture, though it be called the same
                called[self._snapshot.items["id"][row].as_py()].add(row)
                called["/".join(path.split("/")[-parts:])].add(row)
        found = NameResolver(called).find(name, suggest=False)
        if isinstance(found, Missing):
            return UnknownName(name, self._unknown(name))
        names = (found.name,) if isinstance(found, Match) else found.names
        rows = sorted({row for one in names for row in called[one]})
        if len(rows) > 1:
            return self._several(name, rows)
        how = f" ({found.guess})" if isinstance(found, Match) and found.guess else ""
        return NamedRow(name, rows[0], f"{name!r} was taken for {self._snapshot.item(rows[0]).path}{how}")

    def _candidates(self, name: str) -> list[int]:
        """The rows whose id or path has a last part like that of `name`, which alone can be meant."""
        spelt = [_last(pa.array([one]))[0].as_py() for one in {name, unquote(name.split("?")[0])}]
        wanted = pa.array(spelt)
        rows: set[int] = set()
        for last in self._lasts:
            for texts in (last, pc.replace_substring_regex(last, r"\.[^.]*$", "")):
                rows.update(pc.indices_nonzero(pc.is_in(texts, value_set=wanted)).to_pylist())
        return sorted(rows)

    @cached_property
    def _lasts(self) -> list[pa.ChunkedArray]:
        return [_last(self._snapshot.items[column]) for column in ("id", "path")]

    @cached_property
    def _names(self) -> NameResolver:
        return NameResolver(self._snapshot.items["path"].to_pylist())

    def _several(self, name: str, rows: Sequence[int]) -> UnknownName:
        paths = [str(self._snapshot.item(row).path) for row in rows[:SHOWN]]
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        return UnknownName(name, f"{name!r} fits several pictures: {', '.join(paths)}{more}. Give the path or the id.")

    def _unknown(self, name: str) -> str:
        """That there is no such picture, and which are called nearly so, where that can be said in reasonable time."""
        found = self._names.find(name) if len(self._snapshot.items) <= SUGGESTED else Missing()
        near = found.nearest if isinstance(found, Missing) else ()
        meant = f"Did you mean {', '.join(near)}? If not, index it first." if near else "Index it first."
        return f"no picture of the gallery has the id or path {name!r}. {meant}"


def _last(names: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The last parts of paths, in composed lower-case letters."""
    last = pc.replace_substring_regex(names, r"^.*[/\\]", "")
    return pc.utf8_lower(pc.utf8_normalize(last, form="NFC"))
