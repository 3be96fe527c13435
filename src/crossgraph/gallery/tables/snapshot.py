"""A gallery as of one moment, in memory: all that a shortlist and its filters need."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from crossgraph.errors import GalleryError
from crossgraph.gallery.tables.items import Item, caption_id

ITEM_COLUMNS = tuple(field.name for field in fields(Item))


@dataclass(frozen=True)
class Snapshot:
    """Everything visible as of one `version` of the tables; rows are in order of id.

    `bearers[r]` is the row in `items` of the first picture that carries caption r. `notes` has the columns that users
    added, row by row as in `items`, null where a picture has no value.
    """

    version: tuple[int, ...]
    items: pa.Table
    vectors: Float[Tensor, "n d"]
    captions: pa.Table
    caption_vectors: Float[Tensor, "m d"]
    bearers: tuple[int, ...]
    notes: pa.Table
    codes: UInt8[Tensor, "n bytes"] | None = None
    caption_codes: UInt8[Tensor, "m bytes"] | None = None

    def item(self, row: int) -> Item:
        """The picture at `row`."""
        return as_item(self.items.slice(row, 1).to_pylist()[0])

    def row(self, item: str, *, column: str = "id") -> int | None:
        """The row of the picture with this id, or this value of another column, or None."""
        found: int = pc.index(self.items[column], item).as_py()
        return None if found < 0 else found


def as_item(values: dict[str, Any]) -> Item:
    """The picture of one row of the table; nulls, as older tables have them, become the defaults."""
    given = {name: value for name, value in values.items() if value is not None and name in ITEM_COLUMNS}
    for name in ("captions", "labels"):
        given[name] = tuple(given.get(name, ()))
    given["path"] = Path(given["path"])
    return Item(**given)


def find_row(snapshot: Snapshot, name: str | Path) -> int:
    """The row of the picture with this id or path, or else of the only one whose path ends so: `beach.jpg`.

    Raises `GalleryError` if there is none, or if the end of a path fits several.
    """
    row = snapshot.row(str(name))
    row = snapshot.row(os.path.abspath(name), column="path") if row is None else row
    if row is not None:
        return row
    fits = pc.ends_with(snapshot.items["path"], f"/{name}")
    rows: list[int] = pc.indices_nonzero(fits).to_pylist()
    if len(rows) > 1:
        paths = [str(snapshot.item(row).path) for row in rows[:3]]
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        raise GalleryError(f"{str(name)!r} fits several pictures: {', '.join(paths)}{more}. Give the path or the id.")
    if not rows:
        raise GalleryError(f"no picture of the gallery has the id or path {str(name)!r}. Index it first.")
    return rows[0]


def bearers_of(items: pa.Table) -> dict[str, int]:
    """The row of the first picture that carries each caption, by the caption's id."""
    found: dict[str, int] = {}
    for row, texts in enumerate(items["captions"].to_pylist()):
        for text in texts:
            found.setdefault(caption_id(text), row)
    return found


def vectors_of(table: pa.Table) -> Float[Tensor, "n d"]:
    """The column `vector` as one matrix."""
    column = table["vector"].combine_chunks()
    return torch.from_numpy(column.flatten().to_numpy().reshape(len(table), column.type.list_size).copy())
