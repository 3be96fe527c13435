"""Where a gallery lies: Lance tables, written so that a kill at any moment loses nothing.

    items     one row per picture: path, digest, size, its captions, what else is known of it, shortlist vector, code
    captions  one row per distinct sentence: text, shortlist vector, code
    parts     fine features of pictures and sentences, for models that re-rank; what the nodes of scene graphs are
    notes     columns that users added, by the id of the picture
    departed  path and digest of pictures that have notes and went

The `items` row is the commit. The others are keyed by content (digest of the file, hash of the sentence) and written
before it, so a picture that is visible is complete, one whose indexing was cut off is not there, and writing
it again overwrites nothing. What no item refers to is invisible, and `drop_orphans` removes it. The first three
belong to one model and lie together, in a folder that the manifest names; the others lie in the gallery's own.

Lance is not fork-safe: open a gallery after forking, never before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, UInt8

from crossgraph.errors import GalleryError
from crossgraph.gallery.tables import lance
from crossgraph.gallery.tables.fencing import fence
from crossgraph.gallery.tables.fixed_columns import fixed_columns, fixed_rows, kind_of, width_of
from crossgraph.gallery.tables.items import Item, Known, caption_id
from crossgraph.gallery.tables.lance import ReplacedError
from crossgraph.gallery.tables.likeness import BYTES, UNKNOWN
from crossgraph.gallery.tables.memory_index import MemoryIndex
from crossgraph.gallery.tables.notes import KEYS as NOTE_KEYS
from crossgraph.gallery.tables.notes import Departed, Notes
from crossgraph.gallery.tables.parts import COLUMNS, NODE_COLUMNS, Fine, fine_columns, fine_rows, finite
from crossgraph.gallery.tables.shards import shards_of
from crossgraph.gallery.tables.snapshot import Snapshot, as_item
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of

if TYPE_CHECKING:
    from crossgraph.types import Encoded

KEYS = {"items": ("id", "path", "digest", "caption_ids"), "captions": ("id",), "parts": ("key",)}
"""The columns of each table by which rows are looked up."""
KNOWN = ("id", "path", "digest", "captions", "labels", "bytes", "modified", "source", "indexed_at")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Stored:
    """A stored picture with its features of every stage before re-ranking."""

    item: Item
    vector: Float[np.ndarray, " d"]
    code: UInt8[np.ndarray, " bytes"] | None


class Store:
    """The tables of the gallery in `place`, made if they are not there.

    `width` is that of shortlist vectors, `bits` that of codes; without bits there are no codes. `set_name` is the
    subfolder that holds the tables of the model, which is there unless it is a `new_set`.
    """

    def __init__(
        self, place: Storage | Path, *, width: int, bits: int = 0, set_name: str = "", new_set: bool = False
    ) -> None:
        self.storage = storage_of(place)
        self.place = self.storage.under(set_name) if set_name else self.storage
        if set_name and not new_set and not self.place.names():
            raise GalleryError(f"{self.storage}: its tables {set_name} are gone. Open the gallery again.")
        features = [pa.field("vector", pa.list_(pa.float32(), width))]
        features += [pa.field("code", pa.list_(pa.uint8(), (bits + 7) // 8))] if bits else []

        def table(name: str, *fields: tuple[str, pa.DataType] | pa.Field) -> lance.Table:
            with lance.plain_errors(self.storage):
                return lance.open_table(self.place, name, pa.schema(fields))

        self._items = table(
            "items",
            ("id", pa.string()),
            ("path", pa.string()),
            ("digest", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("captions", pa.list_(pa.string())),
            ("caption_ids", pa.list_(pa.string())),
            ("labels", pa.list_(pa.string())),
            ("bytes", pa.int64()),
            ("modified", pa.timestamp("us", tz="UTC")),
            ("taken", pa.timestamp("us", tz="UTC")),
            ("perceptual_hash", pa.binary(BYTES)),
            ("source", pa.string()),
            ("indexed_at", pa.timestamp("us", tz="UTC")),
            *features,
        )
        self._captions = table("captions", ("id", pa.string()), ("text", pa.string()), *features)
        self._parts = table("parts", ("key", pa.string()), *COLUMNS, *NODE_COLUMNS)
        self.notes = Notes(self.storage)

    @property
    def folder(self) -> Path:
        """The folder of this machine for what can be made again; where a gallery lies in a folder, that one."""
        return self.storage.beside

    @property
    def tables(self) -> dict[str, lance.Table]:
        """The tables by name, for those who look after them."""
        return {"items": self._items, "captions": self._captions, "parts": self._parts}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing meanwhile; raises `GalleryError` if one is. A kill frees the lock."""
        with writing(self.storage):
            yield

    def version(self) -> tuple[int, ...]:
        """Changes whenever a picture, a caption or a note was written, by whomever."""
        with lance.plain_errors(self.storage):
            return self._items.version, self._captions.version, self.notes.version()

    def holds(self, memory: MemoryIndex) -> bool:
        """Whether what is in memory was read from these tables, then or later, and not from others that lay here."""
        with lance.plain_errors(self.storage):
            return memory.was_read_from(self._items.dataset, self._captions.dataset, self.notes.dataset())

    def bytes_in_memory(self) -> int:
        """How many bytes vectors, codes and hashes take in memory."""
        with lance.plain_errors(self.folder):
            return sum(
                table.count_rows() * width_of(table.schema, name) * kind_of(table.schema, name).itemsize
                for table in (self._items, self._captions)
                for name in fixed_columns(table.schema)[1]
            )

    def is_sharded(self) -> bool:
        """Whether the vectors of the pictures have shards."""
        with lance.plain_errors(self.folder):
            return shards_of(self._items.dataset, "vector") is not None

    def known(self) -> dict[str, Known]:
        """Every stored picture, by its path."""
        with lance.plain_errors(self.storage):
            return {one.path: one for one in known_rows(self._items.read(KNOWN))}

    def known_captions(self) -> set[str]:
        """Ids of the stored sentences."""
        with lance.plain_errors(self.storage):
            return set(self._captions.read(["id"])["id"].to_pylist())

    def images(self, ids: Sequence[str]) -> dict[str, Stored]:
        """The stored pictures with these ids, by id."""
        with lance.plain_errors(self.storage):
            rows = self._items.find("id", ids, self._items.schema.names)
        vectors = fixed_rows(rows["vector"])
        codes = fixed_rows(rows["code"]) if "code" in rows.column_names else None
        plain = rows.drop_columns(["vector", *(["code"] if codes is not None else [])]).to_pylist()
        return {
            values["id"]: Stored(as_item(values), vectors[row], None if codes is None else codes[row])
            for row, values in enumerate(plain)
        }

    def read(self, before: MemoryIndex | None = None, *, on_disk: bool = False) -> MemoryIndex:
        """Everything now, in memory; of what was there `before` only what changed is read.

        `on_disk` vectors, codes and hashes are not read, as they were not `before`, if it is given.
        Raises `ReplacedError` if old files were removed meanwhile: read again.
        """
        with lance.plain_errors(self.storage):
            tables = self._items.dataset, self._captions.dataset, self.notes.dataset()
            return MemoryIndex.read(*tables, on_disk=on_disk) if before is None else before.following(*tables)

    def snapshot(self) -> Snapshot:
        """Everything visible now, read into memory."""
        return self.read().snapshot

    def fetch(self, keys: Sequence[str]) -> list[Fine]:
        """Fine features of the pictures or sentences with these content keys, in that order.

        Raises `ReplacedError` if one is gone, which happens only when a picture was replaced or removed meanwhile.
        """
        with lance.plain_errors(self.storage):
            found = dict(fine_rows(self._parts.find("key", keys, self._parts.schema.names)))
        gone = next((key for key in keys if key not in found), None)
        if gone is not None:
            raise ReplacedError(
                f"{self.storage}: the features {gone} are gone, replaced during the search. Search again; if that does "
                f"not help, `crossgraph gallery verify {self.storage}` says what is missing."
            )
        return [found[key] for key in keys]

    def write_parts(self, keys: Sequence[str], encoded: Encoded) -> None:
        """Store fine features by content key; keys already there are left alone."""
        columns, schema = fine_columns(encoded), self._parts.schema
        table = pa.table(
            {
                "key": pa.array(keys, pa.string()),
                **{name: columns.get(name, pa.nulls(len(keys))) for name in schema.names if name != "key"},
            },
            schema=schema,
        )
        with lance.plain_errors(self.storage):
            self._parts.insert(table, "key")

    def write_captions(
        self,
        texts: Sequence[str],
        vectors: Float[np.ndarray, "m d"],
        codes: UInt8[np.ndarray, "m bytes"] | None = None,
        *,
        new: bool = False,
    ) -> None:
        """Store sentences and their features; those already there are left alone. `new`: it is known that none is."""
        columns = {"id": [caption_id(text) for text in texts], "text": list(texts)}
        table = pa.table(columns | _features(self._captions.schema, vectors, codes), schema=self._captions.schema)
        with lance.plain_errors(self.storage):
            self._captions.append(table) if new else self._captions.insert(table, "id")

    def write_items(
        self,
        items: Sequence[Item],
        vectors: Float[np.ndarray, "n d"],
        codes: UInt8[np.ndarray, "n bytes"] | None = None,
        *,
        new: bool = False,
    ) -> None:
        """Make pictures visible, replacing those of the same id; `new`: it is known that there are none.

        Their parts and captions must be written before.
        """
        written = {"indexed_at": datetime.now(UTC)}
        rows = [
            asdict(item)
            | written
            | {"path": str(item.path), "caption_ids": [caption_id(one) for one in item.captions]}
            | {"perceptual_hash": item.perceptual_hash or UNKNOWN}
            for item in items
        ]
        schema = self._items.schema
        features = _features(schema, vectors, codes)
        columns = {name: [row[name] for row in rows] for name in schema.names if name not in features}
        table = pa.table(columns | features, schema=schema)
        with lance.plain_errors(self.storage):
            self._items.append(table) if new else self._items.replace(table, "id")

    def relocate_items(self, paths: Mapping[str, str]) -> None:
        """Give pictures, by id, other paths; all else of them stays, also when they were stored. One commit."""
        if not paths:
            return
        schema = pa.schema([("id", pa.string()), ("path", pa.string())])
        table = pa.table({"id": list(paths), "path": list(paths.values())}, schema=schema)
        with lance.plain_errors(self.storage):
            self._items.update(table, "id")

    def remove_items(self, ids: Sequence[str]) -> None:
        """Make pictures invisible; what only they used becomes an orphan."""
        with lance.plain_errors(self.storage):
            self._items.delete_keys("id", ids)

    def remove_known(self, pictures: Iterable[Known | Item]) -> None:
        """Make these pictures invisible, whose notes, if they have any, apply again where their content comes back."""
        going = [Departed(one.id, str(one.path), one.digest) for one in pictures]
        self.notes.depart(going)
        self.remove_items([one.id for one in going])

    def drop_orphans(self) -> None:
        """Remove captions, parts and codes that no picture refers to."""
        with lance.plain_errors(self.storage):
            rows = self._items.read(["digest", "caption_ids"])
            captions = pc.unique(pc.list_flatten(rows["caption_ids"]))
            used = pa.concat_arrays([captions, pc.unique(rows["digest"])])
            for table, column, kept in ((self._captions, "id", captions), (self._parts, "key", used)):
                stored = table.read([column])[column]
                table.delete_keys(column, stored.filter(pc.invert(pc.is_in(stored, kept))).to_pylist())

    def index_keys(self) -> None:
        """Make what rows are looked up by, of the tables that have enough, where it is lacking."""
        for name, columns in KEYS.items():
            self.tables[name].index(*columns)
        for name, table in self.notes.tables.items():
            table.index(*NOTE_KEYS[name])

    def optimize(self) -> None:
        """Merge all files of each table."""
        with lance.plain_errors(self.storage):
            for table in (*self.tables.values(), *self.notes.tables.values()):
                table.optimize()
            self.index_keys()

    def merge_small_files(self) -> None:
        """Merge the files of many commits, if there are many, and keep up what rows are looked up by."""
        with lance.plain_errors(self.storage):
            for table in (*self.tables.values(), *self.notes.tables.values()):
                table.merge_small_files()
            self.index_keys()


