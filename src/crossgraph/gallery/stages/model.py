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
from crossgraph.errors import ModelError
from crossgraph.gallery.stages.codes import RandomCodes
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
    def coder(self) -> SearchModel | RandomCodes | None:
        """What gives binary codes, for a stage before the shortlist; None: the model's own encodings, if they do."""

    @property
    def blend(self) -> float:
        """The share of the shortlist's score that is added to the method's own when candidates are re-ranked."""

    @property
    def calibration(self) -> Mapping[str, Any]:
        """What was fitted to tell good answers from bad, by stage (`gallery.search.score_calibration`)."""

    def encode_image_files(self, paths: Sequence[Path], *, progress: Progress | None = None) -> ImageEncodings: ...

    def encode_raw_texts(self, sentences: Sequence[str]) -> Encoded: ...

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
    match model.coder:
        case None:
            return encoded.fine.embedding.shape[1]
        case RandomCodes() as planes:
            return planes.bits
        case coder:
            return coder.encode_raw_texts(["a picture"]).embedding.shape[1]


@torch.inference_mode()
def encode_texts_for_stages(model: SearchModel, sentences: Sequence[str]) -> Stages:
    """All encodings of `sentences`, row by row."""
    fine = model.encode_raw_texts(sentences)
    dense = fine if model.shortlist is None else model.shortlist.encode_raw_texts(sentences)
    vectors = dense.embedding.float().cpu()
    match model.coder:
        case None:
            codes = fine.code
        case RandomCodes() as planes:
            codes = planes.codes(vectors)
        case coder:
            codes = _code(coder.encode_raw_texts(sentences))
    return Stages(vectors, fine, None if codes is None else codes.cpu())


@torch.inference_mode()
def encode_images_for_stages(
    model: SearchModel, paths: Sequence[Path]
) -> tuple[Stages, tuple[int, ...], tuple[Skipped, ...]]:
    """All encodings of the pictures at `paths` that every model could read, which those are, and the others."""
    fine = model.encode_image_files(paths)
    dense = fine if model.shortlist is None else model.shortlist.encode_image_files(paths)
    coder = model.coder
    coded = None if coder is None or isinstance(coder, RandomCodes) else coder.encode_image_files(paths)
    sides = [fine, dense] if coded is None else [fine, dense, coded]
    kept = tuple(sorted(set.intersection(*(set(side.kept) for side in sides))))
    skipped = tuple({entry.path: entry for side in sides for entry in side.skipped}.values())
    vectors = _rows(dense, kept).embedding.float().cpu()
    own = _rows(fine, kept)
    codes = own.code
    if isinstance(coder, RandomCodes):
        codes = coder.codes(vectors)
    elif coded is not None:
        codes = _code(_rows(coded, kept))
    return Stages(vectors, own, None if codes is None else codes.cpu()), kept, skipped


def _rows(images: ImageEncodings, kept: tuple[int, ...]) -> Encoded:
    """The encodings of the pictures at `kept` of those asked for."""
    if images.kept == kept:
        return images.encoded
    place = {image: row for row, image in enumerate(images.kept)}
    return images.encoded[[place[image] for image in kept]]


def _code(encoded: Encoded) -> UInt8[Tensor, "n bytes"]:
    """The codes of a hashing method's encodings. Raises `ModelError` where there are none."""
    if encoded.code is None:
        raise ModelError("the model for codes gives none: it is no hashing method. Give a run of one, or random:64.")
    return encoded.code
