"""A gallery: pictures encoded by one trained model, kept in a folder or object store, searched by text or picture."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PIL import Image

from crossgraph.data.places import absolute, is_far
from crossgraph.errors import CrossgraphError, GalleryError, unknown_name
from crossgraph.gallery.changes.own_columns import own_column
from crossgraph.gallery.folder import ATTEMPTS, GalleryFolder, Memory, described, require_same_model
from crossgraph.gallery.search.cascade import Cascade
from crossgraph.gallery.search.listing import items_of
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import Feedback, Query, as_query
from crossgraph.gallery.search.results import SearchResults
from crossgraph.gallery.stages.model import SearchModel, encode_images_for_stages, encode_texts_for_stages
from crossgraph.gallery.tables.item_names import find_row, find_rows
from crossgraph.gallery.tables.items import Item, caption_id
from crossgraph.gallery.tables.lance import ReplacedError
from crossgraph.gallery.tables.lookups import drop_unused, rows_by_name
from crossgraph.gallery.tables.manifest import TABLES, Manifest
from crossgraph.gallery.tables.notes import Cell, checked_name, checked_value
from crossgraph.gallery.tables.skipped import note_removed
from crossgraph.gallery.tables.snapshot import ITEM_COLUMNS, as_item
from crossgraph.gallery.tables.store import Store, writing
from crossgraph.progress import Progress, Silent
from crossgraph.storage.clearing import LOCK, OWN, clear, is_made, make
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of

if TYPE_CHECKING:
    from crossgraph.data.corpus import Corpus
    from crossgraph.gallery.changes.indexing import Encoder
    from crossgraph.gallery.changes.sync import SyncReport
    from crossgraph.gallery.changes.upsert import NewImage
    from crossgraph.gallery.explanations.compare import Comparison

Answer = TypeVar("Answer")


class Gallery(GalleryFolder):
    """Pictures made searchable. Make one with `Gallery.create`, come back to it with `Gallery.open`.

    What a search needs lies in memory, is read by the first, and follows what changes, also by another process. Many
    threads may share one.
    """

    @classmethod
    def create(cls, place: Storage | Path | str, model: SearchModel, *, run: str | None = None) -> Gallery:
        """An empty gallery for what `model` encodes; `run` is where the model lies, for those who open it later.

        `place` is a folder, or an address as s3://BUCKET/NAME. Raises `GalleryError` if it is a gallery already, or
        holds other files.
        """
        storage = storage_of(place)
        manifest = described(model, run).with_run(
            run, storage
        )  # before anything is made: a model that reads no sentences is refused here
        make(storage)
        with writing(storage):
            if cls.exists(storage):
                raise GalleryError(f"{storage} is a gallery already. Open it, or choose another folder.")
            ours = {*OWN, *(f"{name}.lance" for name in TABLES)}
            if set(storage.names()) - ours:
                clear(storage, names=(LOCK,))
                raise GalleryError(f"{storage} holds other files. A new gallery needs an empty or new folder.")
            clear(storage, names=[f"{name}.lance" for name in TABLES])  # a kill while another gallery was made here
            Store(storage, width=manifest.width, bits=manifest.bits)
            manifest.write(storage)
        return cls(storage, manifest, model)

    @classmethod
    @contextmanager
    def filled(cls, place: Storage | Path | str, model: SearchModel, *, run: str | None = None) -> Iterator[Gallery]:
        """A new gallery, as `create` makes it, to be filled in the block; nothing of it stays if that failed at once.

        That is, if the block raised before any picture was stored.
        """
        storage = storage_of(place)
        was_there = is_made(storage)
        made = cls.create(storage, model, run=run)
        try:
            yield made
        except (CrossgraphError, OSError, KeyboardInterrupt):
            with suppress(GalleryError), made.changing():  # another process may be filling it by now
                if not len(made):
                    clear(storage, itself=not was_there)
            raise

    @classmethod
    def open(cls, place: Storage | Path | str, model: SearchModel | None = None, *, memory: Memory = "auto") -> Gallery:
        """The gallery in a folder, or at an address; without a `model` it can be looked at, not searched or added to.

        Vectors, codes and hashes are read into memory (`whole`), or stay on disk and are searched in shards (`disk`);
        `auto`: on disk where there are shards and they would take more than `folder.MOST_IN_MEMORY` bytes.

        Raises `GalleryError` if there is no gallery, or one that was encoded by another model.
        """
        storage = storage_of(place)
        manifest = Manifest.read(storage)
        if model is not None:
            require_same_model(storage, manifest, model)
        return cls(storage, manifest, model, memory=memory)

    def __len__(self) -> int:
        return len(self.snapshot().items)

    def item(self, name: str | Path) -> Item:
        """The picture with this id or path. Raises `GalleryError` if there is none."""
        snapshot = self.snapshot()
        return snapshot.item(find_row(snapshot, name))

    def items(self, ids: Sequence[str]) -> dict[str, Item]:
        """The pictures with these ids, by id, in that order; ids that no picture has are left out."""
        return items_of(self.snapshot(), ids)

    def index(
        self,
        source: Path | str | Corpus,
        *,
        exclude: Sequence[str] | None = None,
        batch: int = 256,
        encoder: Encoder | None = None,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Add the pictures of a folder (with its captions, if any) or a corpus; those already there are left alone.

        Committed batch by batch: after a kill, the next run continues. A picture whose file changed is encoded
        again and replaced, none is removed. Unreadable files are listed in the report. `exclude` are patterns (of
        gitignore) of files to leave out, by default what is remembered of the folder. `encoder` encodes elsewhere
        with the same model. Raises `GalleryError` if there is nothing to index, or if another
        process is indexing into this gallery.
        """
        from crossgraph.gallery.following import index_source  # a search does without what reads folders

        return index_source(self, source, exclude=exclude, batch=batch, encoder=encoder, progress=progress)

    def sync(
        self,
        sources: Sequence[Path | str] = (),
        *,
        dry_run: bool = False,
        rehash: bool = False,
        allow_empty: bool = False,
        exclude: Sequence[str] | None = None,
        batch: int = 256,
        encoder: Encoder | None = None,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Make the gallery hold what these folders (or caption files) hold, by default all that it was given so far.

        New pictures are added, changed ones encoded again, moved ones follow their file, and those whose file is gone
        go. Committed batch by batch: after a kill, the next run continues. With `dry_run` nothing is written; with
        `rehash` every file is read, also where size and time did not change. A folder that lost all its pictures,
        as an unmounted one does, is refused unless `allow_empty`; a folder in it that is there and empty keeps them.
        `exclude` are patterns (of gitignore) of files to leave out, by default what is remembered of each folder; a
        picture that is excluded only now stays. One of `sources` that holds most pictures of a
        remembered folder which is gone takes its place: they moved, and those that are not there stay as they were.
        `encoder` encodes elsewhere with the same model.
        """
        from crossgraph.gallery.following import sync_sources  # as in `index`

        return sync_sources(
            self,
            sources,
            dry_run=dry_run,
            rehash=rehash,
            allow_empty=allow_empty,
            exclude=exclude,
            batch=batch,
            encoder=encoder,
            progress=progress,
        )

    def forget(self, source: Path | str, *, dry_run: bool = False) -> None:
        """Look at this folder or caption file no longer; its pictures stay. Raises `GalleryError` if it is unknown.

        With `dry_run` that is all.
        """
        name = absolute(source if is_far(source) else Path(source).expanduser())
        with self.changing():
            if name not in self.manifest.sources:
                raise GalleryError(
                    unknown_name("folder", name, self.manifest.sources)
                    if self.manifest.sources
                    else f"{self.storage} remembers no folders, so there is none to forget."
                )
            if dry_run:
                return
            left = tuple(one for one in self.manifest.sources if one != name)
            self.replace_manifest(self.manifest.model_copy(update={"sources": left}))

    def upsert(self, images: Sequence[NewImage], *, batch: int = 256, progress: Progress | None = None) -> SyncReport:
        """Add single pictures, or replace those of the same id (or, where none is given, path).

        What comes back was stored. A sync keeps their captions and labels, and removes them only when their file goes.
        """
        from crossgraph.gallery.changes.upsert import upsert  # as in `index`

        with self.changing():
            report = upsert(self.store, self.require_model(), images, batch=batch, progress=progress or Silent())
            return replace(report, version=self.version())

    def remove(self, names: Sequence[str | Path]) -> tuple[Item, ...]:
        """Remove the pictures with these ids or paths; the files stay. Returns what was removed.

        A later sync of their folder leaves them out. Their notes apply again when they are added again. Raises
        `GalleryError`, before anything is removed, if there is no such picture.
        """
        with self.changing():
            items = tuple({row["id"]: as_item(row) for row in self._named(names, ITEM_COLUMNS)}.values())
            note_removed(self.storage, [str(item.path) for item in items])
            self.store.remove_known(items)
            captions = (caption_id(text) for item in items for text in item.captions)
            drop_unused(self.store, (item.digest for item in items), captions)
        return items

    def annotate(self, values: Mapping[str | Path, Mapping[str, Cell | None]]) -> int:
        """Set columns of the pictures with these ids or paths; None takes a value away. Returns how many pictures.

        All in one commit, or, if any picture is not there, a column has the name of a built-in one or a word of
        filters, or a value cannot be kept, none.
        """
        with self.changing():
            rows = dict[str, dict[str, Cell | None]]()
            for row, columns in zip(self._named(list(values), ("id",)), values.values(), strict=True):
                named = {
                    checked_name(column) if value is None else own_column(column): checked_value(column, value)
                    for column, value in columns.items()
                }
                rows.setdefault(row["id"], {}).update(named)
            self.store.notes.write(rows)
            self.store.merge_small_files()
        return len(rows)

    def _named(self, names: Sequence[str | Path], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Some columns of each picture; all are read only for names that are neither an id nor a whole path."""
        found = rows_by_name(self.store, names, columns)
        others = [name for name in dict.fromkeys(names) if name not in found]
        if others:
            snapshot = self.snapshot()
            rows = snapshot.items.select(columns).take(find_rows(snapshot, others)).to_pylist()
            found |= zip(others, rows, strict=True)
        return [found[name] for name in names]

    def warm(self) -> None:
        """Load all that searches need, so that the first is as fast as the others: tables and encoders."""
        state = self.current()
        state.exact.prepare()
        state.snapshot.prepare()
        model = state.require_model()
        encode_texts_for_stages(model, ["a picture"])
        with tempfile.TemporaryDirectory() as folder:
            blank = Path(folder) / "blank.png"
            Image.new("RGB", (32, 32)).save(blank)
            encode_images_for_stages(model, [blank])

    def search(
        self,
        query: Query | str | Path,
        options: SearchOptions | None = None,
        *,
        feedback: Feedback = Feedback(),
    ) -> SearchResults:
        """The best pictures (or captions) for a query: a string is a sentence, a path is a picture file.

        Codes find candidates, of which a shortlist by embedding is re-ranked by the trained method, if it re-ranks and
        the query is of the other kind than the target; `options` say how many of each, what may be an answer, and how
        many are given. Equal scores keep the order of the stage before. `feedback` moves the query.

        Raises `GalleryError` for a query that cannot be answered, `ImageError` for a picture that cannot be read,
        `ScoreError` for scores that are not finite.
        """
        asked, chosen = as_query(query), options or SearchOptions()
        return next(self._steadily(lambda cascade: iter([cascade.search(asked, chosen, feedback=feedback)])))

    def stages(
        self,
        query: Query | str | Path,
        options: SearchOptions | None = None,
        *,
        feedback: Feedback = Feedback(),
    ) -> Iterator[SearchResults]:
        """What `search` answers, as soon as it is known: first without re-ranking, then, if there is any, with it.

        All are of one state of the gallery. Where a writer took away what is to be re-ranked, both are given again, of
        the state there is then: the last is what counts. Arguments and errors as in `search`.
        """
        asked, chosen = as_query(query), options or SearchOptions()
        yield from self._steadily(lambda cascade: cascade.stages(asked, chosen, feedback=feedback))

    def compare(
        self,
        query: Query | str | Path,
        first: str,
        second: str,
        options: SearchOptions | None = None,
        *,
        feedback: Feedback = Feedback(),
        names: tuple[str, str] = ("A", "B"),
    ) -> Comparison:
        """Why one of two pictures stands above the other in what `search` answers; see `explanations.compare`."""
        from crossgraph.gallery.explanations.compare import compare

        asked, chosen = as_query(query), options or SearchOptions()
        return next(
            self._steadily(
                lambda cascade: iter([compare(cascade, asked, first, second, chosen, feedback=feedback, names=names)])
            )
        )

    def _steadily(self, answers: Callable[[Cascade], Iterator[Answer]]) -> Iterator[Answer]:
        """The answers over the gallery as it is now; from the start if a writer outruns them."""
        failed = None
        for _ in range(ATTEMPTS):
            state = self.current()
            try:
                yield from answers(Cascade(state, state.require_model(), clock=self.clock))
                return
            except ReplacedError:
                if failed is state:  # nothing was written since: it is not that a writer was faster
                    raise
                failed = state
        raise GalleryError(f"{self.storage} changes faster than it can be searched. Search again later.")
