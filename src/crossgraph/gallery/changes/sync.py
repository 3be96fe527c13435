"""Folders and a gallery brought together: what is new, changed, moved or gone, found by content and stored in batches.

Files whose size and time are as they were noted are not read again, except soon after they were written: a clock is
too coarse to tell two writes of one moment apart. A file that lies elsewhere now, with the content of one that is
gone, or has other content now, was moved: it keeps its id, its notes and its features. So files that changed places
are found out before anything else is stored, and noted in one commit. A picture goes only when its file is gone for
certain, or holds another one of the gallery and its own content is nowhere; one that cannot be read at present stays as
it was. One that went and had notes has its id again when its content comes back.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np

from crossgraph.data.corpus import Corpus, FileCounts, Skipped, SkippedRow
from crossgraph.data.images import image_bytes_digest
from crossgraph.data.places import absolute, is_far, is_gone, placed
from crossgraph.errors import ImageError
from crossgraph.gallery.changes.empty_folders import in_empty_folders, told_of_empty
from crossgraph.gallery.changes.endings import Endings
from crossgraph.gallery.changes.indexing import Batch, Encoder, Entry, FileState, batch_of, describe, store_batch
from crossgraph.gallery.changes.lost_labels import LostLabels
from crossgraph.gallery.changes.moved_sources import Digests, MovedSource
from crossgraph.gallery.changes.rearranged import find_rearranged
from crossgraph.gallery.changes.returned import Returned
from crossgraph.gallery.tables.items import BY_HAND, Item, Known, fresh_id
from crossgraph.gallery.tables.lance import FRAGMENTS, is_unicode
from crossgraph.gallery.tables.skipped import BY_HAND as REMOVED
from crossgraph.gallery.tables.skipped import removed_by_hand
from crossgraph.gallery.tables.store import Store
from crossgraph.progress import Progress, Task

SETTLED = timedelta(seconds=2)
"""Only a file that was this old when it was stored is trusted to be unchanged by its size and time."""

NOT_UNICODE = "its name is not valid UTF-8; rename it"

Kind = Literal["add", "change", "move", "remove"]
Part = Literal["content", "captions", "labels"]


@dataclass(frozen=True)
class Change:
    """One difference between folders and gallery; `before` is where a moved picture was.

    `differs` is what of a changed or moved one is not as it was.
    """

    kind: Kind
    path: Path
    before: Path | None = None
    differs: tuple[Part, ...] = ()


@dataclass(frozen=True)
class MovedFolder:
    """A folder that was found to lie elsewhere `now`; so many of its pictures are `left`, which are not there."""

    before: str
    now: str
    left: int


@dataclass(frozen=True)
class SyncReport:
    """What one run did, or, of a dry run, would do. `changes` names each, `skipped` what was left out and why.

    `moved_folders` were recognised by the pictures in them. `files` counts what else is in the folders, `skipped_rows`
    are rows of caption files that could not be used, and `unused` files that look like captions and were not read.
    So many pictures kept their notes though their content is another now (`notes_kept`). `labels_lost` says of which
    sources pictures have no labels any more.
    `version` names the state of the gallery after it (`Gallery.wait_for`); empty after a dry run.
    """

    added: int
    updated: int
    moved: int
    removed: int
    unchanged: int
    skipped: tuple[Skipped, ...]
    seconds: float
    changes: tuple[Change, ...] = field(repr=False)
    moved_folders: tuple[MovedFolder, ...] = ()
    files: FileCounts = field(default_factory=FileCounts)
    skipped_rows: tuple[SkippedRow, ...] = ()
    unused: tuple[Skipped, ...] = ()
    version: str = ""
    notes_kept: int = 0
    labels_lost: tuple[LostLabels, ...] = ()

    @property
    def read(self) -> int:
        """How many pictures could be read, or were known to be as they are."""
        return self.added + self.updated + self.moved + self.unchanged


@dataclass(frozen=True)
class SourceImage:
    """A picture as its corpora tell of it; `source` names the first."""

    path: Path
    captions: tuple[str, ...]
    labels: tuple[str, ...]
    source: str


def images_of(corpora: Sequence[Corpus]) -> list[SourceImage]:
    """The pictures of the corpora in order; a file that occurs twice is one picture with all its captions."""
    found: dict[str, SourceImage] = {}
    for corpus in corpora:
        for row, (path, captions) in enumerate(zip(corpus.image_paths, corpus.captions_of_images(), strict=True)):
            place = absolute(path)
            before = found.get(place, SourceImage(path if is_far(path) else Path(place), (), (), corpus.name))
            texts = (*before.captions, *(corpus.captions[caption] for caption in captions))
            labels = () if corpus.labels is None else _labels(corpus, row)
            found[place] = SourceImage(
                before.path, tuple(dict.fromkeys(texts)), tuple(dict.fromkeys((*before.labels, *labels))), before.source
            )
    return list(found.values())


@dataclass(frozen=True)
class _Look:
    """A picture beside what is stored of it: its file is asked for its state once, which all that follows goes by."""

    image: SourceImage
    known: Known | None = None
    state: FileState | None = None
    same: bool = False
    """Whether captions and labels are as they were."""
    unchanged: bool = False
    to_read: bool = False
    excluded: bool = False


@dataclass
class _Plan:
    """What was found out of some pictures: what to store of them and, by id, what to call it, and what is left out."""

    size: int
    unchanged: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    changes: dict[str, Change | None] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


@dataclass
class _Told:
    """Tells a task of every picture that is read for a batch, and counts them until the batch is stored."""

    task: Task
    count: int = 0

    def read(self) -> None:
        """One more was read."""
        self.count += 1
        self.task.advance()

    def left_of(self, size: int) -> int:
        """How many of a batch of so many pictures were not told of; the next batch begins."""
        left, self.count = size - self.count, 0
        return left


class Sync:
    """One run over `images`, encoded by `encoder`, or, in a dry run, by none.

    `roots` are the folders in which pictures may be found gone; none: nothing goes. Pictures of `moved` sources are
    gone as well, and may be found at a new place, but do not go; `digests` may have been read while that was found
    out. Those in a folder that is there and empty, as where a disk is not connected, do not go either unless
    `allow_empty`. After the run, `unlabelled` are the pictures that had labels and have none any more.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder | None,
        images: Sequence[SourceImage],
        *,
        roots: Sequence[Path],
        moved: Sequence[MovedSource] = (),
        digests: Digests | None = None,
        rehash: bool = False,
        allow_empty: bool = False,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._images = images
        self._rehash = rehash
        self._dry_run = encoder is None
        self._known = store.known()
        self._ids = {known.id for known in self._known.values()}
        self._returned = Returned(store.notes.departed, self._ids.__contains__)
        self._proven: set[str] = set()
        self._before: dict[str, str] = {}
        self._sentences = store.known_captions()
        self._excluded = removed_by_hand(store.storage)
        self._excluded |= {one.moves.place(path) for one in moved for path in self._excluded}
        self._moved, self._digests = moved, digests or Digests()
        self._by_digest = {known.digest: known.id for known in self._known.values()}
        self._gone = self._find_gone(roots)
        self._away = {} if allow_empty else in_empty_folders(self._gone, roots)
        self._gone = {path: known for path, known in self._gone.items() if path not in self._away}
        lost = {path: known for one in moved for path, known in one.images.items()}
        self._lost = {path: known for path, known in lost.items() if path not in self._gone}
        self._lost |= {path: self._known[path] for path in self._away}
        self._gone_by_digest: dict[str, Endings] = {}
        for path, known in (self._gone | self._lost).items():
            if path not in self._excluded:
                self._gone_by_digest.setdefault(known.digest, Endings()).add(path)
        self._changes: list[Change] = []
        self._counted: Counter[Kind] = Counter()
        self._skipped: list[Skipped] = []
        self._edited: list[str] = []
        self._arrived: list[str] = []
        self.unlabelled: list[Path] = []
        self._unchanged, self._commits = 0, 0
        self._may_go = bool(roots)

    @property
    def gone(self) -> tuple[Known, ...]:
        """The stored pictures whose file is gone."""
        return tuple(self._gone.values())

    def run(self, *, batch: int, progress: Progress, skipped: Sequence[Skipped] = ()) -> SyncReport:
        """Do it, batch by batch; what one commit wrote stays, whatever happens later."""
        started = time.perf_counter()
        self._skipped += skipped
        self._rearrange(self._find_displaced(progress))
        with progress.task("indexing", len(self._images)) as task:
            plans, told = self._plans(batch), _Told(task)
            done = self._dry(plans) if self._encoder is None else self._stored(self._encoder, plans, told.read)
            for plan in done:
                task.advance(
                    told.left_of(plan.size),
                    added=self._counted["add"],
                    updated=self._counted["change"],
                    moved=self._counted["move"],
                    skipped=len(self._skipped),
                )
        self._remove(list(self._gone.values()), batch)
        if not self._dry_run:
            self._store.notes.arrive(self._arrived)
        self._skipped += told_of_empty(folder for path, folder in self._away.items() if path in self._lost)
        counts = self._counted
        if not self._dry_run and (counts["change"] or counts["remove"] or counts["add"]):
            self._store.drop_orphans()
            self._store.merge_small_files()
        return SyncReport(
            counts["add"],
            counts["change"],
            counts["move"],
            counts["remove"],
            self._unchanged,
            tuple(self._skipped),
            time.perf_counter() - started,
            tuple(self._changes),
            tuple(
                MovedFolder(one.folder, one.now, sum(path in self._lost for path in one.images)) for one in self._moved
            ),
            notes_kept=len(self._store.notes.values(self._edited)),
        )

    def _find_displaced(self, progress: Progress) -> dict[str, str]:
        """The digests, by path, of the files of stored pictures that have other content now.

        Reads the files that size and time do not prove unchanged, and notes those that they do.
        """
        if not self._known:
            return {}
        changed: list[Path] = []
        with progress.task("comparing", len(self._images)) as task:
            for image in self._images:
                path = str(image.path)
                known = None if path in self._excluded else self._known.get(path)
                state = None if known is None else FileState.of(image.path)
                if known is not None and state is not None:
                    if not self._rehash and _trusted(known, state):
                        self._proven.add(path)
                    else:
                        changed.append(image.path)
                task.advance()
        digests = zip(map(str, changed), self._read(changed), strict=True)
        return {path: digest for path, digest in digests if digest not in ("", self._known[path].digest)}

    def _read(self, paths: Sequence[Path]) -> list[str]:
        """The digests of these files, which are kept; empty of what cannot be read."""
        with ThreadPoolExecutor() as readers:
            return list(readers.map(self._digests.note, paths))

    def _rearrange(self, displaced: Mapping[str, str]) -> None:
        """Note where pictures lie now whose files have other content, in one commit, if they lie anywhere.

        New files are read for that only where their size is that of such a picture. As two pictures cannot have one
        path, those that lie nowhere and lost their place to another go before.
        """
        if not displaced:
            return
        before = {path: self._known[path] for path in displaced}
        sizes = {known.bytes for known in before.values()}
        new = [image.path for image in self._images if self._is_new(image.path, sizes)]
        contents = {**displaced, **dict(zip(map(str, new), self._read(new), strict=True))}
        found = find_rearranged(
            contents, {path: known.digest for path, known in before.items()}, self._take_gone, may_go=self._may_go
        )
        self._remove([before[path] for path in found.ousted], max(1, len(found.ousted)))
        moved = {path: self._known[old] for path, old in found.before.items()}
        for old in (*found.before.values(), *found.ousted):
            del self._known[old]
        for path, known in moved.items():
            self._known[path] = replace(known, path=path)
            self._gone.pop(known.path, None)
            self._lost.pop(known.path, None)
        self._before = dict(found.before)
        if not self._dry_run:
            self._store.relocate_items({known.id: path for path, known in moved.items()})

    def _is_new(self, path: Path, sizes: Container[int | None]) -> bool:
        """Whether a file is of no stored picture, and of one of these sizes."""
        name = str(path)
        if name in self._known or name in self._excluded:
            return False
        state = FileState.of(path)
        return state is not None and state.bytes in sizes and is_unicode(name)

    def _plans(self, size: int) -> Iterator[_Plan]:
        """Compare what is stored with so many pictures at a time; this may run ahead of what is stored of them."""
        with ThreadPoolExecutor() as readers:
            for start in range(0, len(self._images), size):
                chunk = self._images[start : start + size]
                looks = [self._look(image) for image in chunk]
                unread = [one.image.path for one in looks if one.to_read and str(one.image.path) not in self._digests]
                for _ in readers.map(self._digests.note, unread):
                    pass
                yield self._planned(looks)

    def _look(self, image: SourceImage) -> _Look:
        """What is known of a picture, how its file is now, and whether that proves that nothing changed."""
        path = str(image.path)
        if path in self._excluded:
            return _Look(image, excluded=True)
        known = self._known.get(path)
        proven = known is not None and path in self._proven
        state = _stored_state(known) if known is not None and proven else FileState.of(image.path)
        if known is None or state is None:
            return _Look(image, known, state, to_read=known is None)
        if known.source == BY_HAND:
            image = SourceImage(image.path, known.captions, known.labels, BY_HAND)
        same = (known.captions, known.labels) == (image.captions, image.labels)
        return _Look(image, known, state, same=same, unchanged=same and proven, to_read=not proven)

    def _planned(self, looks: Sequence[_Look]) -> _Plan:
        plan = _Plan(len(looks))
        for look in looks:
            image = look.image
            if look.excluded:
                plan.skipped.append(Skipped(image.path, REMOVED))
                continue
            if look.unchanged:
                plan.unchanged += 1
                continue
            try:
                planned = self._plan(look)
            except UnicodeEncodeError:
                plan.skipped.append(Skipped(image.path, NOT_UNICODE))
            except ImageError as error:
                plan.skipped.append(Skipped(image.path, error.reason))
            else:
                if planned is None:
                    plan.unchanged += 1
                else:
                    entry, change = planned
                    plan.entries[entry.id], plan.changes[entry.id] = entry, change
        return plan

    def _stored(self, encoder: Encoder, plans: Iterator[_Plan], read: Callable[[], None]) -> Iterator[_Plan]:
        """The plans, each once it was carried out; `read` hears of pictures before that."""

        def batches() -> Iterator[tuple[_Plan, Batch]]:
            for plan in plans:
                yield plan, batch_of(self._store, list(plan.entries.values()), self._sentences)

        for plan, batch, pieces in encoder.stream(batches(), read=read):
            items, skipped = list[Item](), list[Skipped]()
            if plan.entries:
                new = {key for key, change in plan.changes.items() if change is not None and change.kind == "add"}
                items, skipped = store_batch(self._store, batch, pieces, self._sentences, new=new)
                self._commits += 1
                if self._commits % FRAGMENTS == 0:
                    self._store.merge_small_files()
            self._end(plan, {item.id for item in items}, skipped)
            yield plan

    def _dry(self, plans: Iterator[_Plan]) -> Iterator[_Plan]:
        """The plans, of which only the pictures were read."""
        for plan in plans:
            readable, skipped = set[str](), list[Skipped]()
            for entry in plan.entries.values():
                try:
                    if entry.duplicate_of is None:
                        describe(entry)
                    readable.add(entry.id)
                except ImageError as error:
                    skipped.append(Skipped(entry.path, error.reason))
            self._end(plan, readable, skipped)
            yield plan

    def _end(self, plan: _Plan, stored: set[str], skipped: Sequence[Skipped]) -> None:
        """Count what became of a plan."""
        self._skipped += (*plan.skipped, *skipped)
        self._unchanged += plan.unchanged
        for key, change in plan.changes.items():
            if key not in stored:
                continue
            self._by_digest[plan.entries[key].digest] = key
            if change is None:
                self._unchanged += 1
                continue
            self._note(change)
            if "labels" in change.differs and not plan.entries[key].labels:
                self.unlabelled.append(change.path)
            if change.kind == "add" and key in self._returned:
                self._arrived.append(key)
            if change.kind == "change" and self._known[str(change.path)].digest != plan.entries[key].digest:
                self._edited.append(key)

    def _plan(self, look: _Look) -> tuple[Entry, Change | None] | None:
        """What to store of a picture and what to call it; no change: only its time moved; None: all is as it was."""
        image, known, state, same = look.image, look.known, look.state, look.same
        path = str(image.path)
        path.encode()
        digest = self._digests.of(image.path) or image_bytes_digest(image.path)
        if state is None:
            raise ImageError(image.path, "no such file")
        if known is not None:
            equal = self._by_digest.get(digest)
            before = self._before.get(path)
            if before is not None and digest == known.digest:
                change: Change | None = Change("move", image.path, placed(before), _differing(known, image, digest))
            elif digest != known.digest or not same:
                change = Change("change", image.path, differs=_differing(known, image, digest))
            elif (known.bytes, known.modified) == (state.bytes, state.modified) and (
                _settled(known.indexed_at, state) or not _settled(datetime.now(UTC), state)
            ):
                return None  # nothing new to note, or too early to note that it is settled
            else:
                change = None
            return self._entry(known.id, image, digest, state, known.id if digest == known.digest else equal), change
        moved = self._claim(digest, path)
        if moved is not None:
            if moved.source == BY_HAND:
                image = SourceImage(image.path, moved.captions, moved.labels, BY_HAND)
            change = Change("move", image.path, placed(moved.path), _differing(moved, image, digest))
            return self._entry(moved.id, image, digest, state, moved.id), change
        key = self._returned.take(digest, path) or fresh_id(image.path, self._ids, self._returned)
        self._ids.add(key)
        return self._entry(key, image, digest, state, self._by_digest.get(digest)), Change("add", image.path)

    def _claim(self, digest: str, path: str) -> Known | None:
        """A picture of this content whose file is gone, which thereby was not removed but moved.

        Of several, that whose path ended most like `path`: equal files of a folder that moved keep their notes.
        """
        before = self._take_gone(digest, path)
        return None if before is None else self._gone.pop(before, None) or self._lost.pop(before)

    def _take_gone(self, digest: str, path: str) -> str | None:
        """The path of such a picture, which is given once."""
        paths = self._gone_by_digest.get(digest)
        return paths.take(path) if paths else None

    @staticmethod
    def _entry(key: str, image: SourceImage, digest: str, state: FileState, duplicate_of: str | None) -> Entry:
        return Entry(key, image.path, digest, state, image.captions, image.labels, image.source, duplicate_of)

    def _find_gone(self, roots: Sequence[Path]) -> dict[str, Known]:
        """Stored pictures under `roots` whose file is gone, and those that were removed by hand, by path."""
        starts = tuple(f"{absolute(root).rstrip(os.sep)}{os.sep}" for root in roots)
        listed = {str(image.path) for image in self._images}
        return {
            path: known
            for path, known in self._known.items()
            if starts and (path in self._excluded or (path.startswith(starts) and path not in listed and is_gone(path)))
        }

    def _remove(self, gone: Sequence[Known], batch: int) -> None:
        for start in range(0, len(gone), batch):
            chunk = gone[start : start + batch]
            if not self._dry_run:
                self._store.remove_known(chunk)
            for known in chunk:
                self._note(Change("remove", placed(known.path)))

    def _note(self, change: Change) -> None:
        self._changes.append(change)
        self._counted[change.kind] += 1


def _labels(corpus: Corpus, row: int) -> tuple[str, ...]:
    assert corpus.labels is not None
    return tuple(corpus.label_names[column] for column in np.flatnonzero(corpus.labels[row]))


def _differing(known: Known, image: SourceImage, digest: str) -> tuple[Part, ...]:
    """What of a picture is not as it was stored."""
    same: dict[Part, bool] = {
        "content": known.digest == digest,
        "captions": known.captions == image.captions,
        "labels": known.labels == image.labels,
    }
    return tuple(part for part, is_same in same.items() if not is_same)


def _trusted(known: Known, state: FileState) -> bool:
    """Whether size and time prove that the file is as it was stored."""
    return (known.bytes, known.modified) == (state.bytes, state.modified) and _settled(known.indexed_at, state)


def _stored_state(known: Known) -> FileState:
    """The state of a file that is as it was stored."""
    assert known.bytes is not None
    assert known.modified is not None
    return FileState(known.bytes, known.modified)


def _settled(at: datetime, state: FileState) -> bool:
    return at - state.modified > SETTLED
