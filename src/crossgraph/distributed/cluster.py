"""A cluster as the verbs use it: batches of a gallery, splits and corpora encoded by its workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from crossgraph.data.corpus import Corpus, Skipped
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.distributed.connection import Connection, connected
from crossgraph.distributed.jobs import BatchJob, ImagesJob, TextsJob
from crossgraph.distributed.models import place_of
from crossgraph.distributed.pool import Pool
from crossgraph.distributed.settings import ClusterSettings
from crossgraph.distributed.shard_jobs import ShardJob
from crossgraph.distributed.worker import Place
from crossgraph.errors import ModelError, UnreadableError
from crossgraph.gallery.calibration.pairs import EncodedCorpus
from crossgraph.gallery.changes.encoded import EncodedEntries
from crossgraph.gallery.changes.indexing import Batch, Encoder
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.gallery.stages.model import Stages
from crossgraph.progress import Progress, Silent
from crossgraph.training.model import EncodedImages, TrainedModel
from crossgraph.types import Encoded, stack_encoded

Note = TypeVar("Note")
IMAGES, TEXTS = 256, 512
"""How many pictures or sentences of a corpus are one job."""


@contextmanager
def open_cluster(settings: ClusterSettings, *, device: str = "cpu", progress: Progress = Silent()) -> Iterator[Cluster]:
    """The cluster that is meant, for as long as the block lasts.

    Raises `ClusterError` where it cannot be reached or is too small, and `MissingExtraError` without Ray.
    """
    with connected(settings) as connection, Pool(connection, device=device, progress=progress) as pool:
        yield Cluster(connection, pool, device=device)


class Cluster:
    """Workers that encode what they are given with the model that is named, each model loaded once a worker."""

    def __init__(self, connection: Connection, pool: Pool, *, device: str = "cpu") -> None:
        self._connection, self._pool, self._device = connection, pool, device
        self._places: dict[str, Place] = {}

    def encoder(self, model: TrainedModel | CascadeModel) -> Encoder:
        """What encodes batches for a gallery of `model`."""
        return BatchEncoder(self._pool, self._place(model))

    def run(self, model: TrainedModel) -> TrainedModel:
        """`model`, whose pictures and sentences are encoded by workers; so are those of its shortlist model."""
        return _RunOnWorkers(
            model, self._pool, self._place(model), self.run(model.shortlist) if model.shortlist else None
        )

    def encode_corpus(
        self, model: TrainedModel | CascadeModel, corpus: Corpus, *, progress: Progress = Silent()
    ) -> EncodedCorpus:
        """The readable pictures of `corpus` and their captions, encoded for every stage of `model`."""
        place = self._place(model)
        jobs = (ImagesJob(place, paths, stages=True) for paths in _chunks(corpus.image_paths, IMAGES))
        with progress.task("encoding pictures", len(corpus)) as task:
            images, _, skipped = _images(self._pool, jobs, advance=task.advance)
        corpus = corpus.without(list(skipped)) if skipped else corpus
        sentences = (TextsJob(place, some, stages=True) for some in _chunks(corpus.captions, TEXTS))
        with progress.task("encoding captions", len(corpus.captions)) as task:
            texts = _all(self._pool, sentences, advance=task.advance)
        return EncodedCorpus(_joined(images), _joined(texts), np.array(corpus.caption_image), tuple(corpus.captions))

    def each(self, make: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
        """What `make` gives for each of the tasks, in order, on workers, as `gallery.upkeep.shards.shard` wants it."""
        for _, pieces in self._pool.stream((None, ShardJob(make, task)) for task in tasks):
            yield from pieces

    def _place(self, model: TrainedModel | CascadeModel) -> Place:
        if model.fingerprint not in self._places:
            self._places[model.fingerprint] = place_of(model, self._connection, device=self._device)
        return self._places[model.fingerprint]


class BatchEncoder:
    """Batches of a gallery, encoded by workers with the model at a place (`gallery.changes.indexing.Encoder`)."""

    def __init__(self, pool: Pool, place: Place) -> None:
        self._pool, self._place = pool, place

    def stream(
        self, batches: Iterable[tuple[Note, Batch]], *, read: Callable[[], None] | None = None
    ) -> Iterator[tuple[Note, Batch, Sequence[EncodedEntries]]]:
        """Each batch in order, with its encodings; workers do not say which picture they are at."""

        def jobs() -> Iterator[tuple[tuple[Note, Batch], BatchJob | None]]:
            for note, batch in batches:
                sent = Batch(batch.entries, captions=batch.captions, known=batch.known)
                yield (note, batch), BatchJob(self._place, sent) if batch.to_encode else None

        for (note, batch), pieces in self._pool.stream(jobs()):
            yield note, batch, pieces


class _RunOnWorkers(TrainedModel):
    """A loaded run that has its pictures and sentences encoded by workers, and is as it was in all else."""

    def __init__(self, model: TrainedModel, pool: Pool, place: Place, shortlist: TrainedModel | None) -> None:
        self.__dict__.update(vars(model))
        self.shortlist = shortlist
        self._pool, self._place = pool, place

    def encode_image_files(
        self, paths: Sequence[Path], *, progress: Progress | None = None, reader: ImageReader = PLAIN
    ) -> EncodedImages:
        """One row per readable picture; for a `reader` that tells this process what it reads, by this process."""
        if reader is not PLAIN:
            return super().encode_image_files(paths, progress=progress, reader=reader)
        jobs = (ImagesJob(self._place, some) for some in _chunks(paths, IMAGES))
        with (progress or Silent()).task("encoding pictures", len(paths)) as task:
            found, kept, skipped = _images(self._pool, jobs, advance=task.advance)
        if not found:
            raise UnreadableError({one.path: one.reason for one in skipped})
        return EncodedImages(stack_encoded(found).to(self.device), kept, skipped)

    def encode_raw_texts(self, sentences: Sequence[str], *, progress: Progress | None = None) -> Encoded:
        """One row per sentence; a handful is encoded here."""
        if len(sentences) <= TEXTS // 8:
            return super().encode_raw_texts(sentences, progress=progress)
        jobs = (TextsJob(self._place, some) for some in _chunks(sentences, TEXTS))
        with (progress or Silent()).task("encoding captions", len(sentences)) as task:
            return stack_encoded(_all(self._pool, jobs, advance=task.advance)).to(self.device)


def _images(
    pool: Pool, jobs: Iterable[ImagesJob], *, advance: Any = None
) -> tuple[list[Any], tuple[int, ...], tuple[Skipped, ...]]:
    """What workers made of picture files: pieces in order, which of all pictures their rows are, the unreadable."""
    found, kept, skipped, start = list[Any](), list[int](), list[Skipped](), 0
    for size, pieces in pool.stream((len(job.paths), job) for job in jobs):
        for encoded, rows, unread in pieces:
            found += [] if encoded is None else [encoded]
            kept += [start + row for row in rows]
            skipped += unread
            start += len(rows) + len(unread)
        if advance is not None:
            advance(size, skipped=len(skipped))
    return found, tuple(kept), tuple(skipped)


def _all(pool: Pool, jobs: Iterable[TextsJob], *, advance: Any = None) -> list[Any]:
    found = list[Any]()
    for size, pieces in pool.stream((len(job.sentences), job) for job in jobs):
        found += pieces
        if advance is not None:
            advance(size)
    return found


def _joined(pieces: Sequence[Stages]) -> Stages:
    """All rows of several in order. Raises `ModelError` if there are none."""
    if not pieces:
        raise ModelError("there is no picture to encode; every file was unreadable, or the list was empty.")
    codes = [piece.codes for piece in pieces if piece.codes is not None]
    return Stages(
        np.concatenate([piece.vectors for piece in pieces]),
        stack_encoded([piece.need_fine() for piece in pieces]),
        np.concatenate(codes) if codes else None,
    )


def _chunks(items: Sequence[Any], size: int) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])
