"""What a gallery needs of a trained model. `crossgraph.training.model.TrainedModel` fits; so may anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from crossgraph.data.corpus import Skipped
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.encoders.understanding import Understanding
from crossgraph.methods.contract import Method
from crossgraph.progress import Progress
from crossgraph.types import Alignment, Encoded


@runtime_checkable
class ImageEncodings(Protocol):
    """Encoded pictures: row r of `encoded` is the picture at `kept[r]` of those asked for; `skipped` are unreadable."""

    @property
    def encoded(self) -> Encoded: ...

    @property
    def kept(self) -> tuple[int, ...]: ...

    @property
    def skipped(self) -> tuple[Skipped, ...]: ...


@runtime_checkable
class Coder(Protocol):
    """Gives pictures and sentences binary codes, of their files and words or of their shortlist vectors."""

    @property
    def bits(self) -> int:
        """How many bits its codes have."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the labels that the codes were learned from, if they were learned from any."""

    def codes_of_texts(self, sentences: Sequence[str], vectors: Float[Tensor, "n d"]) -> UInt8[Tensor, "n bytes"]:
        """One code per sentence."""

    def codes_of_images(
        self, paths: Sequence[Path], vectors: Float[Tensor, "n d"], *, reader: ImageReader = PLAIN
    ) -> tuple[UInt8[Tensor, "k bytes"], tuple[int, ...], tuple[Skipped, ...]]:
        """The codes of the pictures at `paths` that could be read, which those are, and the others."""

    def codes_of_vectors(self, vectors: Float[Tensor, "n d"]) -> UInt8[Tensor, "n bytes"] | None:
        """The codes of any vectors, sums of queries too; None where codes are made of something else."""


@runtime_checkable
class SearchModel(Protocol):
    """A trained method with its encoders. `fingerprint` changes whenever any encoding could."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def method(self) -> Method: ...

    @property
    def shortlist(self) -> SearchModel | None:
        """The dual encoder whose embedding finds candidates for this model; None: its own embedding does."""

    @property
    def coder(self) -> Coder | None:
        """What gives binary codes, for a stage before the shortlist; None: the model's own encodings, if they do."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the labels that its own codes were learned from, if they were learned from any."""

    @property
    def blend(self) -> float:
        """The share of the shortlist's score that is added to the method's own when candidates are re-ranked."""

    @property
    def calibration(self) -> Mapping[str, Any]:
        """What was fitted to tell good answers from bad, by stage (`gallery.search.score_calibration`)."""

    def encode_image_files(
        self, paths: Sequence[Path], *, progress: Progress | None = None, reader: ImageReader = PLAIN
    ) -> ImageEncodings:
        """The pictures that could be read. Raises `UnreadableError` if none could."""

    def encode_raw_texts(self, sentences: Sequence[str]) -> Encoded: ...

    def understanding(self, text: str) -> Understanding:
        """What of a text is read and known."""

    def explain(self, sentence: str, path: Path) -> Alignment: ...


@dataclass(frozen=True)
class Stages:
    """The same rows for every stage: `vectors` for the shortlist, `fine` for the score that re-ranks, and `codes`."""

    vectors: Float[Tensor, "n d"]
    fine: Encoded
    codes: UInt8[Tensor, "n bytes"] | None = None


def has_own_vectors(model: SearchModel) -> bool:
    """Whether shortlist vectors say more than codes do: not where they are the codes, as +1 and -1."""
    return model.coder is not None or model.shortlist is not None


def code_bits(model: SearchModel, encoded: Stages) -> int:
    """How many bits the codes of `model` have, of which `encoded` are some encodings; 0 if it gives none."""
    if encoded.codes is None:
        return 0
    return encoded.fine.embedding.shape[1] if model.coder is None else model.coder.bits


@torch.inference_mode()
def encode_texts_for_stages(model: SearchModel, sentences: Sequence[str]) -> Stages:
    """All encodings of `sentences`, row by row."""
    fine = model.encode_raw_texts(sentences)
    dense = fine if model.shortlist is None else model.shortlist.encode_raw_texts(sentences)
    vectors = dense.embedding.float().cpu()
    codes = fine.code if model.coder is None else model.coder.codes_of_texts(sentences, vectors)
    return Stages(vectors, fine, None if codes is None else codes.cpu())


@torch.inference_mode()
def encode_images_for_stages(
    model: SearchModel, paths: Sequence[Path], *, reader: ImageReader = PLAIN
) -> tuple[Stages, tuple[int, ...], tuple[Skipped, ...]]:
    """All encodings of the pictures at `paths` that every model could read, which those are, and the others.

    Raises `UnreadableError` if none could be read.
    """
    fine = model.encode_image_files(paths, reader=reader)
    dense = fine if model.shortlist is None else model.shortlist.encode_image_files(paths, reader=reader)
    kept = tuple(sorted(set(fine.kept) & set(dense.kept)))
    skipped = (*fine.skipped, *dense.skipped)
    own, vectors = _rows(fine, kept), _rows(dense, kept).embedding.float().cpu()
    codes = own.code
    if model.coder is not None and kept:
        codes, coded, unread = model.coder.codes_of_images([paths[image] for image in kept], vectors, reader=reader)
        if unread:
            own, vectors = own[list(coded)], vectors[list(coded)]
            kept, skipped = tuple(kept[row] for row in coded), (*skipped, *unread)
    skipped = tuple({entry.path: entry for entry in skipped}.values())
    return Stages(vectors, own, None if codes is None else codes.cpu()), kept, skipped


def _rows(images: ImageEncodings, kept: tuple[int, ...]) -> Encoded:
    """The encodings of the pictures at `kept` of those asked for."""
    if images.kept == kept:
        return images.encoded
    place = {image: row for row, image in enumerate(images.kept)}
    return images.encoded[[place[image] for image in kept]]
