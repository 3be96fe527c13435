"""What a gallery holds, read from its manifest and tables alone: no model, no vectors, and so no torch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from crossgraph.gallery.tables import lance, skipped
from crossgraph.gallery.tables.folding import count_alike
from crossgraph.gallery.tables.items import caption_id
from crossgraph.gallery.tables.manifest import TABLES, Manifest
from crossgraph.gallery.tables.notes import Notes


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
    compare).
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
    skipped: int
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
        items = tables["items"].read(["id", "digest", "look", "captions"])
        every = tuple(_table_stats(name, table) for name, table in {**tables, **notes.tables}.items())
        captions = _spoken(items) & set(tables["captions"].read(["id"])["id"].to_pylist())
        annotated, columns = len(notes.values()), tuple(notes.columns(items["id"]).column_names)
    equal, alike = count_alike(items)
    return GalleryStats(
        str(folder),
        len(items),
        len(captions),
        annotated,
        bytes_under(folder),
        sum(table.fragments for table in every),
        every,
        manifest.method,
        manifest.model,
        manifest.shortlist,
        manifest.run,
        manifest.sources,
        len(skipped.read_skipped(folder)),
        equal,
        alike,
        columns,
        None if manifest.optimized is None else manifest.optimized.at,
        None if manifest.optimized is None else manifest.optimized.saved,
        manifest.migrating is not None,
    )


def bytes_under(folder: Path) -> int:
    """Bytes of all files under `folder`; one that goes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_dir() else path.stat().st_size
        except OSError:
            continue
    return total


def _spoken(items: pa.Table) -> set[str]:
    """The ids of the sentences that some picture carries."""
    return {caption_id(text) for texts in items["captions"].to_pylist() for text in texts or ()}


def _table_stats(name: str, table: lance.Table) -> TableStats:
    return TableStats(name, table.count_rows(), table.fragments, bytes_under(table.folder))
