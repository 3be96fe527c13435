"""Retrieval in two stages: a cheap score picks a shortlist for every query, the method's own score orders it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.errors import ConfigError, ScoreError
from crossgraph.evaluation.ranking import refuse_non_finite, row_blocks, scoring
from crossgraph.methods.contract import Method
from crossgraph.progress import Progress, Silent
from crossgraph.types import Encoded


@dataclass(frozen=True)
class RecallCap:
    """The best R@K a second stage could reach: percent of queries with a relevant item in their shortlist."""

    image_to_text: float
    text_to_image: float


@dataclass(frozen=True)
class TwoStageResult:
    """Orderings for both directions, as matrices for the same metrics as any scores.

    Shortlists differ by direction, hence two matrices (both images x captions): pass them to
    `retrieval_metrics(result.image_to_text, relevant, text_to_image=result.text_to_image)`. Their numbers are whole
    and mean nothing but order within one query: shortlisted items are positive and ordered by the fine score, all
    others negative and ordered by the shortlist's score; equal scores stay equal.
    """

    image_to_text: Float[Tensor, "n m"]
    text_to_image: Float[Tensor, "n m"]
    captions_of_images: Int[Tensor, "n k_captions"]
    """The captions shortlisted for each picture, best first by the shortlist's score."""
    images_of_captions: Int[Tensor, "m k_images"]
    """The pictures shortlisted for each caption, best first by the shortlist's score."""
    scores_of_captions: Float[Tensor, "n k_captions"]
    """What orders the captions on each picture's shortlist: the fine score, with its share of the first."""
    scores_of_images: Float[Tensor, "m k_images"]
    k: int
    blend: float
    scored_pairs: int
    """How many pairs the fine score was computed for; a pair on both sides' shortlists counts once."""

    def recall_cap(self, relevant: Bool[Tensor, "n m"]) -> RecallCap:
        """What the shortlists let through, over the queries that have a relevant item."""
        return RecallCap(
            _share_found(self.captions_of_images, relevant), _share_found(self.images_of_captions, relevant.T)
        )


def require_blend(blend: float) -> None:
    """Raise `ConfigError` unless `blend`, the share of the shortlist's score, is a finite number of 0 or more."""
    if not (math.isfinite(blend) and blend >= 0):
        raise ConfigError(
            f"a blend is the share of the shortlist's score that is added, a finite number of 0 or more; got {blend}. "
            "0 leaves the fine score alone; 1 adds the whole of the shortlist's."
        )


