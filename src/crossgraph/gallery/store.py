"""Where a gallery lies: Lance tables, written so that a kill at any moment loses nothing.

    items     one row per picture: path, digest, size, its captions, shortlist vector
    captions  one row per distinct sentence: text, shortlist vector
    parts     fine features of pictures and sentences, for models that re-rank; what the nodes of scene graphs are
    codes     binary codes of pictures and sentences, for models that have such a stage

The `items` row is the commit. The other tables are keyed by content (digest of the file, hash of the sentence)
and written before it, so a picture that is visible is complete, one whose indexing was cut off is not there, and
writing it again overwrites nothing. What no item refers to is invisible, and `drop_orphans` removes it.

Lance is not fork-safe: open a gallery after forking, never before.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

os.environ.setdefault("LANCEDB_LOG", "error")  # else creating a table warns on stderr that it was not there

import filelock
import lancedb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from crossgraph.errors import GalleryError
from crossgraph.gallery.parts import COLUMNS, NODE_COLUMNS, Fine, fine_columns, fine_rows, finite, pad_fine
from crossgraph.types import Encoded

FETCH_LIMIT = 512  # keys in one filter expression
INDEXED_FROM = 5000  # rows of features from which an index of their keys pays; `optimize` adds later rows to it


@dataclass(frozen=True)
class Item:
    """One picture of a gallery; `captions` are those it came with."""

    id: str
    path: Path
    digest: str
    width: int
    height: int
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Snapshot:
    """All that a shortlist needs, in memory, as of one `version` of the tables; rows are in order of id.

    `bearers[r]` is the row in `items` of the first picture that carries caption r.
    """

    version: tuple[int, int]
    items: pa.Table
    vectors: Float[Tensor, "n d"]
    captions: pa.Table
    caption_vectors: Float[Tensor, "m d"]
    bearers: tuple[int, ...]
    codes: UInt8[Tensor, "n bytes"] | None = None
    caption_codes: UInt8[Tensor, "m bytes"] | None = None

    def item(self, row: int) -> Item:
        """The picture at `row`."""
        values = self.items.slice(row, 1).to_pylist()[0]
        return Item(**{**values, "path": Path(values["path"]), "captions": tuple(values["captions"])})

    def row(self, item: str) -> int | None:
        """The row of the picture with this id, or None."""
        found: int = pc.index(self.items["id"], item).as_py()
        return None if found < 0 else found


def item_id(path: Path) -> str:
    """The id of the picture at `path`: a hash of its absolute path, so equal names in two folders differ."""
    return hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:16]


def caption_id(text: str) -> str:
    """The id of a sentence: a hash of its text, so a sentence that recurs is stored once."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def find_row(snapshot: Snapshot, name: str | Path) -> int:
    """The row of the picture with this id or path. Raises `GalleryError` if there is none."""
    row = snapshot.row(str(name))
    row = snapshot.row(item_id(Path(name))) if row is None else row
    if row is None:
        raise GalleryError(f"no picture of the gallery has the id or path {str(name)!r}. Index it first.")
    return row


