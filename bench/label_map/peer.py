"""The slow peer: expected-tie mAP@all from full matrices, sorted, as matrix evaluators of hashing papers do.

One table of distances, one of relevance, one sort of every row; kept to be measured against, not to be used.
"""

from __future__ import annotations

import numpy as np


def mean_average_precision(
    queries: np.ndarray, gallery: np.ndarray, query_labels: np.ndarray, gallery_labels: np.ndarray
) -> float:
    """Codes and labels are tables of truth values, one row an item."""
    signs, others = (np.where(codes, 1, -1).astype(np.float32) for codes in (queries, gallery))
    distances = (signs.shape[1] - signs @ others.T) / 2
    relevant = query_labels.astype(np.float32) @ gallery_labels.astype(np.float32).T > 0
    order = np.argsort(distances, axis=1)
    distances = np.take_along_axis(distances, order, axis=1)
    relevant = np.take_along_axis(relevant, order, axis=1)
    return float(np.mean([_expected(*row) for row in zip(distances, relevant, strict=True)]))


def _expected(distances: np.ndarray, relevant: np.ndarray) -> float:
    """One query's expected AP: every rank takes the mean of its tied group."""
    n = len(distances)
    total = int(relevant.sum())
    if not total:
        return 0.0
    starts = np.flatnonzero(np.concatenate([[True], distances[1:] != distances[:-1]]))
    sizes = np.diff(np.append(starts, n))
    right = np.add.reduceat(relevant, starts, dtype=np.int64)
    before = np.repeat(np.cumsum(right) - right, sizes)
    place = np.arange(n) - np.repeat(starts, sizes)
    size, share = np.repeat(sizes, sizes), np.repeat(right, sizes)
    others = place * (share - 1) / np.maximum(size - 1, 1)
    return float((share / size * (before + 1 + others) / np.arange(1, n + 1)).sum() / total)
