"""A gallery: pictures encoded by one trained model, kept in a folder, searched by text, picture or item."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from crossgraph.data.corpus import Corpus, Skipped
from crossgraph.data.sources import open_corpus
from crossgraph.errors import GalleryError, unknown_name
from crossgraph.gallery.cascade import Cascade, ImageQuery, Query, SearchResults, Target, TextQuery
from crossgraph.gallery.filters import BUILT_IN
from crossgraph.gallery.items import Item
from crossgraph.gallery.manifest import FILE, Manifest
from crossgraph.gallery.model import SearchModel, encode_sentences
from crossgraph.gallery.notes import Value, checked_name
from crossgraph.gallery.skipped import note_removed, write_skipped
from crossgraph.gallery.snapshot import Snapshot, find_row
from crossgraph.gallery.sources import open_sources
from crossgraph.gallery.store import TABLES, ReplacedError, Store, writing
from crossgraph.gallery.sync import Sync, SyncReport, pictures_of
from crossgraph.gallery.upsert import NewPicture, upsert
from crossgraph.progress import Progress, Silent

ATTEMPTS = 20  # searches that a writer outran, one after the other, before it is reported


class Gallery:
    """Pictures made searchable. Make one with `Gallery.create`, come back to it with `Gallery.open`.

    The dense vectors live in memory and are read again when the tables change, also by another process.
    """

    def __init__(self, folder: Path, manifest: Manifest, model: SearchModel | None) -> None:
        self.folder = folder
        self._model = model
        self._snapshot: Snapshot
        self._load(manifest)

    @staticmethod
    def exists(folder: Path | str) -> bool:
        """Whether `folder` is a gallery."""
        return (Path(folder) / FILE).is_file()

    @classmethod
    def create(cls, folder: Path | str, model: SearchModel, *, run: str | None = None) -> Gallery:
        """An empty gallery for what `model` encodes; `run` is where the model lies, for those who open it later.

        Raises `GalleryError` if `folder` is a gallery already, or holds other files.
        """
        folder = Path(folder)
        if folder.exists() and not folder.is_dir():
            raise GalleryError(f"{folder} is a file. A new gallery needs an empty or new folder.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GalleryError(f"{folder} could not be made: {error.strerror}.") from error
        with writing(folder):
            if cls.exists(folder):
                raise GalleryError(f"{folder} is a gallery already. Open it, or choose another folder.")
            ours = {".lock", *(f"{name}.lance" for name in TABLES)}
            if {path.name for path in folder.iterdir()} - ours:
                (folder / ".lock").unlink()
                raise GalleryError(f"{folder} holds other files. A new gallery needs an empty or new folder.")
            for name in TABLES:  # a kill while another gallery was made here
                shutil.rmtree(folder / f"{name}.lance", ignore_errors=True)
            manifest = described(model, run)
            Store(folder, width=manifest.width)
            manifest.write(folder)
        return cls(folder, manifest, model)

    @classmethod
    def open(cls, folder: Path | str, model: SearchModel | None = None) -> Gallery:
        """The gallery in `folder`; without a `model` it can be looked at, not searched or added to.

        Raises `GalleryError` if `folder` is no gallery, or was encoded by another model.
        """
        folder = Path(folder)
        manifest = Manifest.read(folder)
        if model is not None:
            _require_same_model(folder, manifest, model)
        return cls(folder, manifest, model)

    def __len__(self) -> int:
        return len(self.snapshot().items)

    @property
    def caption_count(self) -> int:
        """How many distinct captions came with the pictures."""
        return len(self.snapshot().captions)

    def item(self, name: str | Path) -> Item:
        """The picture with this id or path. Raises `GalleryError` if there is none."""
        snapshot = self.snapshot()
        return snapshot.item(find_row(snapshot, name))

    def index(self, source: Path | str | Corpus, *, batch: int = 256, progress: Progress | None = None) -> SyncReport:
        """Add the pictures of a folder (with its captions, if any) or a corpus; those already there are left alone.

        Committed batch by batch: after a kill, the next run continues. A picture whose file changed is encoded
        again and replaced, none is removed. Unreadable files are listed in the report. Raises `GalleryError` if there
        is nothing to index, or if another process is indexing into this gallery.
        """
        corpus = source if isinstance(source, Corpus) else open_corpus(source)
        if not len(corpus):
            unread = f" ({len(corpus.skipped)} files could not be read)" if corpus.skipped else ""
            raise GalleryError(f"{corpus.name} has no pictures to index{unread}. Name a folder that holds some.")
        found = not isinstance(source, Corpus) and os.path.exists(source)  # scenes by name are no folder
        sources = (os.path.abspath(str(source)),) if found else ()
        return self._sync([corpus], sources, roots=(), batch=batch, progress=progress)

    def sync(
        self,
        sources: Sequence[Path | str] = (),
        *,
        dry_run: bool = False,
        rehash: bool = False,
        allow_empty: bool = False,
        batch: int = 256,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Make the gallery hold what these folders (or caption files) hold, by default all that it was given so far.

        New pictures are added, changed ones encoded again, moved ones follow their file, and those whose file is gone
        go. Committed batch by batch: after a kill, the next run continues. With `dry_run` nothing is written; with
        `rehash` every file is read, also where size and time did not change. A folder that lost all its pictures,
        as an unmounted one does, is refused unless `allow_empty`.
        """
        opened = open_sources(sources or self._current_manifest().sources, gallery=self.folder)
        return self._sync(
            [one.corpus for one in opened],
            tuple(one.name for one in opened),
            roots=[root for one in opened for root in one.roots],
            empty=[one.name for one in opened if not len(one.corpus) and not allow_empty],
            batch=batch,
            rehash=rehash,
            dry_run=dry_run,
            progress=progress,
        )

    def forget(self, source: Path | str) -> None:
        """Look at this folder or caption file no longer; its pictures stay. Raises `GalleryError` if it is unknown."""
        name = os.path.abspath(Path(source).expanduser())
        with self._changing():
            if name not in self.manifest.sources:
                raise GalleryError(unknown_name("folder", name, self.manifest.sources))
            left = tuple(one for one in self.manifest.sources if one != name)
            self.replace_manifest(self.manifest.model_copy(update={"sources": left}))

    def upsert(
        self, pictures: Sequence[NewPicture], *, batch: int = 256, progress: Progress | None = None
    ) -> SyncReport:
        """Add single pictures, or replace those of the same id (or, where none is given, path).

        What comes back was stored. A sync keeps their captions and labels, and removes them only when their file goes.
        """
        with self._changing():
            return upsert(self._store, self._require_model(), pictures, batch=batch, progress=progress or Silent())

    def remove(self, names: Sequence[str | Path]) -> tuple[Item, ...]:
        """Remove the pictures with these ids or paths, and their notes; the files stay. Returns what was removed.

        A later sync of their folder leaves them out. Raises `GalleryError`, before anything is removed, if there is
        no such picture.
        """
        with self._changing():
            snapshot = self.snapshot()
            items = tuple(snapshot.item(row) for row in dict.fromkeys(find_row(snapshot, name) for name in names))
            ids = [item.id for item in items]
            note_removed(self.folder, [str(item.path) for item in items])
            self._store.remove_items(ids)
            self._store.notes.remove(ids)
            self._store.drop_orphans()
        return items

    def annotate(self, values: Mapping[str | Path, Mapping[str, Value | None]]) -> int:
        """Set columns of the pictures with these ids or paths; None takes a value away. Returns how many pictures.

        All in one commit, or, if any picture is not there or a column has the name of a built-in one, none.
        """
        with self._changing():
            snapshot = self.snapshot()
            rows: dict[str, dict[str, Value | None]] = {}
            for name, columns in values.items():
                named = {checked_name(column): value for column, value in columns.items()}
                taken = sorted(set(named) & set(BUILT_IN))
                if taken:
                    raise GalleryError(f"the column {taken[0]!r} is built in. Choose another name for yours.")
                rows.setdefault(snapshot.item(find_row(snapshot, name)).id, {}).update(named)
            self._store.notes.write(rows)
        return len(rows)

    def search(
        self,
        query: Query | str | Path,
        *,
        k: int = 10,
        shortlist: int = 100,
        rerank: bool = True,
        target: Target = "pictures",
        where: str | None = None,
        fold: bool = False,
    ) -> SearchResults:
        """The best `k` pictures (or captions) for a query: a string is a sentence, a path is a picture file.

        `shortlist` candidates are found by embedding and re-ranked by the trained method, if it re-ranks and the
        query is of the other kind than the `target`; at least `k`. Equal scores keep the order of the shortlist.
        `where` is a filter (see `where.py`): only what it keeps is searched. With `fold`, pictures that look alike
        are one answer, which names the others. Raises `GalleryError` for a query that cannot be answered,
        `ImageError` for a picture that cannot be read, `ScoreError` for scores that are not finite.
        """
        if isinstance(query, str):
            query = TextQuery(query)
        elif isinstance(query, Path):
            query = ImageQuery(query)
        for attempt in range(ATTEMPTS):
            snapshot, model = self.snapshot(), self._require_model()
            try:
                cascade = Cascade(self._store, snapshot, model)
                return cascade.search(
                    query, k=k, shortlist=shortlist, rerank=rerank, target=target, where=where, fold=fold
                )
            except ReplacedError:
                if attempt + 1 == ATTEMPTS or snapshot.version == self._store.version():
                    raise
        raise AssertionError

    def snapshot(self) -> Snapshot:
        """Everything visible now, in memory; read again if the tables changed.

        Raises `GalleryError` if the gallery was given to another model meanwhile.
        """
        self._current_manifest()
        if self._snapshot.version != self._store.version():
            self._snapshot = self._store.snapshot()
        return self._snapshot

    @property
    def store(self) -> Store:
        """The tables, for those who look after them."""
        return self._store

    @property
    def model(self) -> SearchModel | None:
        """The model it was opened with."""
        return self._model

    @contextmanager
    def changing(self) -> Iterator[Manifest]:
        """Keep other processes from writing meanwhile; gives the manifest as it is now."""
        with self._changing():
            yield self.manifest

    def replace_manifest(self, manifest: Manifest, *, model: SearchModel | None = None) -> None:
        """Write another manifest and go on with it, and with another model if the manifest names one."""
        manifest.write(self.folder)
        self._model = model or self._model
        self._current_manifest()

    def _load(self, manifest: Manifest) -> None:
        while True:  # a migration may end between reading the manifest and opening the tables it names
            stamp = _stamp(self.folder)
            self.manifest = manifest
            self._store = Store(self.folder, width=manifest.width, set_name=manifest.tables)
            self._snapshot = self._store.snapshot()
            self._stamp = stamp
            if Manifest.read(self.folder) == manifest:
                return
            manifest = Manifest.read(self.folder)
            if self._model is not None:
                _require_same_model(self.folder, manifest, self._model)

    def _current_manifest(self) -> Manifest:
        """The manifest, read again if it was replaced, and its tables opened if they are others now."""
        if _stamp(self.folder) != self._stamp:
            stamp, found = _stamp(self.folder), Manifest.read(self.folder)
            if self._model is not None:
                _require_same_model(self.folder, found, self._model)
            if (found.tables, found.width) != (self.manifest.tables, self.manifest.width):
                self._load(found)
            else:
                self.manifest, self._stamp = found, stamp
        return self.manifest

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._current_manifest()
        with self._store.writing():
            self._current_manifest()  # a migration may have ended while the lock was waited for
            yield

    def _sync(
        self,
        corpora: Sequence[Corpus],
        sources: Sequence[str],
        *,
        roots: Sequence[Path],
        batch: int,
        progress: Progress | None,
        empty: Sequence[str] = (),
        rehash: bool = False,
        dry_run: bool = False,
    ) -> SyncReport:
        if batch < 1:
            raise GalleryError(f"batch must be at least 1, got {batch}.")
        if dry_run:
            run = Sync(self._store, None, pictures_of(corpora), roots=roots, rehash=rehash, dry_run=True)
            return run.run(batch=batch, progress=progress or Silent(), skipped=_skipped(corpora))
        model = self._require_model()
        with self._changing():
            pictures = pictures_of(corpora)
            run = Sync(self._store, model, pictures, roots=roots, rehash=rehash)
            if empty and run.gone:
                raise GalleryError(
                    f"{empty[0]} holds no pictures any more; {len(run.gone):,} of the gallery lie there. If its "
                    "disk is not connected, connect it. If they are really gone, sync with --allow-empty."
                )
            self._remember(corpora, sources)
            report = run.run(batch=batch, progress=progress or Silent(), skipped=_skipped(corpora))
            looked_at = {str(picture.path) for picture in pictures}
            write_skipped(self.folder, report.skipped, under=roots, looked_at=looked_at)
            return report

    def _require_model(self) -> SearchModel:
        if self._model is None:
            raise GalleryError(
                f"{self.folder} was opened without a model. Open it with the one that made it ({self._named()})."
            )
        return self._model

    def _named(self) -> str:
        return self.manifest.run or f"{self.manifest.method} {self.manifest.model}"

    def _remember(self, corpora: Sequence[Corpus], sources: Sequence[str]) -> None:
        """Note in the manifest the sources, and for each corpus the folder that holds all its pictures."""
        filled = [corpus for corpus in corpora if len(corpus)]
        roots = [os.path.commonpath([path.absolute().parent for path in corpus.image_paths]) for corpus in filled]
        new = {
            "roots": tuple(dict.fromkeys((*self.manifest.roots, *roots))),
            "sources": tuple(dict.fromkeys((*self.manifest.sources, *sources))),
        }
        changed = self.manifest.model_copy(update=new)
        if changed != self.manifest:
            changed.write(self.folder)
            self._current_manifest()


