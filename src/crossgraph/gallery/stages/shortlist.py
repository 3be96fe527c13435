"""The dense shortlist: one matrix in memory, exact nearest rows by inner product.

At gallery sizes that fit in memory, the product with every row beats an approximate index and never misses; larger
ones have codes (`stages.codes`), and only the rows that those name are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.errors import ScoreError


@runtime_checkable
class Vectors(Protocol):
    """Rows of numbers, in memory or on disk."""

    def products(self, query: Float[Tensor, " d"], rows: Int[Tensor, " k"] | None = None) -> Float[Tensor, " m"]:
        """The inner products of a query with some rows, or all."""


@dataclass(frozen=True)
class Candidates:
    """Rows of the matrix, best first, and their scores, here inner products with the query."""

    rows: Int[Tensor, " k"]
    scores: Float[Tensor, " k"]

    @classmethod
    def none(cls) -> Candidates:
        """No rows."""
        return cls(torch.empty(0, dtype=torch.long), torch.empty(0))


def nearest(
    vectors: Vectors,
    query: Float[Tensor, " d"],
    *,
    k: int,
    without: tuple[int, ...] = (),
    allowed: Bool[Tensor, " n"] | None = None,
    among: Int[Tensor, " c"] | None = None,
) -> Candidates:
    """The `k` rows of `vectors` (fewer if there are fewer) most like `query`, less the rows `without`.

    With `allowed`, only rows where it is True; with `among`, only those rows, and no other is compared. Equal scores
    keep the order of the rows, so an answer never depends on how a partial sort breaks ties. Raises `ScoreError` if
    any score is not finite.
    """
    places = None if among is None else among.sort().values
    scores = vectors.products(query, places)
    if not torch.isfinite(scores).all():
        raise ScoreError("shortlist scores are not finite; the query or a stored vector is damaged. Index again.")
    left_out = _left_out(places, len(scores), without, allowed)
    if left_out is not None:
        scores = scores.masked_fill(left_out, -torch.inf)
    k = min(k, len(scores) - (0 if left_out is None else int(left_out.sum())))
    if k <= 0:
        return Candidates.none()
    worst = scores.topk(k).values[-1]
    rows = (scores >= worst).nonzero().squeeze(1)
    rows = rows[scores[rows].argsort(descending=True, stable=True)][:k]
    return Candidates(rows if places is None else places[rows], scores[rows])


def _left_out(
    places: Int[Tensor, " c"] | None, count: int, without: tuple[int, ...], allowed: Bool[Tensor, " n"] | None
) -> Bool[Tensor, " c"] | None:
    """Which of the compared rows may not be found; None if all may."""
    if allowed is None and not without:
        return None
    rows = torch.arange(count) if places is None else places
    gone = torch.isin(rows, torch.tensor(without, dtype=torch.long))
    return gone if allowed is None else gone | ~allowed[rows]
