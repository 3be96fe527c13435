"""What a gallery holds, read from its manifest and tables alone: no model, no vectors, and so no torch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from crossgraph.errors import GalleryError
from crossgraph.gallery.tables import lance, skipped
from crossgraph.gallery.tables.folding import count_alike
from crossgraph.gallery.tables.manifest import TABLES, Manifest
from crossgraph.gallery.tables.notes import Notes, NotesInMemory, typed_columns
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of


@dataclass(frozen=True)
class TableStats:
    """One table: rows, data files, bytes on disk with all old versions."""

    name: str
    rows: int
    fragments: int
    bytes: int


@dataclass(frozen=True)
class GalleryStats:
    """What a gallery holds.

    `annotated` pictures have notes, `equal` ones have the content of another before them, `alike` ones only look like
    one (None: too many to compare). `skipped` files are not in it, `removed` ones were taken out by hand, and
    `unfollowed` pictures are in it though the last look at the folders left them out (None: that list is damaged).
    """

    folder: str
    rows: int
    captions: int
    annotated: int
    bytes: int
    fragments: int
    tables: tuple[TableStats, ...]
    method: str
    model: str
    shortlist: str | None
    run: str | None
    sources: tuple[str, ...]
    skipped: int | None
    removed: int | None
    unfollowed: int | None
    equal: int
    alike: int | None
    columns: tuple[str, ...]
    optimized_at: datetime | None
    optimized_saved: int | None
    migrating: bool


def gallery_stats(place: Storage | Path | str) -> GalleryStats:
    """Rows, bytes, fragments, model and the like of the gallery in a place. Raises `GalleryError` if there is none."""
    storage = storage_of(place)
    manifest, notes = Manifest.read(storage), Notes(storage)
    with lance.plain_errors(storage):
        tables_at = storage.under(manifest.tables) if manifest.tables else storage
        places = {name: tables_at.under(f"{name}.lance") for name in TABLES}
        tables = {name: lance.Table(place) for name, place in places.items() if lance.exists(place)}
        items = tables["items"].read(["id", "path", "digest", "perceptual_hash", "caption_ids"])
        every = tuple(_table_stats(name, table) for name, table in {**tables, **notes.tables}.items())
        captions = pc.is_in(tables["captions"].read(["id"])["id"], pc.list_flatten(items["caption_ids"]))
        values = NotesInMemory.read(notes.dataset()).values
    equal, alike = count_alike(items)
    return GalleryStats(
        str(storage),
        len(items),
        pc.sum(captions).as_py() or 0,
        pc.count_distinct(values["id"].filter(pc.is_in(values["id"], items["id"]))).as_py(),
        storage.size(),
        sum(table.fragments for table in every),
        every,
        manifest.method,
        manifest.model,
        manifest.shortlist,
        manifest.run,
        manifest.sources,
        *_count_left_out(storage, items["path"]),
        equal,
        alike,
        tuple(typed_columns(values, items["id"]).column_names),
        None if manifest.optimized is None else manifest.optimized.at,
        None if manifest.optimized is None else manifest.optimized.saved,
        manifest.migrating is not None,
    )


def _count_left_out(storage: Storage, paths: pa.ChunkedArray) -> tuple[int | None, int | None, int | None]:
    try:
        found = skipped.left_out(skipped.read_skipped(storage), paths)
    except GalleryError:
        return None, None, None
    return len(found.files), len(found.removed), len(found.unfollowed)


def _table_stats(name: str, table: lance.Table) -> TableStats:
    return TableStats(name, table.count_rows(), table.fragments, table.place.size())
