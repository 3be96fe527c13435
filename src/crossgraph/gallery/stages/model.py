"""What a gallery needs of a trained model. `crossgraph.training.model.TrainedModel` fits; so may anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from crossgraph.data.corpus import Skipped
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.encoders.understanding import Understanding
from crossgraph.progress import Progress

if TYPE_CHECKING:
    from crossgraph.methods.contract import Method
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

    def codes_of_texts(
        self, sentences: Sequence[str], vectors: Float[np.ndarray, "n d"]
    ) -> UInt8[np.ndarray, "n bytes"]:
        """One code per sentence."""

    def codes_of_images(
        self, paths: Sequence[Path], vectors: Float[np.ndarray, "n d"], *, reader: ImageReader = PLAIN
    ) -> tuple[UInt8[np.ndarray, "k bytes"], tuple[int, ...], tuple[Skipped, ...]]:
        """The codes of the pictures at `paths` that could be read, which those are, and the others."""

    def codes_of_vectors(self, vectors: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n bytes"] | None:
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


@runtime_checkable
class QuickTexts(Protocol):
    """A model that gives sentences their shortlist vectors without torch, whose import takes longer than a search."""

    def text_vectors(self, sentences: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """One shortlist vector per sentence."""


@dataclass(frozen=True)
class Stages:
    """The same rows for every stage: `vectors` for the shortlist, `fine` for the score that re-ranks, and `codes`.

    `fine` is None where it was not asked for, and no other stage is made of it.
    """

    vectors: Float[np.ndarray, "n d"]
    fine: Encoded | None
    codes: UInt8[np.ndarray, "n bytes"] | None = None

    def need_fine(self) -> Encoded:
        """What re-ranking compares, where it was asked for."""
        assert self.fine is not None, "encode with fine=True"
        return self.fine


def has_own_vectors(model: SearchModel) -> bool:
    """Whether shortlist vectors say more than codes do: not where they are the codes, as +1 and -1."""
    return model.coder is not None or model.shortlist is not None


def code_bits(model: SearchModel, encoded: Stages) -> int:
    """How many bits the codes of `model` have, of which `encoded` are some encodings; 0 if it gives none."""
    if encoded.codes is None:
        return 0
    if model.coder is not None:
        return model.coder.bits
    return encoded.need_fine().embedding.shape[1]


def encode_texts_for_stages(model: SearchModel, sentences: Sequence[str], *, fine: bool = True) -> Stages:
    """All encodings of `sentences`, row by row; `fine` is whether any will be re-ranked."""
    own = model.encode_raw_texts(sentences) if fine or _others_need_fine(model) else None
    vectors = _text_vectors(model, sentences, own)
    if model.coder is not None:
        return Stages(vectors, own, model.coder.codes_of_texts(sentences, vectors))
    return Stages(vectors, own, None if own is None or own.code is None else own.code.cpu().numpy())


def _text_vectors(model: SearchModel, sentences: Sequence[str], own: Encoded | None) -> Float[np.ndarray, "n d"]:
    if isinstance(model, QuickTexts):
        return model.text_vectors(sentences)
    dense = own if model.shortlist is None else model.shortlist.encode_raw_texts(sentences)
    assert dense is not None, "no other gives vectors"
    return _vectors(dense)


def encode_images_for_stages(
    model: SearchModel, paths: Sequence[Path], *, fine: bool = True, reader: ImageReader = PLAIN
) -> tuple[Stages, tuple[int, ...], tuple[Skipped, ...]]:
    """All encodings of the pictures at `paths` that every model could read, which those are, and the others.

    `fine` is whether any will be re-ranked. Raises `UnreadableError` if none could be read.
    """
    own = model.encode_image_files(paths, reader=reader) if fine or _others_need_fine(model) else None
    dense = own if model.shortlist is None else model.shortlist.encode_image_files(paths, reader=reader)
    assert dense is not None, "no other gives vectors"
    sides = [side for side in (own, dense) if side is not None]
    kept = tuple(sorted(set.intersection(*(set(side.kept) for side in sides))))
    skipped = tuple(entry for side in sides for entry in side.skipped)
    encoded, vectors = None if own is None else _rows(own, kept), _vectors(_rows(dense, kept))
    codes = None if encoded is None or encoded.code is None else encoded.code.cpu().numpy()
    if model.coder is not None and kept:
        codes, coded, unread = model.coder.codes_of_images([paths[image] for image in kept], vectors, reader=reader)
        if unread:
            encoded = None if encoded is None else encoded[list(coded)]
            vectors = vectors[list(coded)]
            kept, skipped = tuple(kept[row] for row in coded), (*skipped, *unread)
    skipped = tuple({entry.path: entry for entry in skipped}.values())
    return Stages(vectors, encoded, codes), kept, skipped


def _others_need_fine(model: SearchModel) -> bool:
    """Whether shortlist vectors or codes are made of the encodings that re-ranking compares."""
    if isinstance(model, QuickTexts) and model.coder is not None:
        return False
    return model.shortlist is None or (model.coder is None and not model.method.reranks)


def _vectors(encoded: Encoded) -> Float[np.ndarray, "n d"]:
    return encoded.embedding.float().cpu().numpy()


def _rows(images: ImageEncodings, kept: tuple[int, ...]) -> Encoded:
    """The encodings of the pictures at `kept` of those asked for."""
    if images.kept == kept:
        return images.encoded
    place = {image: row for row, image in enumerate(images.kept)}
    return images.encoded[[place[image] for image in kept]]
