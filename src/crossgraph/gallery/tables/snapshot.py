"""A gallery as of one moment, in memory: all that a shortlist and its filters need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossgraph.data.places import placed
from crossgraph.gallery.tables.disk_matrix import Rows
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.likeness import first_words
from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.gallery.tables.memory_table import row_of
from crossgraph.gallery.tables.notes import typed_columns

ITEM_COLUMNS = tuple(field.name for field in fields(Item) if field.name != "perceptual_hash")


@dataclass(frozen=True)
class Snapshot:
    """Everything visible as of one `version` of the tables; rows are in order of id.

    `caption_owners[r]` is the row in `items` of the first picture that carries caption r. `values` are those of the
    columns that users added, one a row; `looks` are perceptual hashes, which `item` does not give; where they stay on
    disk, `look_sieves` are the parts of them that tell most of what does not look alike (`likeness.SIEVE`).
    """

    version: tuple[int, ...]
    items: pa.Table
    vectors: Rows
    captions: pa.Table
    caption_vectors: Rows
    caption_owners: NDArray[np.int64]
    values: pa.Table
    looks: Rows
    codes: Rows | None = None
    caption_codes: Rows | None = None
    look_sieves: Matrix | None = None

    @cached_property
    def notes(self) -> pa.Table:
        """The columns that users added, row by row as in `items`, null where a picture has no value."""
        return typed_columns(self.values, self.items["id"])

    @cached_property
    def first_words(self) -> tuple[NDArray[np.uint64], Matrix]:
        """The first 64 bits of every perceptual hash as they lie, and the matrix that puts what they give in order."""
        if self.look_sieves is not None:
            return np.ascontiguousarray(self.look_sieves.pooled()[:, :8]).view(np.uint64)[:, 0], self.look_sieves
        assert isinstance(self.looks, Matrix)  # all of them are in memory
        return first_words(self.looks.pooled()), self.looks

    def item(self, row: int) -> Item:
        """The picture at `row`."""
        return as_item({name: self.items[name][row].as_py() for name in ITEM_COLUMNS})

    def items_at(self, rows: Sequence[int]) -> tuple[Item, ...]:
        """The pictures at some rows, in that order."""
        chosen = self.items.select(ITEM_COLUMNS).take(pa.array(rows, pa.int64()))
        return tuple(as_item(values) for values in chosen.to_pylist())

    def row(self, item: str) -> int | None:
        """The row of the picture with this id, or None."""
        return row_of(self.items["id"], item)

    def rows(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The rows of the pictures with these ids, in that order, each once; ids of none are left out."""
        found = [row for one in dict.fromkeys(ids) if (row := self.row(one)) is not None]
        return np.array(found, np.int64)

    def row_at(self, path: str) -> int | None:
        """The row of the picture with this absolute path, or None."""
        found: int = pc.index(self.items["path"], path).as_py()
        return None if found < 0 else found


def as_item(values: Mapping[str, Any]) -> Item:
    """The picture of one row of the table."""
    given = {name: values[name] for name in (*ITEM_COLUMNS, "perceptual_hash") if values.get(name) is not None}
    for name in ("captions", "labels"):
        given[name] = tuple(given.get(name, ()))
    given["path"] = placed(given["path"])
    return Item(**given)
