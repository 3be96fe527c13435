"""The jobs there are: batches of a gallery, and files or sentences of a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from crossgraph.data.corpus import Skipped
from crossgraph.data.images import read_image
from crossgraph.distributed.worker import Place
from crossgraph.errors import ClusterError, ImageError, ModelError
from crossgraph.gallery.changes.encoded import EncodedEntries
from crossgraph.gallery.changes.indexing import Batch, encode_batch
from crossgraph.gallery.stages.model import (
    SearchModel,
    Stages,
    encode_images_for_stages,
    encode_texts_for_stages,
)
from crossgraph.training.model import TrainedModel
from crossgraph.types import Encoded

FoundImages = tuple[Encoded | Stages | None, tuple[int, ...], tuple[Skipped, ...]]
"""Encoded pictures (None: none could be read), which of those asked for they are, and the others."""


@dataclass(frozen=True)
class BatchJob:
    """A batch of a gallery. Divided, it is first the captions of its copies, then halves of its pictures."""

    place: Place
    batch: Batch

    def run(self, model: SearchModel) -> dict[str, pa.RecordBatch]:
        """The batch encoded, as Arrow."""
        return encode_batch(model, self.batch).to_arrow()

    def received(self, result: Mapping[str, pa.RecordBatch]) -> EncodedEntries:
        """The batch encoded."""
        return EncodedEntries.from_arrow(result)

    def split(self) -> tuple[BatchJob, ...]:
        """Smaller jobs."""
        batch = self.batch
        if batch.captions and batch.entries:
            parts = [replace(batch, entries=()), replace(batch, captions=())]
        elif len(batch.entries) > 1:
            parts = [replace(batch, entries=half) for half in halves(batch.entries)]
        else:
            parts = []
        return tuple(BatchJob(self.place, part) for part in parts)

    def given_up(self, reason: str) -> EncodedEntries:
        """Its one picture skipped."""
        if not self.batch.entries:
            raise ClusterError(f"sentences could not be encoded: {reason}. One of them: {self.batch.captions[0]!r}.")
        return EncodedEntries.none(tuple(Skipped(entry.path, reason) for entry in self.batch.entries))


@dataclass(frozen=True)
class ImagesJob:
    """Picture files, encoded by a run, or, with `stages`, for every stage of a model."""

    place: Place
    paths: tuple[Path, ...]
    stages: bool = False

    def run(self, model: Any) -> FoundImages:
        """Encodings, which of the pictures they are, and what could not be read."""
        if not self.stages:
            assert isinstance(model, TrainedModel)
            table, unread = model.image_features(self.paths)
            return (model.encode_image_table(table).to("cpu") if len(table) else None), tuple(table.kept), unread
        try:
            return encode_images_for_stages(model, self.paths)
        except ModelError:
            unreadable = [_unreadable(path) for path in self.paths]
            if None in unreadable:
                raise
            return None, (), tuple(one for one in unreadable if one is not None)

    def received(self, result: FoundImages) -> FoundImages:
        """The same."""
        return result

    def split(self) -> tuple[ImagesJob, ...]:
        """Halves."""
        return tuple(replace(self, paths=half) for half in halves(self.paths)) if len(self.paths) > 1 else ()

    def given_up(self, reason: str) -> FoundImages:
        """Its one picture skipped."""
        return None, (), tuple(Skipped(path, reason) for path in self.paths)


@dataclass(frozen=True)
class TextsJob:
    """Sentences, encoded by a run, or, with `stages`, for every stage of a model."""

    place: Place
    sentences: tuple[str, ...]
    stages: bool = False

    def run(self, model: Any) -> Encoded | Stages:
        """A row per sentence."""
        if self.stages:
            return encode_texts_for_stages(model, self.sentences)
        found: Encoded = model.encode_raw_texts(self.sentences)
        return found.to("cpu")

    def received(self, result: Encoded | Stages) -> Encoded | Stages:
        """The same."""
        return result

    def split(self) -> tuple[TextsJob, ...]:
        """Halves."""
        return (
            tuple(replace(self, sentences=half) for half in halves(self.sentences)) if len(self.sentences) > 1 else ()
        )

    def given_up(self, reason: str) -> Encoded:
        """Nothing can stand for a sentence."""
        raise ClusterError(f"the sentence {self.sentences[0]!r} could not be encoded: {reason}.")


def halves(items: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The first half and the second."""
    return tuple(items[: len(items) // 2]), tuple(items[len(items) // 2 :])


def _unreadable(path: Path) -> Skipped | None:
    """Why a picture cannot be read, if so."""
    try:
        read_image(path)
    except ImageError as error:
        return Skipped(path, error.reason)
    return None
