"""Label retrieval: average precision, precision at N and NDCG of every query, exact under ties.

Each function takes rankings as `TieGroups` and gives one number a query: the mean over all orders of tied items, by
closed forms, never by sorting them. c_i is how many of the first i items are relevant, R how many there are in all;
a query without any relevant item gets 0, and whether it counts is for `mean_over` to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int

from crossgraph.errors import ConfigError, unknown_name
from crossgraph.evaluation.tie_groups import TieGroups

Normaliser = Literal["hits", "min_k_r", "r", "k", "first_relevant"]
NORMALISERS: tuple[Normaliser, ...] = get_args(Normaliser)
"""What published code divides the sum of precisions at relevant ranks up to k by (`average_precision_at`)."""

EmptyQueries = Literal["zero", "drop"]


def mean_over(values: Float[np.ndarray, " q"], answerable: Bool[np.ndarray, " q"], *, empty: EmptyQueries) -> float:
    """The mean over queries: those without a relevant item count as 0, or are dropped. NaN when none is left."""
    kept = values if empty == "zero" else values[answerable]
    return float(kept.mean()) if len(kept) else float("nan")


def average_precision(groups: TieGroups) -> Float[np.ndarray, " q"]:
    """AP@all: (1/R) sum of c_i/i over the ranks i of relevant items."""
    return _share(_precision_sums(groups, groups.items).sum(1), groups.found)


def average_precision_at(groups: TieGroups, k: int, *, normaliser: Normaliser = "min_k_r") -> Float[np.ndarray, " q"]:
    """AP@k: the sum of c_i/i over the relevant ranks i <= k, divided by the chosen number.

    `min_k_r` (recommended): min(k, R). `r`: R; bounded well below 1 where R is much larger than k. `k`: k. `hits`:
    c_k, which rewards missing all but the first. `first_relevant` is no top-k measure: the mean precision at the first
    min(k, R) relevant items wherever they are.
    """
    if k < 1:
        raise ConfigError(f"average precision needs at least one rank; got k={k}.")
    if normaliser == "hits":
        return _over_hits(groups, k)
    if normaliser == "first_relevant":
        return _over_first_relevant(groups, k)
    total = groups.found
    divisors = {"min_k_r": np.minimum(total, k), "r": total, "k": np.full_like(total, k)}
    if normaliser not in divisors:
        raise ConfigError(unknown_name("normaliser", normaliser, NORMALISERS))
    return _share(_precision_sums(groups, groups.first(k)).sum(1), divisors[normaliser])


def precision_at(groups: TieGroups, n: int) -> Float[np.ndarray, " q"]:
    """P@N = c_N / N, also where the gallery has fewer than N items."""
    return hits_at(groups, [n])[:, 0] / n


def hits_at(groups: TieGroups, ranks: Sequence[int]) -> Float[np.ndarray, "q k"]:
    """Expected c_i at each of `ranks`: how many of the first i items are relevant. It grows evenly inside a tied group.

    Raises `ConfigError` for a rank below 1.
    """
    if min(ranks, default=1) < 1:
        raise ConfigError(f"ranks begin at 1; got {min(ranks)}.")
    ends, found = (np.pad(counts.cumsum(1), ((0, 0), (1, 0))) for counts in (groups.items, groups.relevant))
    rows = [np.interp(ranks, end, hits) for end, hits in zip(ends, found, strict=True)]
    return np.array(rows).reshape(len(groups), len(ranks))


def ndcg_at(groups: TieGroups, k: int | None = None) -> Float[np.ndarray, " q"]:
    """NDCG@k: the sum of (2^s - 1)/log2(1 + i) over ranks i <= k, divided by that of the best order.

    s is how many labels item i shares with the query.
    """
    gallery = int(groups.shared.sum(1).max(initial=0))
    k = gallery if k is None else k
    discounts = np.concatenate([[0.0], (1 / np.log2(np.arange(2, gallery + 2))).cumsum()])
    before, first = groups.before()[0], groups.first(k)
    gained = _share(groups.gain, groups.items) * (discounts[before + first] - discounts[before])
    levels = groups.shared[:, :0:-1]
    end = np.minimum(levels.cumsum(1), k)
    start = np.minimum(levels.cumsum(1) - levels, k)
    best = ((np.exp2(np.arange(levels.shape[1], 0, -1)) - 1) * (discounts[end] - discounts[start])).sum(1)
    return _share(gained.sum(1), best)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part of whole, 0 where the whole is 0."""
    result: np.ndarray = np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
    return result


