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
from crossgraph.gallery.changes.returned import Returned
from crossgraph.gallery.changes.sync import NOT_UNICODE, Change, SyncReport
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.gallery.tables.items import BY_HAND, Known, caption_id, checked_id, fresh_id, item_id
from crossgraph.gallery.tables.lookups import drop_unused, known_by, stored_captions
from crossgraph.gallery.tables.notes import Departed
from crossgraph.gallery.tables.skipped import forgive
from crossgraph.gallery.tables.store import Store
from crossgraph.progress import Progress


@dataclass(frozen=True)
class NewImage:
    """A picture to add; without an `id` it has that of its path, of one of its content that went, or a new one."""

    path: Path | str
    captions: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    id: str | None = None


def upsert(
    store: Store, model: SearchModel, images: Sequence[NewImage], *, batch: int, progress: Progress
) -> SyncReport:
    """Store `images`, batch by batch. Raises `GalleryError` if two are of one id, or one path has two ids.

    What has the content of a picture that went has its notes again; a given id of one that went with other content is
    free, and the notes under it are forgotten.
    """
    started = time.perf_counter()
    entries, old, skipped, unchanged, went = _entries(images, store)
    store.notes.remove([one.id for one in entries if one.id in went and went[one.id].digest != one.digest])
    changes: list[Change] = []
    forgive(store.storage, {str(entry.path) for entry in entries})
    new = {entry.id for entry in entries if entry.id not in old}
    with progress.task("adding", len(entries)) as task:
        for start in range(0, len(entries), batch):
            chunk = entries[start : start + batch]
            sentences = stored_captions(store, (caption_id(text) for entry in chunk for text in entry.captions))
            items, broken = commit(store, model, chunk, sentences, new=new)
            skipped += broken
            store.notes.arrive([item.id for item in items if item.id in went])
            changes += [Change("change" if item.id in old else "add", item.path) for item in items]
            task.advance(len(chunk), stored=len(changes))
    updated = sum(change.kind == "change" for change in changes)
    if updated:
        before = old.values()
        drop_unused(
            store,
            (one.digest for one in before),
            (caption_id(text) for one in before for text in one.captions),
        )
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


def _entries(
    images: Sequence[NewImage], store: Store
) -> tuple[list[Entry], dict[str, Known], list[Skipped], int, dict[str, Departed]]:
    """What to store, the stored pictures in whose places that goes, by id, what is left out, and how many are there.

    Last, by id, pictures that have notes and went, at least those of the ids of what is to be stored.
    """
    paths = [placed(absolute(image.path)) for image in images]
    read = [_content(path) for path in paths]
    by_path = {one.path: one for one in known_by(store, "path", map(str, paths))}
    by_digest = {one.digest: one.id for one in known_by(store, "digest", (one.digest for one in read if one.digest))}
    went = store.notes.departed("digest", [one.digest for one in read if one.digest])
    given = [image.id for image in images if image.id is not None]
    ids = _Ids(store, [*given, *map(item_id, paths), *(one.id for one in went)])
    returned = Returned(lambda: went, lambda key: key in given or ids.known(key) is not None)
    added = set[Path]()
    found: dict[str, Entry] = {}
    old: dict[str, Known] = {}
    skipped: list[Skipped] = []
    unchanged = 0
    for image, path, content in zip(images, paths, read, strict=True):
        there = by_path.get(str(path))
        key = there.id if image.id is None and there is not None else image.id
        key = (returned.take(content.digest, str(path)) or fresh_id(path, ids)) if key is None else checked_id(key)
        if key in found:
            raise GalleryError(f"two of the pictures to add have the id {key}: {found[key].path} and {path}.")
        if path in added:
            raise GalleryError(f"{path} is to be added twice. Name it once.")
        if there is not None and there.id != key:
            raise GalleryError(f"{path} is in the gallery with the id {there.id}. Remove that first, or use that id.")
        if content.reason is not None:
            skipped.append(Skipped(path, content.reason))
            continue
        assert content.state is not None
        before = ids.known(key)
        entry = Entry(
            *(key, path, content.digest, content.state, image.captions, image.labels, BY_HAND),
            by_digest.get(content.digest),
        )
        if before is not None and (before.path, before.digest, before.captions, before.labels, before.source) == (
            *(str(path), content.digest, image.captions, image.labels, BY_HAND),
        ):
            unchanged += 1
            continue
        found[key] = entry
        ids.take(key)
        added.add(path)
        if before is not None:
            old[key] = before
    return list(found.values()), old, skipped, unchanged, ids.went


@dataclass(frozen=True)
class _Content:
    """The state and the digest of a file, or the reason why it cannot be read."""

    state: FileState | None
    digest: str = ""
    reason: str | None = None


def _content(path: Path) -> _Content:
    state = FileState.of(path)
    try:
        str(path).encode()
        return _Content(state, image_bytes_digest(path))
    except UnicodeEncodeError:
        return _Content(state, reason=NOT_UNICODE)
    except ImageError as error:
        return _Content(state, reason=error.reason)


class _Ids:
    """The ids that pictures have, or had that `went` and have notes.

    Those `asked` for are looked up at once, and others when they are met.
    """

    def __init__(self, store: Store, asked: Sequence[str]) -> None:
        self._store = store
        self._known: dict[str, Known | None] = {}
        self.went: dict[str, Departed] = {}
        self._taken = set[str]()
        self._look_up(asked)

    def __contains__(self, key: object) -> bool:
        return key in self._taken or self.known(str(key)) is not None or key in self.went

    def known(self, key: str) -> Known | None:
        """The stored picture of this id."""
        if key not in self._known:
            self._look_up([key])
        return self._known[key]

    def take(self, key: str) -> None:
        """Count this id among those that pictures have."""
        self._taken.add(key)

    def _look_up(self, keys: Sequence[str]) -> None:
        self._known |= dict.fromkeys(keys)
        self._known |= {one.id: one for one in known_by(self._store, "id", keys)}
        self.went |= {one.id: one for one in self._store.notes.departed("id", keys) if self._known[one.id] is None}