def described(model: SearchModel, run: str | None) -> Manifest:
    """The manifest of an empty gallery for `model`."""
    return Manifest(
        model=model.fingerprint,
        shortlist=None if model.shortlist is None else model.shortlist.fingerprint,
        method=model.method.name,
        run=run,
        width=encode_sentences(model, ["a picture"]).vectors.shape[1],
    )


def _stamp(folder: Path) -> tuple[int, int]:
    """Changes whenever the manifest is replaced: every replacement is a new file."""
    try:
        status = (folder / FILE).stat()
    except OSError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


def _skipped(corpora: Sequence[Corpus]) -> list[Skipped]:
    return [entry for corpus in corpora for entry in corpus.skipped]


def _require_same_model(folder: Path, manifest: Manifest, model: SearchModel) -> None:
    """Raise `GalleryError` if the gallery was not encoded by `model` and its shortlist model."""
    shortlist = None if model.shortlist is None else model.shortlist.fingerprint
    for role, stored, given in (
        ("model", manifest.model, model.fingerprint),
        ("shortlist model", manifest.shortlist, shortlist),
    ):
        if stored != given:
            made_by = f" (loaded from {manifest.run})" if manifest.run else ""
            raise GalleryError(
                f"{folder} was encoded by {role} {stored}{made_by}, this one is {given}; their vectors cannot be "
                "compared. Pass the model that made the gallery, or encode the gallery again with this one: "
                f"crossgraph gallery migrate {folder} --model RUN."
            )
