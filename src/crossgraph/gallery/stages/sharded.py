"""Nearest rows of what stays on disk: lists of shards are probed, and what is nearest in them is exact.

Probing every list gives what a search of everything in memory gives, to the last tie: Lance names all rows that may be
among the nearest, and their order is made here as it is there. Of rows that a filter keeps, as many are found as are
asked for, if there are so many: more lists are probed where those first probed hold too few.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import NDArray

from crossgraph.gallery.stages.code_index import Codes, agreement, hamming
from crossgraph.gallery.stages.shortlist import Candidates, nearest
from crossgraph.gallery.tables.disk_matrix import DiskMatrix

SHARE = 16
"""One of so many lists is probed where nothing else is said."""

FETCHED = 10_000
"""Rows that a filter keeps, as few as these, are all compared."""

SPARE = 64  # more than are wanted, because distances tie
ROUNDING = 1e-5  # how far two ways to round the inner product of vectors of unit length are apart at most


def probed(matrix: DiskMatrix, probes: int | None) -> int:
    """How many lists of every shard are probed if `probes` are asked for; 0 where there are no shards."""
    lists = 0 if matrix.shards is None else matrix.shards.lists
    return min(lists, math.ceil(lists / SHARE) if probes is None else probes)


def compared(matrix: DiskMatrix, probes: int | None) -> int:
    """About how many rows are compared, as if all lists were equally long."""
    if matrix.shards is None:
        return len(matrix)
    inside = min(matrix.shards.rows, len(matrix))
    return len(matrix) - inside + round(inside * probed(matrix, probes) / matrix.shards.lists)


def nearest_in_shards(
    vectors: DiskMatrix,
    query: Float[np.ndarray, " d"],
    *,
    k: int,
    probes: int | None = None,
    without: tuple[int, ...] = (),
    allowed: Bool[np.ndarray, " n"] | None = None,
) -> Candidates:
    """What `shortlist.nearest` gives, of the rows in the probed lists and of those that are in no shard yet."""
    few = _few(allowed)
    if few is None:
        slack = ROUNDING * max(1.0, float(np.linalg.norm(query)))
        rows, _ = _near(vectors, query, k, probes=probes, without=without, allowed=allowed, slack=slack)
        few = rows
    return nearest(vectors, query, k=k, without=without, among=few)


class ShardedCodes(Codes[DiskMatrix]):
    """Codes on disk, searched by their shards."""

    def nearest(
        self,
        query: UInt8[np.ndarray, " bytes"],
        *,
        k: int,
        probes: int | None = None,
        without: tuple[int, ...] = (),
        allowed: Bool[np.ndarray, " n"] | None = None,
    ) -> Candidates:
        """What `CodeIndex.nearest` gives, of the rows in the probed lists and of those that are in no shard yet."""
        few = _few(allowed)
        if few is None:
            rows, distances = _near(self.codes, query, k, probes=probes, without=without, allowed=allowed, slack=0.0)
        else:
            rows = np.setdiff1d(few, without)
            distances = hamming(self.codes[rows], query)
        best = np.lexsort((rows, distances))[: max(k, 0)]
        scores = agreement(distances[best].astype(np.int64), self.bits)
        return Candidates(rows[best], scores)


def _few(allowed: Bool[np.ndarray, " n"] | None) -> Int[np.ndarray, " f"] | None:
    """The rows that a filter keeps, if they are few."""
    if allowed is None or int(allowed.sum()) > FETCHED:
        return None
    return allowed.nonzero()[0]


def _near(
    matrix: DiskMatrix,
    query: NDArray[np.float32] | NDArray[np.uint8],
    k: int,
    *,
    probes: int | None,
    without: tuple[int, ...],
    allowed: Bool[np.ndarray, " n"] | None,
    slack: float,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """All rows of the probed lists that are, or within `slack` may be, among the `k` nearest, and their distances."""
    may = np.ones(len(matrix), np.bool_) if allowed is None else allowed.copy()
    may[list(without)] = False
    left = int(may.sum())
    k = min(k, left)
    if k <= 0:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    lists, probes = probed(matrix, 2**31), probed(matrix, probes)
    count = math.ceil((k + SPARE) * len(matrix) / left)
    while True:
        rows, distances, reach = matrix.near(query, count=count, probes=probes)
        kept = may[rows]
        rows, distances = rows[kept], distances[kept]
        if len(rows) >= k and distances[k - 1] + 2 * slack < reach:
            near = distances <= distances[k - 1] + 2 * slack
            return rows[near], distances[near]
        if math.isinf(reach):
            if len(rows) >= k or probes >= lists:
                return rows, distances
            probes = min(lists, 2 * probes)
        else:
            count *= 4
