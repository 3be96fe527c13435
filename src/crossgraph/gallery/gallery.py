"""A gallery: pictures encoded by one trained model, kept in a folder, searched by text, picture or item."""

from __future__ import annotations

import os
from pathlib import Path

from jaxtyping import Bool
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.data.sources import open_corpus
from crossgraph.errors import GalleryError
from crossgraph.gallery.cascade import Cascade, Request
from crossgraph.gallery.indexing import IndexReport, index_corpus
from crossgraph.gallery.manifest import FILE, Manifest
from crossgraph.gallery.mirror import Mirror
from crossgraph.gallery.model import SearchModel, code_bits, encode_sentences
from crossgraph.gallery.modes import DEFAULT, choose_mode
from crossgraph.gallery.query import Feedback, ImageQuery, Query, TextQuery
from crossgraph.gallery.results import SearchResults, Sort, Target
from crossgraph.gallery.store import Item, Snapshot, Store, find_row
from crossgraph.progress import Progress, Silent


class Gallery:
    """Pictures made searchable. Make one with `Gallery.create`, come back to it with `Gallery.open`.

    The dense vectors live in memory and are read again when the tables change, also by another process.
    """

    def __init__(self, folder: Path, manifest: Manifest, model: SearchModel | None) -> None:
        self.folder = folder
        self.manifest = manifest
        self._model = model
        self._store = Store(folder, width=manifest.width, bits=manifest.bits)
        self._mirror = Mirror(self._store.snapshot(), bits=manifest.bits)

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
        if cls.exists(folder):
            raise GalleryError(f"{folder} is a gallery already. Open it, or choose another folder.")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise GalleryError(f"{folder} holds other files. A new gallery needs an empty or new folder.")
        encoded = encode_sentences(model, ["a picture"])
        manifest = Manifest(
            model=model.fingerprint,
            shortlist=None if model.shortlist is None else model.shortlist.fingerprint,
            method=model.method.name,
            run=run,
            width=encoded.vectors.shape[1],
            bits=code_bits(model, encoded),
        )
        folder.mkdir(parents=True, exist_ok=True)
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
        return len(self._current().items)

    @property
    def caption_count(self) -> int:
        """How many distinct captions came with the pictures."""
        return len(self._current().captions)

    def item(self, name: str | Path) -> Item:
        """The picture with this id or path. Raises `GalleryError` if there is none."""
        snapshot = self._current()
        return snapshot.item(find_row(snapshot, name))

    def index(self, source: Path | str | Corpus, *, batch: int = 256, progress: Progress | None = None) -> IndexReport:
        """Add the pictures of a folder (with its captions, if any) or a corpus; those already there are left alone.

        Committed batch by batch: after a kill, the next run continues. A picture whose file changed is encoded
        again and replaced. Unreadable files are listed in the report. Raises `GalleryError` if there is nothing to
        index, or if another process is indexing into this gallery.
        """
        model = self._require_model()
        if batch < 1:
            raise GalleryError(f"batch must be at least 1, got {batch}.")
        corpus = source if isinstance(source, Corpus) else open_corpus(source)
        if corpus.features is not None:
            raise GalleryError(f"corpus {corpus.name!r} has given features and no pictures; a gallery holds pictures.")
        if not len(corpus):
            unread = f" ({len(corpus.skipped)} files could not be read)" if corpus.skipped else ""
            raise GalleryError(f"{corpus.name} has no pictures to index{unread}. Name a folder that holds some.")
        with self._store.writing():
            self._remember_root(corpus)
            return index_corpus(self._store, model, corpus, batch=batch, progress=progress or Silent())

    def search(
        self,
        query: Query | str | Path,
        *,
        k: int = 10,
        mode: str = DEFAULT,
        candidates: int | None = None,
        shortlist: int | None = None,
        rerank: bool = True,
        target: Target = "pictures",
        feedback: Feedback = Feedback(),
        exact: bool = True,
        offset: int = 0,
        sort: Sort = "score",
        allowed: Bool[Tensor, " n"] | None = None,
    ) -> SearchResults:
        """The best `k` pictures (or captions) for a query: a string is a sentence, a path is a picture file.

        `mode` is "fast" (codes alone, or embeddings where there are none), "balanced" or "best": so many `candidates`
        by code, of which so many in a `shortlist` by embedding are re-ranked by the trained method, if it re-ranks and
        the query is of the other kind than the `target`; at least `k` each. Equal scores keep the order of the stage
        before. `feedback` moves the query. With `exact`, pictures whose caption, tag or file name is the sentence come
        first, and say so. The first `offset` answers are passed over; `sort` orders those that are given. Rows that
        are not `allowed` are no answers.

        Raises `GalleryError` for a query that cannot be answered, `ImageError` for a picture that cannot be read,
        `ScoreError` for scores that are not finite.
        """
        if isinstance(query, str):
            query = TextQuery(query)
        elif isinstance(query, Path):
            query = ImageQuery(query)
        chosen, off = choose_mode(mode, candidates=candidates, shortlist=shortlist, rerank=rerank)
        request = Request(chosen, mode, off, target, k, offset, exact, allowed)
        self._current()
        cascade = Cascade(self._store, self._mirror, self._require_model(), bits=self.manifest.bits)
        return cascade.search(query, request, feedback=feedback).sorted_by(sort)

    def _current(self) -> Snapshot:
        """The snapshot, read again if the tables changed."""
        if self._mirror.snapshot.version != self._store.version():
            self._mirror = Mirror(self._store.snapshot(), bits=self.manifest.bits)
        return self._mirror.snapshot

    def _require_model(self) -> SearchModel:
        if self._model is None:
            raise GalleryError(
                f"{self.folder} was opened without a model. Open it with the one that made it ({self._named()})."
            )
        return self._model

    def _named(self) -> str:
        return self.manifest.run or f"{self.manifest.method} {self.manifest.model}"

    def _remember_root(self, corpus: Corpus) -> None:
        """Note in the manifest the folder that holds all pictures of `corpus`."""
        root = os.path.commonpath([path.absolute().parent for path in corpus.image_paths])
        if root not in self.manifest.roots:
            self.manifest = self.manifest.model_copy(update={"roots": (*self.manifest.roots, root)})
            self.manifest.write(self.folder)


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
                "compared. Pass the model that made the gallery, or index into a new gallery."
            )
