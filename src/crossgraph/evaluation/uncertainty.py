"""How sure a number is: a bootstrap interval over the queries of one run, and the spread over runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.errors import ScoreError
from crossgraph.evaluation.metrics import CUTOFFS, DIRECTIONS, Answers, RetrievalMetrics


@dataclass(frozen=True)
class Interval:
    """Where a number would fall for other pictures of the same kind, in a share `level` of cases."""

    low: float
    high: float
    level: float


def bootstrap_interval(
    answers: Answers,
    caption_image: Int[np.ndarray, " m"],
    *,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile intervals of every recall, `rsum` and `mr`, under the names of `RetrievalMetrics.values`.

    Pictures are drawn with replacement and bring their captions, since the captions of one picture succeed and fail
    together; drawing captions singly would make intervals too narrow. The gallery stays as it is: only the choice
    of queries varies. Needs no ranking: every sample is a weighted mean of per-query hits.
    """
    links = torch.tensor(caption_image)
    n = len(answers.image_to_text.above)
    images, captions = answers.image_to_text, answers.text_to_image
    table = torch.cat(
        [
            torch.stack([images.answerable.double(), *(images.hits(k) for k in CUTOFFS)], 1),
            torch.zeros(n, 1 + len(CUTOFFS), dtype=torch.float64).index_add(
                0, links, torch.stack([captions.answerable.double(), *(captions.hits(k) for k in CUTOFFS)], 1)
            ),
        ],
        1,
    )
    totals = _resampled_totals(table, samples=samples, seed=seed).view(samples, len(DIRECTIONS), -1)
    queries, hits = totals[:, :, :1], totals[:, :, 1:]
    recalls = (100 * hits / queries)[(queries > 0).all(1).all(1)].flatten(1)
    rsum = recalls.sum(1, keepdim=True)
    drawn = torch.cat([recalls, rsum, rsum / 6], 1)
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = drawn.quantile(ends, dim=0).tolist()
    names = [f"{direction}_r{k}" for direction in DIRECTIONS for k in CUTOFFS] + ["rsum", "mr"]
    return {name: Interval(a, b, level) for name, a, b in zip(names, low, high, strict=True)}


def _resampled_totals(table: Float[Tensor, "n c"], *, samples: int, seed: int) -> Float[Tensor, "s c"]:
    """Column sums over as many rows as there are, drawn with replacement, once per sample."""
    generator = torch.Generator().manual_seed(seed)
    n = table.shape[0]
    weights = (torch.randint(n, (n,), generator=generator).bincount(minlength=n) for _ in range(samples))
    return torch.stack([drawn.double() @ table for drawn in weights])


@dataclass(frozen=True)
class Summary:
    """Mean of every measure over runs, and the sample deviation (None for a single run, which has none)."""

    mean: dict[str, float]
    deviation: dict[str, float] | None
    runs: int


def summarise(runs: Sequence[RetrievalMetrics]) -> Summary:
    """Mean and deviation over the runs of different seeds, of every measure in `RetrievalMetrics.values`."""
    return summarise_values([run.values() for run in runs])


def summarise_values(runs: Sequence[Mapping[str, float]]) -> Summary:
    """Mean and deviation of every named number; all runs must have the same names."""
    if not runs:
        raise ScoreError("there are no runs to summarise; give at least one.")
    columns = {name: [run[name] for run in runs] for name in runs[0]}
    return Summary(
        {name: fmean(column) for name, column in columns.items()},
        {name: stdev(column) for name, column in columns.items()} if len(runs) > 1 else None,
        len(runs),
    )
