"""Looking after a gallery: whether all of it is whole and can be found, and compaction."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from crossgraph.data.images import image_bytes_digest
from crossgraph.errors import ImageError
from crossgraph.files import TEMPORARY
from crossgraph.gallery.changes.indexing import FileState
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.picture_map import map_file
from crossgraph.gallery.stages.unit_length import unit_rows
from crossgraph.gallery.tables import lance, skipped
from crossgraph.gallery.tables.manifest import FILE, TABLES, Manifest, Optimized
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.gallery.thumbnails import Thumbnails
from crossgraph.progress import Progress, Silent
from crossgraph.storage.interface import Storage

KEEP = timedelta(minutes=10)
"""Older versions of the tables than this are removed by compaction: a search that began before may need younger."""

BLOCK = 1024


@dataclass(frozen=True)
class Problem:
    """Something wrong with a gallery: of which picture or part, and what to do."""

    subject: str
    message: str


@dataclass(frozen=True)
class Verification:
    """What was checked, and what is wrong; `orphans` are parts and captions that no picture uses, which is harmless."""

    rows: int
    found: int
    features: int
    files: int
    orphans: int
    problems: tuple[Problem, ...]


def optimize(gallery: Gallery, *, keep: timedelta = KEEP) -> tuple[int, int]:
    """Compact the tables: bytes before and after. The manifest notes when it was done and what it saved.

    Drops what no picture uses, thumbnails too, merges small files, and removes versions older than `keep` and tables
    of finished migrations. A kill at any moment costs nothing; the next run goes on.
    """
    with gallery.changing():
        before = gallery.storage.size()
        gallery.store.drop_orphans()
        gallery.store.notes.drop_taken_away()
        with lance.plain_errors(gallery.storage), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a search which began before `keep` may fail is why it is not 0
            for table in (*gallery.store.tables.values(), *gallery.store.notes.tables.values()):
                # Nobody else writes, so files that no version names are rests of a write that was cut off.
                table.optimize(keep=keep, delete_unverified=True)
            gallery.store.index_keys()
        remove_leftovers(gallery.storage, gallery.manifest)
        Thumbnails(gallery.folder).drop_others(gallery.snapshot().items["digest"].to_pylist())
        after = gallery.storage.size()
        noted = Optimized(at=datetime.now(UTC), saved=before - after)
        gallery.replace_manifest(gallery.manifest.model_copy(update={"optimized": noted}))
    return before, after


def remove_leftovers(storage: Storage, manifest: Manifest) -> None:
    """Remove tables that neither serve nor are being made, and maps of other models. Needs the lock."""
    old = {f"{name}.lance" for name in TABLES} if manifest.tables else set()
    old |= {name for name in storage.names() if name.startswith("tables-")} - {manifest.tables, manifest.migrating}
    for name in old:
        storage.remove(name)
    folder = storage.beside
    for file in set(folder.glob("map-*.parquet")) - {map_file(folder, manifest)}:
        file.unlink(missing_ok=True)
    for draft in (*folder.glob(f"{FILE}.*{TEMPORARY}"), *folder.glob(f"{skipped.FILE}.*{TEMPORARY}")):
        # a kill before it was put in place: nobody else writes now
        draft.unlink(missing_ok=True)


def verify(gallery: Gallery, *, rehash: bool = False, progress: Progress | None = None) -> Verification:
    """Check every row: found by its own vector, features finite and there, file there and as it was stored.

    Whether a file is as it was stored is told by size and time, with `rehash` by its content. Nothing is changed.
    """
    snapshot = gallery.snapshot()
    progress = progress or Silent()
    problems = [*_doubled(gallery, snapshot), *_missing_captions(snapshot)]
    found, lost = _searchable(snapshot, progress)
    features, wrong, orphans = _features(gallery, snapshot, progress)
    files, gone = _files(snapshot, rehash, progress)
    return Verification(len(snapshot.items), found, features, files, orphans, (*problems, *lost, *wrong, *gone))


def _doubled(gallery: Gallery, snapshot: Snapshot) -> Iterator[Problem]:
    keyed = [("items", "id"), ("items", "path"), ("captions", "id"), ("parts", "key")]
    for table, column in keyed:
        keys = gallery.store.tables[table].read([column])[column].to_pylist()
        seen: set[str] = set()
        for key in keys:
            if key in seen:
                yield Problem(key, f"is twice in the table {table}; index into a new gallery")
            seen.add(key)
    if len(snapshot.items) != gallery.store.tables["items"].count_rows():
        yield Problem("items", "rows read and rows counted differ; if nobody is writing, index into a new gallery")


def _missing_captions(snapshot: Snapshot) -> Iterator[Problem]:
    stored = set(snapshot.captions["id"].to_pylist())
    columns = (snapshot.items[name].to_pylist() for name in ("path", "captions", "caption_ids"))
    for path, texts, keys in zip(*columns, strict=True):
        for text, key in zip(texts, keys, strict=True):
            if key not in stored:
                yield Problem(path, f"its caption {text[:40]!r} is not stored; sync with --rehash")


def _searchable(snapshot: Snapshot, progress: Progress) -> tuple[int, list[Problem]]:
    """Search for every picture by its own vector, exhaustively: no other may be nearer by more than rounding."""
    vectors, paths = snapshot.vectors.whole(), snapshot.items["path"]
    sound = np.isfinite(vectors).all(1) & (np.linalg.norm(vectors, axis=1) > 0)
    problems = [
        Problem(paths[row].as_py(), "its vector is not finite or all zero; sync with --rehash")
        for row in (~sound).nonzero()[0].tolist()
    ]
    unit = unit_rows(np.where(sound[:, None], vectors, np.float32(0)))
    found = 0
    with progress.task("searching for every picture", len(vectors)) as task:
        for start in range(0, len(vectors), BLOCK):
            block = unit[start : start + BLOCK]
            scores = block @ unit.T
            own = scores[np.arange(len(block)), np.arange(start, start + len(block))]
            first = (own >= scores.max(1) - 1e-5) & sound[start : start + BLOCK]
            found += int(first.sum())
            problems += [
                Problem(paths[start + row].as_py(), "is not found by its own vector; index into a new gallery")
                for row in (~first & sound[start : start + BLOCK]).nonzero()[0].tolist()
            ]
            task.advance(len(block))
    return found, problems


def _features(gallery: Gallery, snapshot: Snapshot, progress: Progress) -> tuple[int, list[Problem], int]:
    """Read all fine features: how many are sound, what is wrong, and how many rows belong to no picture."""
    parts = gallery.store.tables["parts"]
    images = dict(zip(snapshot.items["digest"].to_pylist(), snapshot.items["path"].to_pylist(), strict=True))
    needed = {**dict(zip(snapshot.captions["id"].to_pylist(), snapshot.captions["text"].to_pylist(), strict=True))}
    needed |= images
    sound: set[str] = set()
    orphans = 0
    problems: list[Problem] = []
    total = parts.count_rows()
    with lance.plain_errors(gallery.storage), progress.task("reading features", total) as task:
        for batch in parts.dataset.to_batches(columns=["key", "embedding", "count", "width", "values"], batch_size=256):
            for key, whole in zip(batch["key"].to_pylist(), _whole(batch), strict=True):
                if key not in needed:
                    orphans += 1
                elif whole:
                    sound.add(key)
                else:
                    problems.append(Problem(needed[key], "its features are not finite or cut off; sync with --rehash"))
            task.advance(len(batch))
    if total or (gallery.model is not None and gallery.model.method.reranks):
        broken = {problem.subject for problem in problems}
        lacking = [name for key, name in needed.items() if key not in sound and name not in broken]
        problems += [Problem(name, "its features are not stored; index into a new gallery") for name in lacking]
    return len(sound), problems, orphans


def _whole(batch: pa.RecordBatch) -> list[bool]:
    """For every row of the parts table, whether all its numbers are finite and as many as it says."""
    found = []
    for row in range(len(batch)):
        embedding = batch["embedding"][row].values.to_numpy()
        values = batch["values"][row].values.to_numpy(zero_copy_only=False)
        counted = batch["count"][row].as_py() * batch["width"][row].as_py() == len(values)
        found.append(bool(counted and len(embedding) and np.isfinite(embedding).all() and np.isfinite(values).all()))
    return found


def _files(snapshot: Snapshot, rehash: bool, progress: Progress) -> tuple[int, list[Problem]]:
    """How many pictures' files are as they were stored, and what is wrong with the others."""
    problems: list[Problem] = []
    with progress.task("checking files", len(snapshot.items)) as task:
        for row in range(len(snapshot.items)):
            item = snapshot.item(row)
            state = FileState.of(item.path)
            try:
                if state is None:
                    problems.append(
                        Problem(
                            str(item.path),
                            "its file is gone; sync its folder, or name its new place with gallery move, or remove it",
                        )
                    )
                elif rehash or item.modified is None:
                    if image_bytes_digest(item.path) != item.digest:
                        problems.append(Problem(str(item.path), "its file changed; sync its folder"))
                elif (state.bytes, state.modified) != (item.bytes, item.modified):
                    problems.append(Problem(str(item.path), "its file changed, or only its time; sync its folder"))
            except ImageError as error:
                problems.append(Problem(str(item.path), f"its file cannot be read: {error.reason}"))
            task.advance()
    return len(snapshot.items) - len(problems), problems
