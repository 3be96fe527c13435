"""Rows drawn at random from several sources, each of which has its share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def shared_out(
    sources: Int[np.ndarray, " n"], weights: Sequence[float], count: int, rng: np.random.Generator
) -> list[int]:
    """At most `count` rows in their order, shared out by the weight of their source.

    What a small source lacks, the others have; of one without weight there are none.
    """
    rows: list[int] = []
    groups = [(np.flatnonzero(sources == place), weight) for place, weight in enumerate(weights) if weight]
    groups.sort(key=lambda one: len(one[0]) / one[1])
    left = sum(weight for _, weight in groups)
    for group, weight in groups:
        take = min(len(group), round((count - len(rows)) * weight / left))
        rows += rng.choice(group, take, replace=False).tolist()
        left -= weight
    return sorted(rows)
