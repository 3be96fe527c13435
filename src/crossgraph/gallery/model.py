"""What a gallery needs of a trained model. `crossgraph.training.model.TrainedModel` fits; so may anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from crossgraph.data.corpus import Skipped
from crossgraph.methods.contract import Method
from crossgraph.progress import Progress
from crossgraph.types import Alignment, Encoded


@runtime_checkable
class PictureEncodings(Protocol):
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
    def blend(self) -> float:
        """The share of the shortlist's score that is added to the method's own when candidates are re-ranked."""

    def encode_pictures(self, paths: Sequence[Path], *, progress: Progress | None = None) -> PictureEncodings: ...

    def encode_sentences(self, sentences: Sequence[str]) -> Encoded: ...

    def explain(self, sentence: str, path: Path) -> Alignment: ...


def shortlist_model(model: SearchModel) -> SearchModel:
    """The model whose embedding finds candidates for `model`."""
    return model if model.shortlist is None else model.shortlist


@dataclass(frozen=True)
class TwoStage:
    """The same rows twice: `vectors` for the shortlist, `fine` for the score that re-ranks."""

    vectors: Float[Tensor, "n d"]
    fine: Encoded


@torch.inference_mode()
def encode_sentences(model: SearchModel, sentences: Sequence[str]) -> TwoStage:
    """Both encodings of `sentences`, row by row."""
    fine = model.encode_sentences(sentences)
    dense = fine if model.shortlist is None else model.shortlist.encode_sentences(sentences)
    return TwoStage(dense.embedding.float().cpu(), fine)


@torch.inference_mode()
def encode_pictures(model: SearchModel, paths: Sequence[Path]) -> tuple[TwoStage, tuple[int, ...], tuple[Skipped, ...]]:
    """Both encodings of the pictures at `paths` that both models could read, which those are, and the others."""
    fine = model.encode_pictures(paths)
    if model.shortlist is None:
        return TwoStage(fine.encoded.embedding.float().cpu(), fine.encoded), fine.kept, fine.skipped
    dense = model.shortlist.encode_pictures(paths)
    kept = tuple(sorted(set(fine.kept) & set(dense.kept)))
    vectors = dense.encoded[[dense.kept.index(row) for row in kept]].embedding.float().cpu()
    skipped = tuple({entry.path: entry for entry in (*fine.skipped, *dense.skipped)}.values())
    return TwoStage(vectors, fine.encoded[[fine.kept.index(row) for row in kept]]), kept, skipped