def _harmonic(n: int) -> Float[np.ndarray, " n_and_one"]:
    """H_0 .. H_n, where H_i = 1 + 1/2 + ... + 1/i."""
    return np.concatenate([[0.0], (1 / np.arange(1, n + 1)).cumsum()])


def _precision_sums(groups: TieGroups, first: Int[np.ndarray, "q g"]) -> Float[np.ndarray, "q g"]:
    """For each group, the expected sum of c_i/i over the relevant among its `first` items."""
    items_before, relevant_before = groups.before()
    harmonic = _harmonic(int(groups.items.sum(1).max(initial=0)))
    return _expected_sum(items_before, relevant_before, groups.items, groups.relevant, first, harmonic)


def _expected_sum(
    items_before: np.ndarray,
    relevant_before: np.ndarray,
    items: np.ndarray,
    relevant: np.ndarray,
    first: np.ndarray,
    harmonic: Float[np.ndarray, " h"],
) -> np.ndarray:
    """The expected sum of c_i/i over the relevant among the `first` items of a tied group, in random order.

    The i-th item of a group of n with r relevant is relevant with chance r/n, and then (i-1)(r-1)/(n-1) relevant
    ones of the group are expected before it. Summed over i, only differences of harmonic numbers are left.
    """
    reciprocals = harmonic[items_before + first] - harmonic[items_before]
    others = _share(relevant - 1, items - 1)
    sums: np.ndarray = _share(relevant, items) * (
        (relevant_before + 1) * reciprocals + others * (first - (items_before + 1) * reciprocals)
    )
    return sums


def _over_hits(groups: TieGroups, k: int) -> Float[np.ndarray, " q"]:
    """The expectation of (sum of c_i/i up to k) / c_k; where k cuts a tied group, over how many hits fall inside."""
    first, (items_before, relevant_before) = groups.first(k), groups.before()
    harmonic = _harmonic(int(groups.items.sum(1).max(initial=0)))
    sums = _precision_sums(groups, first)
    whole = first == groups.items
    above, hits_above = np.where(whole, sums, 0).sum(1), np.where(whole, groups.relevant, 0).sum(1)
    result = _share(above, hits_above)
    choose = _LogChoose(int(groups.items.max(initial=0)))
    cuts = (first > 0) & ~whole
    for query, group in zip(*np.nonzero(cuts), strict=True):
        n, r, m = (int(of[query, group]) for of in (groups.items, groups.relevant, first))
        hits = np.arange(max(0, m - (n - r)), min(m, r) + 1)
        chance = np.exp(choose(r, hits) + choose(n - r, m - hits) - choose(n, m))
        before, known = int(items_before[query, group]), int(relevant_before[query, group])
        ahead, right, size = (np.full_like(hits, count) for count in (before, known, m))
        inside = _expected_sum(ahead, right, size, hits, size, harmonic)
        result[query] = (chance * _share(above[query] + inside, known + hits)).sum()
    return result


def _over_first_relevant(groups: TieGroups, k: int) -> Float[np.ndarray, " q"]:
    """The expected mean precision at the first min(k, R) relevant items.

    Where the last of them is inside a tied group of n with r relevant, the j-th relevant one is at place i with
    chance C(i-1, j-1) C(n-i, r-j) / C(n, r).
    """
    total, (items_before, relevant_before) = np.minimum(groups.found, k), groups.before()
    missing = total[:, None] - relevant_before
    whole = groups.relevant <= missing
    sums = np.where(whole, _precision_sums(groups, groups.items), 0).sum(1)
    choose = _LogChoose(int(groups.items.max(initial=0)))
    for query, group in zip(*np.nonzero(~whole & (missing > 0)), strict=True):
        n, r, wanted = (int(of[query, group]) for of in (groups.items, groups.relevant, missing))
        before, known = int(items_before[query, group]), int(relevant_before[query, group])
        for j in range(1, wanted + 1):
            places = np.arange(j, n - r + j + 1)
            chance = np.exp(choose(places - 1, j - 1) + choose(n - places, r - j) - choose(n, r))
            sums[query] += (chance * (known + j) / (before + places)).sum()
    return _share(sums, total)


class _LogChoose:
    """Logarithms of binomial coefficients up to a largest n."""

    def __init__(self, largest: int) -> None:
        self.factorials = np.concatenate([[0.0], np.log(np.arange(1, largest + 1)).cumsum()])

    def __call__(self, n: np.ndarray | int, k: np.ndarray | int) -> np.ndarray:
        return np.asarray(self.factorials[n] - self.factorials[k] - self.factorials[n - k])
