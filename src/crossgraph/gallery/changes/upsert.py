"""Single pictures, added or replaced by id."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossgraph.data.corpus import Skipped
from crossgraph.data.images import image_bytes_digest
from crossgraph.data.places import absolute, placed
from crossgraph.errors import GalleryError, ImageError
from crossgraph.gallery.changes.indexing import Entry, FileState, commit
from crossgraph.gallery.changes.sync import NOT_UNICODE, Change, SyncReport
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.gallery.tables.items import BY_HAND, Known, checked_id, fresh_id
from crossgraph.gallery.tables.skipped import forgive
from crossgraph.gallery.tables.store import Store
from crossgraph.progress import Progress


@dataclass(frozen=True)
class NewImage:
    """A picture to add; without an `id` it has that of its path, or a new one."""

    path: Path | str
    captions: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    id: str | None = None


def upsert(
    store: Store, model: SearchModel, images: Sequence[NewImage], *, batch: int, progress: Progress
) -> SyncReport:
    """Store `pictures`, batch by batch. Raises `GalleryError` if two are of one id, or one path has two ids."""
    started = time.perf_counter()
    known, sentences = store.known(), store.known_captions()
    entries, skipped, unchanged = _entries(images, known)
    before = {one.id for one in known.values()}
    changes: list[Change] = []
    forgive(store.folder, {str(entry.path) for entry in entries})
    with progress.task("adding", len(entries)) as task:
        for start in range(0, len(entries), batch):
            chunk = entries[start : start + batch]
            items, broken = commit(store, model, chunk, sentences)
            skipped += broken
            changes += [Change("change" if item.id in before else "add", item.path) for item in items]
            task.advance(len(chunk), stored=len(changes))
    updated = sum(change.kind == "change" for change in changes)
    if updated:
        store.drop_orphans()
    store.merge_small_files()
    return SyncReport(
        len(changes) - updated,
        updated,
        0,
        0,
        unchanged,
        tuple(skipped),
        time.perf_counter() - started,
        tuple(changes),
    )


def _entries(images: Sequence[NewImage], known: dict[str, Known]) -> tuple[list[Entry], list[Skipped], int]:
    by_id = {one.id: one for one in known.values()}
    by_digest = {one.digest: one.id for one in known.values()}
    taken, paths = set(by_id), set[Path]()
    found: dict[str, Entry] = {}
    skipped: list[Skipped] = []
    unchanged = 0
    for image in images:
        path = placed(absolute(image.path))
        there = known.get(str(path))
        key = there.id if image.id is None and there is not None else image.id
        key = fresh_id(path, taken) if key is None else checked_id(key)
        if key in found:
            raise GalleryError(f"two of the pictures to add have the id {key}: {found[key].path} and {path}.")
        if path in paths:
            raise GalleryError(f"{path} is to be added twice. Name it once.")
        if there is not None and there.id != key:
            raise GalleryError(f"{path} is in the gallery with the id {there.id}. Remove that first, or use that id.")
        state = FileState.of(path)
        try:
            str(path).encode()
            digest = image_bytes_digest(path)
        except UnicodeEncodeError:
            skipped.append(Skipped(path, NOT_UNICODE))
            continue
        except ImageError as error:
            skipped.append(Skipped(path, error.reason))
            continue
        assert state is not None
        old = by_id.get(key)
        entry = Entry(key, path, digest, state, image.captions, image.labels, BY_HAND, by_digest.get(digest))
        if old is not None and (old.path, old.digest, old.captions, old.labels, old.source) == (
            *(str(path), digest, image.captions, image.labels, BY_HAND),
        ):
            unchanged += 1
        else:
            found[key] = entry
            taken.add(key)
            paths.add(path)
    return list(found.values()), skipped, unchanged
