"""Where a gallery lies: Lance tables, written so that a kill at any moment loses nothing.

    items     one row per picture: path, digest, size, its captions, what else is known of it, shortlist vector
    captions  one row per distinct sentence: text, shortlist vector
    parts     fine features of pictures and sentences, for models that re-rank; what the nodes of scene graphs are
    codes     binary codes of pictures and sentences, for models that have such a stage
    notes     columns that users added, by the id of the picture

The `items` row is the commit. The others are keyed by content (digest of the file, hash of the sentence) and written
before it, so a picture that is visible is complete, one whose indexing was cut off is not there, and writing
it again overwrites nothing. What no item refers to is invisible, and `drop_orphans` removes it. All but the
notes belong to one model and lie together, in a folder that the manifest names; the notes lie in the gallery's own.

Lance is not fork-safe: open a gallery after forking, never before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from crossgraph.errors import GalleryError
from crossgraph.gallery.tables import lance
from crossgraph.gallery.tables.items import Item, Known, caption_id, item_id
from crossgraph.gallery.tables.notes import Notes
from crossgraph.gallery.tables.parts import COLUMNS, NODE_COLUMNS, Fine, fine_columns, fine_rows, finite, pad_fine
from crossgraph.gallery.tables.snapshot import ITEM_COLUMNS, Snapshot, as_item, bearers_of, vectors_of
from crossgraph.types import Encoded

__all__ = ["ReplacedError", "Store", "Item", "caption_id", "item_id"]

INDEXED_FROM = 5000  # rows of features from which an index of their keys pays; `optimize` adds later rows to it
FRAGMENTS = 32  # more small files than that are merged after a write
_LATER = (
    ("labels", pa.list_(pa.string())),
    ("bytes", pa.int64()),
    ("modified", pa.timestamp("us", tz="UTC")),
    ("taken", pa.timestamp("us", tz="UTC")),
    ("look", pa.binary()),
    ("source", pa.string()),
)


class ReplacedError(GalleryError):
    """What a search was about to read was replaced meanwhile."""


class Store:
    """The tables of the gallery in `folder`, made if they are not there.

    `width` is that of shortlist vectors, `bits` that of codes; without bits there is no table of codes. `set_name` is
    the subfolder that holds the tables of the model.
    """

    def __init__(self, folder: Path, *, width: int, bits: int = 0, set_name: str = "") -> None:
        self.folder = folder
        self.place = folder / set_name
        if set_name and not self.place.is_dir():
            raise GalleryError(f"{folder}: its tables {set_name} are gone. Open the gallery again.")
        vector = pa.field("vector", pa.list_(pa.float32(), width))

        def table(name: str, *fields: tuple[str, pa.DataType] | pa.Field) -> lance.Table:
            with lance.plain_errors(folder):
                return lance.open_table(self.place, name, pa.schema(fields))

        self._items = table(
            "items",
            ("id", pa.string()),
            ("path", pa.string()),
            ("digest", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("captions", pa.list_(pa.string())),
            ("indexed_at", pa.timestamp("us", tz="UTC")),
            *_LATER,
            vector,
        )
        self._captions = table("captions", ("id", pa.string()), ("text", pa.string()), vector)
        self._parts = table("parts", ("key", pa.string()), *COLUMNS, *NODE_COLUMNS)
        self._codes = table("codes", ("key", pa.string()), ("code", pa.binary())) if bits else None
        self.notes = Notes(folder)

    @property
    def tables(self) -> dict[str, lance.Table]:
        """The tables by name, for those who look after them."""
        codes = {} if self._codes is None else {"codes": self._codes}
        return {"items": self._items, "captions": self._captions, "parts": self._parts, **codes}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing meanwhile; raises `GalleryError` if one is. A kill frees the lock."""
        with writing(self.folder):
            with lance.plain_errors(self.folder):
                lacking = [(name, kind) for name, kind in _LATER if name not in self._items.schema.names]
                if lacking:
                    self._items.dataset.add_columns(pa.schema(lacking))
            yield

    def version(self) -> tuple[int, ...]:
        """Changes whenever a picture, a caption or a note was written, by whomever."""
        with lance.plain_errors(self.folder):
            return self._items.version, self._captions.version, self.notes.version()

    def known(self) -> dict[str, Known]:
        """Every stored picture, by its path."""
        columns = ("id", "path", "digest", "captions", "labels", "bytes", "modified", "source", "indexed_at")
        with lance.plain_errors(self.folder):
            rows = self._items.read(columns).to_pylist()
        for row in rows:
            row |= {"captions": tuple(row["captions"]), "labels": tuple(row["labels"] or ())}
            row |= {"source": row["source"] or ""}
        return {row["path"]: Known(**row) for row in rows}

    def known_captions(self) -> set[str]:
        """Ids of the stored sentences."""
        return set(self._captions.read(["id"])["id"].to_pylist())

    def images(self, ids: Sequence[str]) -> dict[str, tuple[Item, Float[Tensor, " d"]]]:
        """The stored pictures with these ids and their shortlist vectors, by id."""
        found = {}
        for start in range(0, len(ids), lance.FETCH_LIMIT):
            with lance.plain_errors(self.folder):
                chosen = lance.one_of("id", ids[start : start + lance.FETCH_LIMIT])
                rows = self._items.read(where=chosen)
            vectors = vectors_of(rows)
            for row, values in enumerate(rows.drop_columns("vector").to_pylist()):
                found[values["id"]] = as_item(values), vectors[row]
        return found

    def snapshot(self) -> Snapshot:
        """Everything visible now, read into memory; once more if a writer removed some of it meanwhile."""
        while True:
            version = self.version()
            try:
                return self._read_all(version)
            except ReplacedError:
                if version == self.version():
                    raise

    def _read_all(self, version: tuple[int, ...]) -> Snapshot:
        with lance.plain_errors(self.folder):
            items = self._items.read([*ITEM_COLUMNS, "vector"]).sort_by("id")
            captions = self._captions.read(["id", "text", "vector"]).sort_by("id")
            notes = self.notes.columns(items["id"])
        bearers = bearers_of(items)
        captions = captions.filter(pc.is_in(captions["id"], pa.array(list(bearers), pa.string())))
        codes = self._codes_of(items["digest"], captions["id"])
        return Snapshot(
            version,
            items.drop_columns("vector"),
            vectors_of(items),
            captions.drop_columns("vector"),
            vectors_of(captions),
            tuple(bearers[key] for key in captions["id"].to_pylist()),
            notes,
            *codes,
        )

    def _codes_of(self, *keys: pa.ChunkedArray) -> list[UInt8[Tensor, "n bytes"] | None]:
        """The codes with these keys, row by row. Raises `ReplacedError` if one is missing."""
        if self._codes is None:
            return [None for _ in keys]
        with lance.plain_errors(self.folder):
            table = self._codes.read(["key", "code"])
        width = len(table["code"][0].as_py()) if len(table) else 0
        stored = np.frombuffer(b"".join(table["code"].to_pylist()), np.uint8).reshape(len(table), width)
        found: list[UInt8[Tensor, "n bytes"] | None] = []
        for wanted in keys:
            rows = pc.index_in(wanted, table["key"])
            if rows.null_count:
                raise ReplacedError(f"{self.folder}: {rows.null_count} codes are missing. Index into a new gallery.")
            found.append(torch.from_numpy(stored[rows.to_numpy()]))
        return found

    def fetch(self, keys: Sequence[str]) -> Encoded:
        """Fine features of the pictures or sentences with these content keys, in that order.

        Raises `ReplacedError` if one is gone, which happens only when a picture was replaced or removed meanwhile.
        """
        found: dict[str, Fine] = {}
        for start in range(0, len(keys), lance.FETCH_LIMIT):
            with lance.plain_errors(self.folder):
                chosen = lance.one_of("key", keys[start : start + lance.FETCH_LIMIT])
                found.update(fine_rows(self._parts.read(where=chosen)))
        gone = next((key for key in keys if key not in found), None)
        if gone is not None:
            raise ReplacedError(
                f"{self.folder}: the features {gone} are gone, replaced during the search. Search again; if that does "
                f"not help, `crossgraph gallery verify {self.folder}` says what is missing."
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
        with lance.plain_errors(self.folder):
            self._parts.insert(table, "key")

    def write_codes(self, keys: Sequence[str], codes: UInt8[Tensor, "n bytes"] | None) -> None:
        """Store codes by content key, if there is that stage; keys already there are left alone."""
        if self._codes is None or codes is None or not len(codes):
            return
        table = pa.table({"key": list(keys), "code": [row.tobytes() for row in codes.numpy()]}, self._codes.schema)
        with lance.plain_errors(self.folder):
            self._codes.insert(table, "key")

    def write_captions(self, texts: Sequence[str], vectors: Float[Tensor, "m d"]) -> None:
        """Store sentences and their shortlist vectors; those already there are left alone."""
        columns = {"id": [caption_id(text) for text in texts], "text": list(texts), "vector": _fixed(vectors)}
        table = pa.table(columns, schema=self._captions.schema)
        with lance.plain_errors(self.folder):
            self._captions.insert(table, "id")

    def write_items(self, items: Sequence[Item], vectors: Float[Tensor, "n d"]) -> None:
        """Make pictures visible, replacing those of the same id. Their parts and captions must be written before."""
        now, schema = datetime.now(UTC), self._items.schema
        rows = [asdict(item) | {"path": str(item.path), "indexed_at": now} for item in items]
        columns = {name: [row[name] for row in rows] for name in schema.names if name != "vector"}
        table = pa.table(columns | {"vector": _fixed(vectors)}, schema=schema)
        with lance.plain_errors(self.folder):
            self._items.replace(table, "id")

    def relocate_items(self, paths: Mapping[str, str]) -> None:
        """Give pictures, by id, other paths; all else of them stays, also when they were stored. One commit."""
        if not paths:
            return
        schema = pa.schema([("id", pa.string()), ("path", pa.string())])
        table = pa.table({"id": list(paths), "path": list(paths.values())}, schema=schema)
        with lance.plain_errors(self.folder):
            self._items.update(table, "id")

    def remove_items(self, ids: Sequence[str]) -> None:
        """Make pictures invisible; what only they used becomes an orphan."""
        with lance.plain_errors(self.folder):
            self._items.delete_keys("id", ids)

    def drop_orphans(self) -> None:
        """Remove captions, parts and codes that no picture refers to."""
        with lance.plain_errors(self.folder):
            rows = self._items.read(["digest", "captions"])
            captions = {caption_id(text) for texts in rows["captions"].to_pylist() for text in texts or ()}
            self._captions.delete_keys("id", self.known_captions() - captions)
            used = captions | set(rows["digest"].to_pylist())
            for table in [self._parts] if self._codes is None else [self._parts, self._codes]:
                table.delete_keys("key", set(table.read(["key"])["key"].to_pylist()) - used)

    def index_parts(self) -> None:
        """Make the index by which features are fetched, if there are enough of them and it is not there."""
        parts = self._parts.dataset
        if not parts.describe_indices() and parts.count_rows() >= INDEXED_FROM:
            parts.create_scalar_index("key", "BTREE")

    def optimize(self) -> None:
        """Merge all files of each table."""
        with lance.plain_errors(self.folder):
            self.index_parts()
            for table in self.tables.values():
                table.optimize()

    def merge_small_files(self) -> None:
        """Merge the files of many commits, if there are many, and keep the index by which features are fetched."""
        with lance.plain_errors(self.folder):
            self.index_parts()
            for table in (*self.tables.values(), *self.notes.tables.values()):
                if table.fragments > FRAGMENTS:
                    table.optimize()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the lock of the gallery in `folder`. Raises `GalleryError` if another process does, or it is read-only."""
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    with lance.plain_errors(folder):
        try:
            lock.acquire()
        except filelock.Timeout:
            raise GalleryError(
                f"another process is indexing into {folder}, or changing it. Wait until it is done, or stop it."
            ) from None
    try:
        yield
    finally:
        lock.release()


def _fixed(vectors: Float[Tensor, "n d"]) -> pa.FixedSizeListArray:
    """The rows of `vectors` as a column of fixed-size lists."""
    values = finite(vectors.float().cpu().numpy())
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
