"""Search by Hamming radius: precision and recall of all items within a distance, under every published average.

A query that gets nothing has no precision, and repositories disagree about what to do with it; each way has its name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossgraph.evaluation.tie_groups import TieGroups


@dataclass(frozen=True)
class RadiusTable:
    """One number a radius, from 0 to the number of bits.

    Precision, by what a query counts that gets nothing: `precision_empty_zero`: 0. `precision_empty_skipped`: such
    queries are left out. `precision_hits_only`: so are those that get nothing relevant. `precision_pooled`: all
    relevant items found over all items returned (micro). `recall` is the mean over queries that have a relevant item,
    `recall_pooled` all found over all there are. `nothing_returned` counts queries.
    """

    precision_empty_zero: tuple[float, ...]
    precision_empty_skipped: tuple[float, ...]
    precision_hits_only: tuple[float, ...]
    precision_pooled: tuple[float, ...]
    recall: tuple[float, ...]
    recall_pooled: tuple[float, ...]
    nothing_returned: tuple[int, ...]


def by_radius(groups: TieGroups) -> RadiusTable:
    """The table of rankings whose group i is distance i (`hamming.hamming_groups`). A mean over no query is 0."""
    returned, found = groups.items.cumsum(1), groups.relevant.cumsum(1)
    total = groups.found[:, None]
    precision, recall = found / np.maximum(returned, 1), found / np.maximum(total, 1)
    return RadiusTable(
        precision_empty_zero=_numbers(precision.mean(0)),
        precision_empty_skipped=_numbers(_mean_where(precision, returned > 0)),
        precision_hits_only=_numbers(_mean_where(precision, found > 0)),
        precision_pooled=_numbers(found.sum(0) / np.maximum(returned.sum(0), 1)),
        recall=_numbers(_mean_where(recall, np.broadcast_to(total > 0, recall.shape))),
        recall_pooled=_numbers(found.sum(0) / max(int(total.sum()), 1)),
        nothing_returned=tuple((returned == 0).sum(0).tolist()),
    )


def _mean_where(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    mean: np.ndarray = np.where(kept, values, 0).sum(0) / np.maximum(kept.sum(0), 1)
    return mean


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(values.tolist())
