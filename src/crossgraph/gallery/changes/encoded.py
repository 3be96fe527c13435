"""Pictures and captions that were encoded and are not stored yet: plain values that can go to another process.

As Arrow they are one record batch a table, so that encoding can be done by any engine and storing by one process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Shaped, UInt8

from crossgraph.data.corpus import Skipped
from crossgraph.data.places import placed
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.parts import NODE_COLUMNS, fine_columns, fine_rows, pad_fine

if TYPE_CHECKING:
    from crossgraph.types import Encoded

_PART = "part_"  # begins the columns of the fine features
_KINDS = {
    "str": pa.string(),
    "Path": pa.string(),
    "int": pa.int64(),
    "bytes": pa.binary(),
    "tuple[str, ...]": pa.list_(pa.string()),
    "datetime | None": pa.timestamp("us", tz="UTC"),
}
_ITEM = pa.schema([(field.name, _KINDS[str(field.type)]) for field in fields(Item)])
_SKIPPED = pa.schema([("path", pa.string()), ("reason", pa.string())])


@dataclass(frozen=True)
class Features:
    """What the stages compare of pictures or sentences, row by row; `keys` name their content.

    No `codes` or `parts` where the model has no such stage, or where there are no rows.
    """

    keys: tuple[str, ...]
    vectors: Float[np.ndarray, "n d"]
    codes: UInt8[np.ndarray, "n bytes"] | None = None
    parts: Encoded | None = None

    @classmethod
    def none(cls) -> Features:
        """No rows."""
        return cls((), np.empty((0, 0), np.float32))

    def to_arrow(self) -> dict[str, pa.Array]:
        """Columns `key`, `vector`, `code` if there are codes, and those of the parts table, named `part_...`.

        Where there are no rows, `key` alone: nothing says how wide the others would be.
        """
        columns = {"key": pa.array(self.keys, pa.string())}
        if not self.keys:
            return columns
        columns["vector"] = _fixed(self.vectors.astype(np.float32))
        if self.codes is not None:
            columns["code"] = _fixed(self.codes)
        if self.parts is not None:
            nodes = {name: pa.nulls(len(self.keys), kind) for name, kind in NODE_COLUMNS}
            columns |= {f"{_PART}{name}": column for name, column in (nodes | fine_columns(self.parts)).items()}
        return columns

    @classmethod
    def from_arrow(cls, batch: pa.RecordBatch) -> Features:
        """What `to_arrow` gave."""
        if not len(batch):
            return cls.none()
        names, parts = batch.schema.names, None
        fine = {name.removeprefix(_PART): batch[name] for name in names if name.startswith(_PART)}
        if fine:
            parts = pad_fine([row for _, row in fine_rows(pa.table({"key": batch["key"], **fine}))])
        codes = _rows(batch["code"]) if "code" in names else None
        return cls(tuple(batch["key"].to_pylist()), _rows(batch["vector"]), codes, parts)


@dataclass(frozen=True)
class EncodedEntries:
    """A batch of pictures with the captions among theirs that were to be encoded, and what could not be read.

    Row r of `images` is that of `items[r]`, row r of `captions` that of the sentence `texts[r]`.
    """

    items: tuple[Item, ...]
    images: Features
    texts: tuple[str, ...]
    captions: Features
    skipped: tuple[Skipped, ...]

    @classmethod
    def none(cls, skipped: tuple[Skipped, ...] = ()) -> EncodedEntries:
        """Nothing encoded."""
        return cls((), Features.none(), (), Features.none(), skipped)

    def to_arrow(self) -> dict[str, pa.RecordBatch]:
        """The same as record batches: `items`, `captions` and `skipped`."""
        rows = [asdict(item) | {"path": str(item.path)} for item in self.items]
        columns = {field.name: pa.array([row[field.name] for row in rows], field.type) for field in _ITEM}
        skipped = [entry.to_json() for entry in self.skipped]
        return {
            "items": pa.record_batch(columns | self.images.to_arrow()),
            "captions": pa.record_batch({"text": pa.array(self.texts, pa.string()), **self.captions.to_arrow()}),
            "skipped": pa.RecordBatch.from_pylist(skipped, _SKIPPED),
        }

    @classmethod
    def from_arrow(cls, batches: Mapping[str, pa.RecordBatch]) -> EncodedEntries:
        """What `to_arrow` gave."""
        items, captions, skipped = (batches[name] for name in ("items", "captions", "skipped"))
        return cls(
            tuple(_item(row) for row in items.select(_ITEM.names).to_pylist()),
            Features.from_arrow(items),
            tuple(captions["text"].to_pylist()),
            Features.from_arrow(captions),
            tuple(Skipped(placed(row["path"]), row["reason"]) for row in skipped.to_pylist()),
        )


def _item(row: dict[str, Any]) -> Item:
    """A row of plain values as the picture it says."""
    values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in row.items()}
    values["path"] = placed(row["path"])
    return Item(**values)


def _fixed(values: Shaped[np.ndarray, "n d"]) -> pa.FixedSizeListArray:
    """The rows of `values` as a column of lists of one length."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _rows(column: pa.FixedSizeListArray) -> Shaped[np.ndarray, "n d"]:
    """What `_fixed` was given."""
    values: Shaped[np.ndarray, "n d"] = column.flatten().to_numpy().reshape(len(column), column.type.list_size)
    return values.copy()
