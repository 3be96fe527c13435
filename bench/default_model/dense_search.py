"""Scores of sentences with pictures, by what a run or cascade searches with: cosines, and on request re-ranking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossgraph.evaluation.metrics import first_answers
from crossgraph.evaluation.ranking import refuse_non_finite
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.gallery.stages.model import ImageEncodings
from crossgraph.training.model import TrainedModel

Model: TypeAlias = TrainedModel | CascadeModel
PAIRS = 4096


class Pictures:
    """Pictures encoded once by the dense stage of a model, and by its last stage where the best are re-ranked."""

    def __init__(self, model: Model, paths: Sequence[Path], *, rerank: int = 0) -> None:
        self.model, self.rerank = model, rerank
        self.dense = model if model.shortlist is None else model.shortlist
        self.vectors = _all_of(self.dense.encode_image_files(paths), paths).encoded.embedding.float().cpu()
        self.fine = _all_of(model.encode_image_files(paths), paths).encoded if rerank else None

    @torch.inference_mode()
    def scores(self, sentences: Sequence[str]) -> Float[Tensor, "q n"]:
        """One row a sentence, higher is better; equal sentences are encoded once.

        With re-ranking the best of every row are reordered among themselves and stay above the others; the numbers
        then mean nothing but order within a row.
        """
        different = list(dict.fromkeys(sentences))
        cosines = self.dense.encode_raw_texts(different).embedding.float().cpu() @ self.vectors.T
        refuse_non_finite(cosines)
        found = self._reranked(different, cosines) if self.fine is not None else cosines
        place = {sentence: row for row, sentence in enumerate(different)}
        return found[[place[sentence] for sentence in sentences]]

    def _reranked(self, sentences: Sequence[str], cosines: Float[Tensor, "q n"]) -> Float[Tensor, "q n"]:
        assert self.fine is not None
        texts = self.model.encode_raw_texts(sentences)
        best = cosines.topk(min(self.rerank, cosines.shape[1]), dim=1)
        rows = torch.arange(len(sentences))[:, None].expand_as(best.indices).flatten()
        pairs = list(zip(torch.split(best.indices.flatten(), PAIRS), torch.split(rows, PAIRS), strict=True))
        score = self.model.method.score_pairs
        fine = torch.cat(
            [score(self.fine[images], texts[captions].without_padding()).cpu() for images, captions in pairs]
        )
        blended = fine.float().view_as(best.values) + self.model.blend * best.values
        refuse_non_finite(blended)
        # as in a search, what says too little keeps its order
        enough = self.model.method.says_enough(texts).cpu()
        blended = torch.where(enough[:, None], blended, best.values)
        # whole ranks as numbers from 0 to 1, where every cosine less 3 is below
        order = torch.unique(blended, return_inverse=True)[1].double()
        return (cosines.double() - 3).scatter(1, best.indices, order / max(float(order.max()), 1.0))


def recalls(
    scores: Float[Tensor, "q n"], relevant: Bool[Tensor, "q n"], cutoffs: Sequence[int] = (1, 5, 10)
) -> list[float]:
    """R@k in percent for each k: how often a relevant picture is among the first k, ties settled by expectation."""
    found = first_answers(scores, relevant)
    return [100 * float(found.hits(k).mean()) for k in cutoffs]


def ratio(part: float, whole: float) -> float:
    """`part` over `whole`, NaN where that is nothing."""
    return part / whole if whole else float("nan")


def _all_of(images: ImageEncodings, paths: Sequence[Path]) -> ImageEncodings:
    """`images`, if every picture could be read."""
    if images.skipped or len(images.kept) != len(paths):
        raise SystemExit(
            f"{len(paths) - len(images.kept)} pictures cannot be read, {images.skipped[:1]}; mend the data."
        )
    return images
