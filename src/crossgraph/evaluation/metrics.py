"""Caption retrieval: recall at 1, 5 and 10 both ways, their sum, and ranks, from scores and one table of relevance.

Which caption answers which picture is looked up in the caption->image links, never computed from positions, so a
picture may have any number of captions. Ties are settled by expectation: the number reported is the mean over all
orders of the tied items, each equally likely, and does not depend on the order of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.errors import ScoreError
from crossgraph.evaluation.ranking import refuse_non_finite, row_blocks

CUTOFFS = (1, 5, 10)
MEASURES = ("r1", "r5", "r10", "median_rank", "mean_rank")
DIRECTIONS = ("image_to_text", "text_to_image")


def relevance(caption_image: Int[np.ndarray, " m"], n_images: int) -> Bool[Tensor, "n m"]:
    """True where the caption was written for the picture: what papers count (strict)."""
    return torch.tensor(caption_image) == torch.arange(n_images)[:, None]


def relevance_with_duplicates(corpus: Corpus) -> Bool[Tensor, "n m"]:
    """True where the caption, or an equal one, was written for the picture (duplicate-aware).

    Equal means the same characters once space at both ends is gone; case and punctuation count.
    """
    known: dict[str, int] = {}
    wording = torch.tensor([known.setdefault(caption.strip(), len(known)) for caption in corpus.captions]).long()
    says = torch.zeros(len(corpus), len(known), dtype=torch.bool)
    says[torch.tensor(corpus.caption_image), wording] = True
    return says[:, wording]


@dataclass(frozen=True)
class FirstAnswers:
    """For each query, what decides the rank of its first relevant item: counts around the best relevant score."""

    above: Int[Tensor, " q"]
    """Irrelevant items that score higher."""
    tied_wrong: Int[Tensor, " q"]
    """Irrelevant items with the same score."""
    tied_right: Int[Tensor, " q"]
    """Relevant items with that score; 0 for a query without any relevant item."""

    @property
    def answerable(self) -> Bool[Tensor, " q"]:
        """True for queries with a relevant item in the gallery."""
        return self.tied_right > 0

    def ranks(self) -> Float[Tensor, " q"]:
        """Expected rank (from 1) of the first relevant item; without meaning for queries that have none."""
        return self.above + 1 + self.tied_wrong.double() / (self.tied_right + 1)

    def hits(self, k: int) -> Float[Tensor, " q"]:
        """Probability that a relevant item is among the first `k`.

        Of the tied items, `free` come within the first k; that all of them are wrong has the hypergeometric
        probability prod (wrong - i) / (tied - i) over i < free.
        """
        tied = self.tied_wrong + self.tied_right
        free = (k - self.above).clamp(min=0).minimum(tied)
        miss = torch.ones_like(tied, dtype=torch.float64)
        for i in range(min(k, int(free.max()) if len(free) else 0)):
            miss = torch.where(i < free, miss * (self.tied_wrong - i).clamp(min=0) / (tied - i), miss)
        return torch.where(self.answerable, 1 - miss, 0.0)

    def optimistic(self) -> FirstAnswers:
        """The same queries with every tie decided for the relevant item."""
        return FirstAnswers(self.above, torch.zeros_like(self.above), self.tied_right)

    def pessimistic(self) -> FirstAnswers:
        """The same queries with every tie decided against the relevant item."""
        return FirstAnswers(self.above + self.tied_wrong, torch.zeros_like(self.above), self.tied_right)


def first_answers(scores: Float[Tensor, "q g"], relevant: Bool[Tensor, "q g"]) -> FirstAnswers:
    """Look up every query (row) in a gallery (columns); equal floats, and only they, are ties.

    The first query finds its answer at once; the second finds it level with a wrong one, below another.

    >>> scores = torch.tensor([[0.9, 0.1, 0.3], [0.2, 0.7, 0.2]])
    >>> found = first_answers(scores, torch.tensor([[True, False, False], [False, False, True]]))
    >>> found.ranks().tolist()
    [1.0, 2.5]
    >>> found.hits(2).tolist()
    [1.0, 0.5]
    """
    counts = [torch.empty(0, 3, dtype=torch.long)]
    for rows in row_blocks(scores):
        block, right = scores[rows], relevant[rows].to(scores.device)
        best = block.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
        tied = block == best
        counts.append(torch.stack([(block > best).sum(1), (tied & ~right).sum(1), (tied & right).sum(1)], 1).cpu())
    return FirstAnswers(*torch.cat(counts).unbind(1))


@dataclass(frozen=True)
class DirectionMetrics:
    """One direction: recalls in percent, ranks from 1, over the queries that have a relevant item."""

    r1: float
    r5: float
    r10: float
    median_rank: float
    mean_rank: float
    queries: int
    queries_without_answer: int
    """Queries with no relevant item (a picture without captions): left out of every number above."""


@dataclass(frozen=True)
class RetrievalMetrics:
    """Both directions. Pictures are the queries of `image_to_text`, captions those of `text_to_image`."""

    image_to_text: DirectionMetrics
    text_to_image: DirectionMetrics

    @property
    def rsum(self) -> float:
        """Sum of the six recalls: 600 is perfect."""
        return sum(side.r1 + side.r5 + side.r10 for side in (self.image_to_text, self.text_to_image))

    @property
    def mr(self) -> float:
        """Mean of the six recalls, as remote sensing papers print it."""
        return self.rsum / 6

    @property
    def image_queries(self) -> int:
        """How many pictures were asked about."""
        return self.image_to_text.queries

    @property
    def caption_queries(self) -> int:
        """How many captions were asked about."""
        return self.text_to_image.queries

    @property
    def queries_without_answer(self) -> int:
        """How many queries of both directions were left out for want of a relevant item."""
        return self.image_to_text.queries_without_answer + self.text_to_image.queries_without_answer

    def values(self) -> dict[str, float]:
        """Every measure (not the counts) under one name, such as `text_to_image_r1`, `rsum` or `mr`."""
        named = {
            f"{direction}_{measure}": float(getattr(getattr(self, direction), measure))
            for direction in DIRECTIONS
            for measure in MEASURES
        }
        return {**named, "rsum": self.rsum, "mr": self.mr}


@dataclass(frozen=True)
class Answers:
    """The first answers in both directions: all that metrics, tie bounds and intervals need of the scores."""

    image_to_text: FirstAnswers
    text_to_image: FirstAnswers

    def metrics(self) -> RetrievalMetrics:
        """Recalls and ranks. Raises `ScoreError` if no query of a direction has a relevant item."""
        return RetrievalMetrics(
            _direction_metrics(self.image_to_text, "image"), _direction_metrics(self.text_to_image, "caption")
        )

    def optimistic(self) -> Answers:
        """Every tie decided for the relevant item."""
        return Answers(self.image_to_text.optimistic(), self.text_to_image.optimistic())

    def pessimistic(self) -> Answers:
        """Every tie decided against the relevant item."""
        return Answers(self.image_to_text.pessimistic(), self.text_to_image.pessimistic())


def find_answers(
    scores: Float[Tensor, "n m"], relevant: Bool[Tensor, "n m"], *, text_to_image: Float[Tensor, "n m"] | None = None
) -> Answers:
    """Rank captions for each picture by `scores`, and pictures for each caption by `text_to_image` or else the same.

    Raises `ScoreError` if a score is not finite.
    """
    for matrix in (scores,) if text_to_image is None else (scores, text_to_image):
        refuse_non_finite(matrix)
    backwards = scores if text_to_image is None else text_to_image
    return Answers(first_answers(scores, relevant), first_answers(backwards.T, relevant.T))


def retrieval_metrics(
    scores: Float[Tensor, "n m"], relevant: Bool[Tensor, "n m"], *, text_to_image: Float[Tensor, "n m"] | None = None
) -> RetrievalMetrics:
    """The metrics of a score matrix, or of one for each direction; see `find_answers` and `Answers.metrics`."""
    return find_answers(scores, relevant, text_to_image=text_to_image).metrics()


def _direction_metrics(answers: FirstAnswers, query: str) -> DirectionMetrics:
    kept = answers.answerable
    queries = int(kept.sum())
    if queries == 0:
        raise ScoreError(f"no {query} has anything to find: recall needs pictures with captions.")
    ranks = answers.ranks()[kept]
    r1, r5, r10 = (float(100 * answers.hits(k)[kept].mean()) for k in CUTOFFS)
    return DirectionMetrics(r1, r5, r10, float(ranks.quantile(0.5)), float(ranks.mean()), queries, len(kept) - queries)
