"""How sure a number is: bootstrap intervals over queries, of one run or of a difference, and the spread over runs."""

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

MEASURED = (*(f"{direction}_r{k}" for direction in DIRECTIONS for k in CUTOFFS), "rsum", "mr")
"""What has an interval, under the names of `RetrievalMetrics.values`."""


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
    return _intervals(_recalls_of(_sums(hits_by_picture(answers, caption_image), samples, seed)), level)


def paired_intervals(
    ours: Sequence[Float[Tensor, "_ 2 4"]],
    theirs: Sequence[Float[Tensor, "_ 2 4"]],
    *,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile intervals of what the mean recalls of one recipe's runs exceed another's by, under the same names.

    Both sides (`hits_by_picture` of each run) answer the same queries, and every sample draws the same pictures for
    both: what makes a query easy for either cancels, so the interval is narrower than that of either number. It says
    how sure a difference is for other queries, not for other seeds. Raises `ScoreError` unless all are of as many
    pictures and of the same queries.
    """
    tables = [*ours, *theirs]
    if not ours or not theirs or any(not torch.equal(table[..., 0], tables[0][..., 0]) for table in tables):
        raise ScoreError("a paired interval compares runs that answered the same queries; evaluate both on one split.")
    mean, other = torch.stack(tuple(ours)).mean(0), torch.stack(tuple(theirs)).mean(0)
    drawn = [_recalls_of(_sums(table, samples, seed)) for table in (mean, other)]
    return _intervals(drawn[0] - drawn[1], level)


def paired_mean_intervals(
    ours: Sequence[Mapping[str, Float[np.ndarray, " _"]]],
    theirs: Sequence[Mapping[str, Float[np.ndarray, " _"]]],
    *,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """The same for means over queries, such as mAP: of each direction, and under `mean` of the mean of all.

    A run is the value of every query by direction, not a number for queries that are left out. Directions with as many
    queries are taken to ask of the same pictures, in one order, and draw them together. Raises `ScoreError` unless all
    runs leave out the same queries.
    """
    runs = [*ours, *theirs]
    if not ours or not theirs or any(_asked(run) != _asked(runs[0]) for run in runs):
        raise ScoreError("a paired interval compares runs that answered the same queries; evaluate both on one split.")
    found: dict[str, Float[np.ndarray, " _"]] = {}
    for name in runs[0]:
        gain = np.mean([run[name] for run in ours], axis=0) - np.mean([run[name] for run in theirs], axis=0)
        generator, n = np.random.default_rng(seed), len(gain)
        drawn = np.stack([gain[generator.integers(0, n, n)] for _ in range(samples)])
        # a sample that asks nothing says nothing
        found[name] = np.ma.masked_invalid(drawn).mean(axis=1).filled(np.nan)
    found["mean"] = np.mean(list(found.values()), axis=0)
    ends = [(1 - level) / 2, (1 + level) / 2]
    bounds = {name: np.nanquantile(values, ends) for name, values in found.items()}
    return {name: Interval(float(low), float(high), level) for name, (low, high) in bounds.items()}


def _asked(run: Mapping[str, Float[np.ndarray, " _"]]) -> dict[str, bytes]:
    """Which queries of each direction have a value."""
    return {name: np.isnan(values).tobytes() for name, values in run.items()}


def hits_by_picture(answers: Answers, caption_image: Int[np.ndarray, " m"]) -> Float[Tensor, "n 2 4"]:
    """What each picture brings to either direction, as query and by its captions: how many queries with an answer, and
    how many hits at each of `CUTOFFS`. All that a bootstrap over pictures needs of a run."""
    links, n = torch.tensor(caption_image), len(answers.image_to_text.above)
    images, captions = (
        torch.stack([side.answerable.double(), *(side.hits(k) for k in CUTOFFS)], 1)
        for side in (answers.image_to_text, answers.text_to_image)
    )
    of_captions = torch.zeros(n, 1 + len(CUTOFFS), dtype=torch.float64).index_add(0, links, captions)
    return torch.stack([images, of_captions], 1)


def _recalls_of(totals: Float[Tensor, "s 2 4"]) -> Float[Tensor, "_ 8"]:
    """The recalls of summed `hits_by_picture`, in percent, their sum and their mean, in the order of `MEASURED`; rows
    in which a direction asked nothing are left out."""
    queries, hits = totals[..., :1], totals[..., 1:]
    recalls = (100 * hits / queries)[(queries > 0).all(1).all(1)].flatten(1)
    rsum = recalls.sum(1, keepdim=True)
    return torch.cat([recalls, rsum, rsum / 6], 1)


def _intervals(drawn: Float[Tensor, "s 8"], level: float) -> dict[str, Interval]:
    """The middle `level` of every column."""
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = drawn.quantile(ends, dim=0).tolist()
    return {name: Interval(a, b, level) for name, a, b in zip(MEASURED, low, high, strict=True)}


def _sums(hits: Float[Tensor, "n 2 4"], samples: int, seed: int) -> Float[Tensor, "s 2 4"]:
    """Sums over as many pictures as there are, drawn with replacement, once per sample."""
    return _resampled_totals(hits.flatten(1), samples=samples, seed=seed).view(samples, *hits.shape[1:])


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
