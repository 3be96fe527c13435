"""A gallery as of one moment, in memory: all that a shortlist and its filters need."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossgraph.errors import GalleryError
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.gallery.tables.memory_table import row_of
from crossgraph.gallery.tables.notes import typed_columns

ITEM_COLUMNS = tuple(field.name for field in fields(Item) if field.name != "perceptual_hash")


@dataclass(frozen=True)
class Snapshot:
    """Everything visible as of one `version` of the tables; rows are in order of id.

    `caption_owners[r]` is the row in `items` of the first picture that carries caption r. `values` are those of the
    columns that users added, one a row; `looks` are perceptual hashes, which `item` does not give.
    """

    version: tuple[int, ...]
    items: pa.Table
    vectors: Matrix
    captions: pa.Table
    caption_vectors: Matrix
    caption_owners: NDArray[np.int64]
    values: pa.Table
    looks: Matrix
    codes: Matrix | None = None
    caption_codes: Matrix | None = None

    @cached_property
    def notes(self) -> pa.Table:
        """The columns that users added, row by row as in `items`, null where a picture has no value."""
        return typed_columns(self.values, self.items["id"])

    def item(self, row: int) -> Item:
        """The picture at `row`."""
        return as_item({name: self.items[name][row].as_py() for name in ITEM_COLUMNS})

    def row(self, item: str) -> int | None:
        """The row of the picture with this id, or None."""
        return row_of(self.items["id"], item)

    def row_at(self, path: str) -> int | None:
        """The row of the picture with this absolute path, or None."""
        found: int = pc.index(self.items["path"], path).as_py()
        return None if found < 0 else found


def as_item(values: Mapping[str, Any]) -> Item:
    """The picture of one row of the table."""
    given = {name: values[name] for name in (*ITEM_COLUMNS, "perceptual_hash") if values.get(name) is not None}
    for name in ("captions", "labels"):
        given[name] = tuple(given.get(name, ()))
    given["path"] = Path(given["path"])
    return Item(**given)


def find_row(snapshot: Snapshot, name: str | Path) -> int:
    """The row of the picture with this id or path, or else of the only one whose path ends so: `beach.jpg`.

    Raises `GalleryError` if there is none, or if the end of a path fits several.
    """
    row = snapshot.row(str(name))
    row = snapshot.row_at(os.path.abspath(name)) if row is None else row
    return _row_by_ending(snapshot, name) if row is None else row


def find_rows(snapshot: Snapshot, names: Sequence[str | Path]) -> list[int]:
    """The row of each name, as `find_row` finds it; however many there are, paths are looked through once."""
    if len(names) == 1:
        return [find_row(snapshot, names[0])]
    paths = {path: row for row, path in enumerate(snapshot.items["path"].to_pylist())}
    found = []
    for name in names:
        row = snapshot.row(str(name))
        row = paths.get(os.path.abspath(name)) if row is None else row
        found.append(_row_by_ending(snapshot, name) if row is None else row)
    return found


def _row_by_ending(snapshot: Snapshot, name: str | Path) -> int:
    rows: list[int] = pc.indices_nonzero(pc.ends_with(snapshot.items["path"], f"/{name}")).to_pylist()
    if len(rows) > 1:
        paths = [str(snapshot.item(row).path) for row in rows[:3]]
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        raise GalleryError(f"{str(name)!r} fits several pictures: {', '.join(paths)}{more}. Give the path or the id.")
    if not rows:
        raise GalleryError(f"no picture of the gallery has the id or path {str(name)!r}. Index it first.")
    return rows[0]
