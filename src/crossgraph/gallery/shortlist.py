"""The dense shortlist: one matrix in memory, exact nearest rows by inner product.

At gallery sizes that fit in memory, one matrix-vector product beats an approximate index and never misses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.errors import ScoreError


@dataclass(frozen=True)
class Candidates:
    """Rows of the matrix, best first, and their inner products with the query."""

    rows: Int[Tensor, " k"]
    scores: Float[Tensor, " k"]


def nearest(
    vectors: Float[Tensor, "n d"],
    query: Float[Tensor, " d"],
    *,
    k: int,
    without: int | None = None,
    among: Int[Tensor, " m"] | None = None,
) -> Candidates:
    """The `k` rows of `vectors` (fewer if there are fewer) most like `query`, less the row `without`.

    `among` restricts the rows before anything is ranked; they must ascend. Equal scores keep the order of
    the rows, so an answer never depends on how a partial sort breaks ties.
    Raises `ScoreError` if any score is not finite.
    """
    if among is not None:
        if without is not None:
            among = among[among != without]
        found = nearest(vectors[among], query, k=k)
        return Candidates(among[found.rows], found.scores)
    scores = vectors @ query
    if not torch.isfinite(scores).all():
        raise ScoreError("shortlist scores are not finite; the query or a stored vector is damaged. Index again.")
    if without is not None:
        scores[without] = -torch.inf
    k = min(k, len(scores) - (without is not None))
    if k <= 0:
        return Candidates(torch.empty(0, dtype=torch.long), torch.empty(0))
    worst = scores.topk(k).values[-1]
    rows = (scores >= worst).nonzero().squeeze(1)
    rows = rows[scores[rows].argsort(descending=True, stable=True)][:k]
    return Candidates(rows, scores[rows])