@contextmanager
def writing(place: Storage | Path) -> Iterator[None]:
    """Be the one writer of the gallery in a place. Raises `GalleryError` if another process is, or it is read-only."""
    storage, ends = storage_of(place), ExitStack()
    with ends:
        with lance.plain_errors(storage):
            unaware = ends.enter_context(storage.writing())
        if unaware:
            fence(storage)
        yield


def _features(
    schema: pa.Schema, vectors: Float[np.ndarray, "n d"], codes: UInt8[np.ndarray, "n bytes"] | None
) -> dict[str, pa.Array]:
    """The columns of vectors and, if there are any, codes, as the `schema` of their table has them."""
    values = finite(vectors.astype(np.float32))
    found = {"vector": pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])}
    if codes is not None and pa.types.is_fixed_size_binary(schema.field("code").type):  # of galleries made before
        found["code"] = pa.array([row.tobytes() for row in codes], schema.field("code").type)
    elif codes is not None:
        found["code"] = pa.FixedSizeListArray.from_arrays(pa.array(codes.ravel()), codes.shape[1])
    return found


def known_rows(table: pa.Table) -> list[Known]:
    """What the rows of these pictures, of their columns `KNOWN`, say of them."""
    values = {name: table[name].to_pylist() for name in KNOWN if name not in ("modified", "indexed_at")}
    values |= {name: _moments(table[name]) for name in ("modified", "indexed_at")}
    for name in ("captions", "labels"):
        values[name] = [tuple(texts) for texts in values[name]]
    return [Known(*row) for row in zip(*(values[name] for name in KNOWN), strict=True)]


def _moments(column: pa.ChunkedArray) -> list[datetime | None]:
    """The times of a column; Arrow's own conversion asks for the zone of each."""
    numbers = column.cast(pa.int64()).to_pylist()
    return [None if number is None else _EPOCH + timedelta(microseconds=number) for number in numbers]
