"""A gallery as of one moment, in memory: all that a shortlist and its filters need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import UInt8
from numpy.typing import NDArray

from crossgraph.data.places import placed
from crossgraph.gallery.tables.disk_matrix import Rows
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.likeness import APART_AT_FIRST, first_words, may_look_alike
from crossgraph.gallery.tables.look_index import LookIndex
from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.gallery.tables.memory_table import row_of
from crossgraph.gallery.tables.notes import typed_columns, written_columns

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
    def written_notes(self) -> pa.Table:
        """The columns that users added as the texts that they wrote, row by row as in `items`."""
        return written_columns(self.values, self.items["id"])

    def may_look_like(self, look: UInt8[np.ndarray, " b"]) -> NDArray[np.int64]:
        """The rows, ascending, of the pictures that look like this perceptual hash, and some others; of what is not
        known to look like anything, none."""
        if not look.any():
            return np.empty(0, np.int64)
        if self.look_sieves is None:
            return self._look_index.near(look)
        near = np.bitwise_count(self._sieve_words ^ first_words(look[None])) <= APART_AT_FIRST
        rows = np.flatnonzero(self.look_sieves.in_order(near))
        # what is fetched from disk should be little
        found: NDArray[np.int64] = rows[may_look_alike(self.look_sieves[rows], look)]
        return found

    def prepare(self) -> None:
        """Make what pictures that look alike are found by, which else the first search does."""
        _ = self._look_index if self.look_sieves is None else self._sieve_words

    @cached_property
    def _look_index(self) -> LookIndex:
        assert isinstance(self.looks, Matrix)  # all of them are in memory
        return LookIndex(self.looks)

    @cached_property
    def _sieve_words(self) -> NDArray[np.uint64]:
        """The first 64 bits of every pattern, as the sieves lie."""
        assert self.look_sieves is not None
        return np.ascontiguousarray(self.look_sieves.pooled()[:, :8]).view(np.uint64)[:, 0]

    def item(self, row: int) -> Item:
        """The picture at `row`."""
        return self.items_at([row])[0]

    def items_at(self, rows: Sequence[int] | NDArray[np.int64]) -> tuple[Item, ...]:
        """The pictures at some rows, in that order."""
        chosen = self.items.select(ITEM_COLUMNS).take(pa.array(rows, pa.int64()))
        return tuple(as_item(values) for values in chosen.to_pylist())

    def notes_at(self, rows: Sequence[int] | NDArray[np.int64]) -> tuple[dict[str, Any], ...]:
        """What users noted of the pictures at some rows, in that order, by column; columns without a value left out."""
        columns = {
            name: self.notes[name].take(pa.array(rows, pa.int64())).to_pylist() for name in self.notes.column_names
        }
        return tuple(
            {name: values[place] for name, values in columns.items() if values[place] is not None}
            for place in range(len(rows))
        )

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
