"""Rows drawn at random from several sources, each of which has its share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from crossgraph.data.corpus import Corpus


def drawn_rows(
    corpus: Corpus,
    images: int,
    captions: int,
    rng: np.random.Generator,
    *,
    shares: Mapping[str, float] | None = None,
) -> tuple[list[int], list[int]]:
    """Rows of at most so many pictures and so many captions, of each source in proportion to its share, in their order.

    Without `shares` all sources have equal ones; a source that is not named then has none.
    """
    of_images = np.zeros(len(corpus), np.int64) if corpus.sources is None else corpus.sources
    of_captions = of_images[corpus.caption_image]
    names = corpus.source_names if corpus.sources is not None else (corpus.name,)
    weights = [shares.get(name, 0.0) if shares else 1.0 for name in names]
    return shared_out(of_images, weights, images, rng), shared_out(of_captions, weights, captions, rng)


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
