"""The dense shortlist: one matrix in memory, exact nearest rows by inner product.

At gallery sizes that fit in memory, the product with every row beats an approximate index and never misses; larger
ones have codes (`stages.codes`), and only the rows that those name are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from crossgraph.errors import ScoreError


@runtime_checkable
class Vectors(Protocol):
    """Rows of numbers, in memory or on disk."""

    def products(
        self, query: Float[np.ndarray, " d"], rows: Int[np.ndarray, " k"] | None = None
    ) -> Float[np.ndarray, " m"]:
        """The inner products of a query with some rows, or all."""


@dataclass(frozen=True)
class Candidates:
    """Rows of the matrix, best first, and their scores, here inner products with the query."""

    rows: Int[np.ndarray, " k"]
    scores: Float[np.ndarray, " k"]

    @classmethod
    def none(cls) -> Candidates:
        """No rows."""
        return cls(np.empty(0, np.int64), np.empty(0, np.float32))

    def followed_by(self, rows: Int[np.ndarray, " j"], scores: Float[np.ndarray, " j"]) -> Candidates:
        """These and, behind them, others."""
        return Candidates(np.concatenate([self.rows, rows]), np.concatenate([self.scores, scores]))


def best_first(scores: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Places in the order of falling scores; equal ones keep their order."""
    return np.argsort(-scores, kind="stable")


def nearest(
    vectors: Vectors,
    query: Float[np.ndarray, " d"],
    *,
    k: int,
    without: tuple[int, ...] = (),
    allowed: Bool[np.ndarray, " n"] | None = None,
    among: Int[np.ndarray, " c"] | None = None,
) -> Candidates:
    """The `k` rows of `vectors` (fewer if there are fewer) most like `query`, less the rows `without`.

    With `allowed`, only rows where it is True; with `among`, only those rows, and no other is compared. Equal scores
    keep the order of the rows, so an answer never depends on how a partial sort breaks ties. Raises `ScoreError` if
    any score is not finite.
    """
    places = None if among is None else np.sort(among)
    scores = vectors.products(query, places)
    if not np.isfinite(scores).all():
        raise ScoreError("shortlist scores are not finite; the query or a stored vector is damaged. Index again.")
    left_out = _left_out(places, len(scores), without, allowed)
    if left_out is not None:
        scores = np.where(left_out, np.float32(-np.inf), scores)
    k = min(k, len(scores) - (0 if left_out is None else int(left_out.sum())))
    if k <= 0:
        return Candidates.none()
    worst = np.partition(scores, len(scores) - k)[len(scores) - k]
    rows = (scores >= worst).nonzero()[0]
    rows = rows[best_first(scores[rows])][:k]
    return Candidates(rows if places is None else places[rows], scores[rows])


def _left_out(
    places: Int[np.ndarray, " c"] | None, count: int, without: tuple[int, ...], allowed: Bool[np.ndarray, " n"] | None
) -> Bool[np.ndarray, " c"] | None:
    """Which of the compared rows may not be found; None if all may."""
    if allowed is None and not without:
        return None
    rows = np.arange(count) if places is None else places
    gone = np.isin(rows, without)
    return gone if allowed is None else gone | ~allowed[rows]