class Store:
    """The tables of the gallery in `folder`, made if they are not there.

    `width` is that of shortlist vectors, `bits` that of codes; without bits there is no table of codes.
    """

    def __init__(self, folder: Path, *, width: int, bits: int = 0) -> None:
        self.folder = folder
        vector = pa.field("vector", pa.list_(pa.float32(), width))
        database = lancedb.connect(folder, read_consistency_interval=timedelta(0))

        def table(name: str, *fields: tuple[str, pa.DataType] | pa.Field) -> lancedb.table.Table:
            return database.create_table(name, schema=pa.schema(fields), exist_ok=True)

        self._items = table(
            "items",
            ("id", pa.string()),
            ("path", pa.string()),
            ("digest", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("captions", pa.list_(pa.string())),
            ("indexed_at", pa.timestamp("us", tz="UTC")),
            vector,
        )
        self._captions = table("captions", ("id", pa.string()), ("text", pa.string()), vector)
        key = ("key", pa.string())
        try:
            self._parts = table("parts", key, *COLUMNS, *NODE_COLUMNS)
        except ValueError:  # it has another schema: from before there were nodes, and used as it is
            self._parts = table("parts", key, *COLUMNS)
        self._codes = table("codes", key, ("code", pa.binary())) if bits else None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing meanwhile; raises `GalleryError` if one is. A kill frees the lock."""
        try:
            with filelock.FileLock(self.folder / ".lock", timeout=0):
                yield
        except filelock.Timeout:
            raise GalleryError(
                f"another process is indexing into {self.folder}. Wait until it is done, or stop it."
            ) from None

    def version(self) -> tuple[int, int]:
        """Changes whenever a picture or a caption was written, by whomever."""
        return self._items.version, self._captions.version

    def known(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Digest and captions of every stored picture, by id."""
        rows = _read(self._items, ["id", "digest", "captions"]).to_pylist()
        return {row["id"]: (row["digest"], tuple(row["captions"])) for row in rows}

    def known_captions(self) -> set[str]:
        """Ids of the stored sentences."""
        return set(_read(self._captions, ["id"])["id"].to_pylist())

    def snapshot(self) -> Snapshot:
        """Everything visible now, read into memory."""
        version = self.version()
        items = _read(self._items, ["id", "path", "digest", "width", "height", "captions", "vector"]).sort_by("id")
        bearers: dict[str, int] = {}
        for row, texts in enumerate(items["captions"].to_pylist()):
            for text in texts:
                bearers.setdefault(caption_id(text), row)
        captions = _read(self._captions, ["id", "text", "vector"]).sort_by("id")
        captions = captions.filter(pc.is_in(captions["id"], pa.array(list(bearers), pa.string())))
        return Snapshot(
            version,
            items.drop_columns("vector"),
            _vectors(items),
            captions.drop_columns("vector"),
            _vectors(captions),
            tuple(bearers[key] for key in captions["id"].to_pylist()),
            *self._codes_of(items["digest"], captions["id"]),
        )

    def _codes_of(self, *keys: pa.ChunkedArray) -> list[UInt8[Tensor, "n bytes"] | None]:
        """The codes with these keys, row by row. Raises `GalleryError` if one is missing."""
        if self._codes is None:
            return [None for _ in keys]
        table = _read(self._codes, ["key", "code"])
        width = len(table["code"][0].as_py()) if len(table) else 0
        stored = np.frombuffer(b"".join(table["code"].to_pylist()), np.uint8).reshape(len(table), width)
        found: list[UInt8[Tensor, "n bytes"] | None] = []
        for wanted in keys:
            rows = pc.index_in(wanted, table["key"])
            if rows.null_count:
                raise GalleryError(f"{self.folder}: {rows.null_count} codes are missing. Index into a new gallery.")
            found.append(torch.from_numpy(stored[rows.to_numpy()]))
        return found

    def fetch(self, keys: Sequence[str]) -> Encoded:
        """Fine features of the pictures or sentences with these content keys, in that order.

        Raises `GalleryError` if one is gone, which happens only when a picture was replaced meanwhile.
        """
        found: dict[str, Fine] = {}
        for start in range(0, len(keys), FETCH_LIMIT):
            rows = self._parts.search().where(_one_of("key", keys[start : start + FETCH_LIMIT])).to_arrow()
            found.update(fine_rows(rows))
        gone = next((key for key in keys if key not in found), None)
        if gone is not None:
            raise GalleryError(
                f"{self.folder}: the features {gone} are gone, replaced during the search. Search again."
            )
        return pad_fine([found[key] for key in keys])

    def write_parts(self, keys: Sequence[str], encoded: Encoded) -> None:
        """Store fine features by content key; keys already there are left alone.

        Raises `GalleryError` for scene graphs where the table is from before there were any.
        """
        columns, schema = fine_columns(encoded), self._parts.schema
        if encoded.nodes is not None and "kinds" not in schema.names:
            raise GalleryError(f"{self.folder} was made before scene graphs could be stored. Index into a new gallery.")
        table = pa.table(
            {
                "key": pa.array(keys, pa.string()),
                **{name: columns.get(name, pa.nulls(len(keys))) for name in schema.names if name != "key"},
            },
            schema=schema,
        )
        self._parts.merge_insert("key").when_not_matched_insert_all().execute(_first_of_each(table, "key"))

    def write_codes(self, keys: Sequence[str], codes: UInt8[Tensor, "n bytes"] | None) -> None:
        """Store codes by content key, if there is that stage; keys already there are left alone."""
        if self._codes is None or codes is None:
            return
        table = pa.table({"key": list(keys), "code": [row.tobytes() for row in codes.numpy()]}, self._codes.schema)
        self._codes.merge_insert("key").when_not_matched_insert_all().execute(_first_of_each(table, "key"))

    def write_captions(self, texts: Sequence[str], vectors: Float[Tensor, "m d"]) -> None:
        """Store sentences and their shortlist vectors; those already there are left alone."""
        columns = {"id": [caption_id(text) for text in texts], "text": list(texts), "vector": _fixed(vectors)}
        table = pa.table(columns, schema=self._captions.schema)
        self._captions.merge_insert("id").when_not_matched_insert_all().execute(_first_of_each(table, "id"))

    def write_items(self, items: Sequence[Item], vectors: Float[Tensor, "n d"]) -> None:
        """Make pictures visible, replacing those of the same id. Their parts and captions must be written before."""
        columns = {
            name: [getattr(item, name) for item in items] for name in ("id", "digest", "width", "height", "captions")
        }
        table = pa.table(
            columns
            | {"path": [str(item.path) for item in items], "indexed_at": [datetime.now(UTC)] * len(items)}
            | {"vector": _fixed(vectors)},
            schema=self._items.schema,
        )
        self._items.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(table)

    def drop_orphans(self) -> None:
        """Remove captions and parts that no picture refers to, and merge the small files of many commits."""
        known = self.known().values()
        captions = {caption_id(text) for _, texts in known for text in texts}
        _delete(self._captions, "id", self.known_captions() - captions)
        keyed = [self._parts] if self._codes is None else [self._parts, self._codes]
        for table in keyed:
            stored = set(_read(table, ["key"])["key"].to_pylist())
            _delete(table, "key", stored - captions - {digest for digest, _ in known})
        self.optimize()

    def optimize(self) -> None:
        """Merge the small files of many commits, and keep the index by which features are fetched."""
        if len(self._parts.list_indices()) == 0 and self._parts.count_rows() >= INDEXED_FROM:
            self._parts.create_scalar_index("key")
        for table in (self._items, self._captions, self._parts, *([] if self._codes is None else [self._codes])):
            table.optimize()


def _fixed(vectors: Float[Tensor, "n d"]) -> pa.FixedSizeListArray:
    """The rows of `vectors` as a column of fixed-size lists."""
    values = finite(vectors.float().cpu().numpy())
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _vectors(table: pa.Table) -> Float[Tensor, "n d"]:
    """The column `vector` as one matrix."""
    column = table["vector"].combine_chunks()
    return torch.from_numpy(column.flatten().to_numpy().reshape(len(table), column.type.list_size).copy())


def _read(table: lancedb.table.Table, columns: list[str]) -> pa.Table:
    """Some columns of every row."""
    return table.search().select(columns).to_arrow()


def _one_of(column: str, keys: Sequence[str]) -> str:
    """A filter for the rows whose key is one of `keys`, which are hexadecimal."""
    return f"{column} IN ({', '.join(repr(key) for key in keys)})"


def _first_of_each(table: pa.Table, column: str) -> pa.Table:
    """The first row of each key: a merge would write a key that comes twice twice."""
    _, first = np.unique(table[column].to_numpy(zero_copy_only=False), return_index=True)
    return table.take(np.sort(first))


def _delete(table: lancedb.table.Table, column: str, keys: set[str]) -> None:
    """Delete the rows with these keys."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), FETCH_LIMIT):
        table.delete(_one_of(column, ordered[start : start + FETCH_LIMIT]))