def require_shortlist(k: object) -> None:
    """Raise `ConfigError` unless a shortlist can hold `k` items."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool):
        raise ConfigError(f"a shortlist holds a whole number of items; got {k!r}. Choose k of at least 1.")
    if k < 1:
        raise ConfigError(f"a shortlist of {k} items holds nothing; choose k of at least 1.")


def two_stage(
    method: Method,
    images: Encoded,
    texts: Encoded,
    *,
    shortlist_scores: Float[Tensor, "n m"],
    k: int,
    blend: float = 0.0,
    pairs_per_block: int = 4096,
    progress: Progress = Silent(),
) -> TwoStageResult:
    """Take the `k` best items of every query by `shortlist_scores` and order them by `method.score_pairs`.

    Items tied at the edge of a shortlist enter in order of index. With `blend`, a shortlist is ordered by
    fine score + blend * shortlist score; by default the fine score decides alone. With `k` as large as both
    galleries the result ranks as the exhaustive scores do. All tensors are on one device.

    Raises `ConfigError` for k below 1 and a blend that is below 0 or not finite, `ScoreError` for scores, also mixed
    ones, that are not finite or not images x captions.
    """
    return two_stage_blends(
        method,
        images,
        texts,
        shortlist_scores=shortlist_scores,
        k=k,
        blends=[blend],
        pairs_per_block=pairs_per_block,
        progress=progress,
    )[0]


def two_stage_blends(
    method: Method,
    images: Encoded,
    texts: Encoded,
    *,
    shortlist_scores: Float[Tensor, "n m"],
    k: int,
    blends: Sequence[float],
    pairs_per_block: int = 4096,
    progress: Progress = Silent(),
) -> list[TwoStageResult]:
    """`two_stage` for each of several blends, in order; every pair is scored once for all of them."""
    n, m = len(images), len(texts)
    require_shortlist(k)
    for blend in blends:
        require_blend(blend)
    if shortlist_scores.shape != (n, m):
        raise ScoreError(
            f"shortlist scores are {tuple(shortlist_scores.shape)}, expected {(n, m)} (images x captions)."
        )
    refuse_non_finite(shortlist_scores)
    captions, image_to_text = _first_stage(shortlist_scores, k)
    image_order, text_to_image = _first_stage(shortlist_scores.T, k)

    device = shortlist_scores.device
    pairs_of_images = torch.arange(n, device=device)[:, None] * m + captions
    pairs_of_captions = image_order * m + torch.arange(m, device=device)[:, None]
    listed = torch.cat([pairs_of_images.flatten(), pairs_of_captions.flatten()])
    pairs, position = torch.unique(listed, return_inverse=True)
    rows, columns = pairs // m, pairs % m
    fine = _score_listed(method, images, texts, rows, columns, pairs_per_block=pairs_per_block, progress=progress)
    of_images, of_captions = position.split([pairs_of_images.numel(), pairs_of_captions.numel()])
    results = []
    for blend in blends:
        scores = fine
        if blend:
            scores = fine + blend * shortlist_scores[rows, columns]
            _refuse_non_finite_pairs(scores, rows, columns, f"scores blended with {blend:g} of the shortlist's")
        for_captions, for_images = scores[of_images].view_as(captions), scores[of_captions].view_as(image_order)
        by_image = _second_stage(image_to_text, captions, for_captions)
        by_caption = _second_stage(text_to_image, image_order, for_images)
        results.append(
            TwoStageResult(
                by_image, by_caption.T, captions, image_order, for_captions, for_images, k, blend, len(pairs)
            )
        )
    return results


def _first_stage(scores: Float[Tensor, "q g"], k: int) -> tuple[Int[Tensor, "q k"], Float[Tensor, "q g"]]:
    """The k best items of every query, and all items numbered -1, -2, ... from the best; equals share a number."""
    shortlists = torch.empty(scores.shape[0], min(k, scores.shape[1]), dtype=torch.long, device=scores.device)
    order = torch.empty(scores.shape, device=scores.device)
    for rows in row_blocks(scores):
        values, items = scores[rows].sort(dim=1, descending=True, stable=True)
        shortlists[rows] = items[:, :k]
        order[rows] = torch.empty_like(order[rows]).scatter_(1, items, -1 - _steps_below_best(values))
    return shortlists, order


def _second_stage(
    order: Float[Tensor, "q g"], shortlist: Int[Tensor, "q k"], fine: Float[Tensor, "q k"]
) -> Float[Tensor, "q g"]:
    """`order` with the shortlisted items renumbered: the best k, the next k - 1, ...; equals share a number."""
    values, places = fine.sort(dim=1, descending=True, stable=True)
    return order.scatter(1, shortlist.gather(1, places), shortlist.shape[1] - _steps_below_best(values))


def _steps_below_best(descending: Float[Tensor, "q g"]) -> Float[Tensor, "q g"]:
    """How many different larger values each row holds; whole numbers, exact in float32 up to 16 million."""
    steps = torch.zeros(descending.shape, device=descending.device)
    steps[:, 1:] = (descending[:, 1:] != descending[:, :-1]).cumsum(1)
    return steps


def _score_listed(
    method: Method,
    images: Encoded,
    texts: Encoded,
    rows: Int[Tensor, " pairs"],
    columns: Int[Tensor, " pairs"],
    *,
    pairs_per_block: int,
    progress: Progress,
) -> Float[Tensor, " pairs"]:
    """The fine score of every pair."""
    with scoring(method), progress.task("re-ranking pairs", len(rows)) as task:
        scores = method.score_listed(images, texts, rows, columns, pairs_per_block=pairs_per_block, done=task.advance)
    scores = scores.to(torch.promote_types(images.embedding.dtype, torch.float32))
    _refuse_non_finite_pairs(scores, rows, columns, "fine scores")
    return scores


def _refuse_non_finite_pairs(
    scores: Float[Tensor, " pairs"], rows: Int[Tensor, " pairs"], columns: Int[Tensor, " pairs"], what: str
) -> None:
    if bad := (~scores.isfinite()).nonzero()[:, 0].tolist():
        raise ScoreError(
            f"{len(bad):,} of {len(scores):,} {what} are not finite and cannot be ranked; the first is "
            f"{float(scores[bad[0]])} for image {int(rows[bad[0]])} and caption {int(columns[bad[0]])} (from 0)."
        )


def _share_found(shortlists: Int[Tensor, "q k"], relevant: Bool[Tensor, "q g"]) -> float:
    found = relevant.gather(1, shortlists.to(relevant.device)).any(1)
    return 100 * float(found[relevant.any(1)].double().mean())
