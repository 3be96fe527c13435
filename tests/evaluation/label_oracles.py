"""Slow and obvious versions of the metrics of labels, for one ranking of which the order is known."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise, permutations

import numpy as np


def slow_average_precision(relevant: list[int], k: int | None = None, normaliser: str = "min_k_r") -> float:
    """Average precision of a ranking, best first."""
    total, hits, precisions = sum(relevant), 0, []
    for rank, right in enumerate(relevant, start=1):
        if right:
            hits += 1
            precisions.append((rank, hits / rank))
    if not total:
        return 0.0
    k = len(relevant) if k is None else k
    if normaliser == "first_relevant":
        return float(np.mean([precision for _, precision in precisions[: min(k, total)]]))
    inside = [precision for rank, precision in precisions if rank <= k]
    divisor = {"min_k_r": min(k, total), "r": total, "k": k, "hits": len(inside)}[normaliser]
    return sum(inside) / divisor if divisor else 0.0


def slow_ndcg(shared: list[int], k: int) -> float:
    """NDCG of a ranking, best first, from how many labels each item shares."""

    def dcg(order: list[int]) -> float:
        return sum((2.0**s - 1) / math.log2(1 + rank) for rank, s in enumerate(order[:k], start=1))

    best = dcg(sorted(shared, reverse=True))
    return dcg(shared) / best if best else 0.0


def orders_of_ties(scores: list[float], shared: list[int]) -> Iterator[list[int]]:
    """`shared` in every order, best first, that respects the scores."""
    for order in permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in pairwise(order)):
            yield [shared[i] for i in order]


def mean_over_orders(scores: list[float], shared: list[int], measure: Callable[[list[int]], float]) -> float:
    """The mean of `measure` over all orders of tied items."""
    return float(np.mean([measure(order) for order in orders_of_ties(scores, shared)]))
