"""What a gallery holds, read from its manifest and tables alone: no model, no vectors, and so no torch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow.compute as pc

from crossgraph.errors import GalleryError
from crossgraph.gallery.tables import lance, skipped
from crossgraph.gallery.tables.folding import count_alike
from crossgraph.gallery.tables.manifest import TABLES, Manifest
from crossgraph.gallery.tables.notes import Notes, NotesInMemory, typed_columns


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

    `equal` pictures have the content of another before them, `alike` ones only look like one (None: too many to
    compare). `skipped` files were left out (None: the list of them is damaged).
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
    equal: int
    alike: int | None
    columns: tuple[str, ...]
    optimized_at: datetime | None
    optimized_saved: int | None
    migrating: bool


def gallery_stats(folder: Path | str) -> GalleryStats:
    """Rows, bytes, fragments, model and the like of the gallery in `folder`. Raises `GalleryError` if there is none."""
    folder = Path(folder)
    manifest, notes = Manifest.read(folder), Notes(folder)
    with lance.plain_errors(folder):
        places = {name: folder / manifest.tables / f"{name}.lance" for name in TABLES}
        tables = {name: lance.Table(place) for name, place in places.items() if lance.exists(place)}
        items = tables["items"].read(["id", "digest", "perceptual_hash", "caption_ids"])
        every = tuple(_table_stats(name, table) for name, table in {**tables, **notes.tables}.items())
        captions = pc.is_in(tables["captions"].read(["id"])["id"], pc.list_flatten(items["caption_ids"]))
        values = NotesInMemory.read(notes.dataset()).values
    equal, alike = count_alike(items)
    return GalleryStats(
        str(folder),
        len(items),
        pc.sum(captions).as_py() or 0,
        pc.count_distinct(values["id"]).as_py(),
        bytes_under(folder),
        sum(table.fragments for table in every),
        every,
        manifest.method,
        manifest.model,
        manifest.shortlist,
        manifest.run,
        manifest.sources,
        _count_skipped(folder),
        equal,
        alike,
        tuple(typed_columns(values, items["id"]).column_names),
        None if manifest.optimized is None else manifest.optimized.at,
        None if manifest.optimized is None else manifest.optimized.saved,
        manifest.migrating is not None,
    )


def _count_skipped(folder: Path) -> int | None:
    try:
        return len(skipped.read_skipped(folder))
    except GalleryError:
        return None


def bytes_under(folder: Path) -> int:
    """Bytes of all files under `folder`; one that goes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_dir() else path.stat().st_size
        except OSError:
            continue
    return total


def _table_stats(name: str, table: lance.Table) -> TableStats:
    return TableStats(name, table.count_rows(), table.fragments, bytes_under(table.folder))
