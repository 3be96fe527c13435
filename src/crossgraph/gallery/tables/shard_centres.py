"""The centres of lists: k-means of a sample of rows, as vectors of unit length or as codes.

Lance finds centres itself, faster, but for more than 256 lists by splitting, which leaves more of what is near in other
lists (`bench/disk/engines.py`).
"""

from __future__ import annotations

import warnings

import lance
import numpy as np
from numpy.typing import NDArray

from crossgraph.gallery.tables.fixed_columns import fixed_rows

SAMPLE = 64  # rows a list that centres are learned of
ROUNDS = 10


def centres_of(dataset: lance.LanceDataset, column: str, *, lists: int, seed: int = 0) -> NDArray[np.generic]:
    """The centres of so many lists, of the kind that the rows of the column are: floats, or codes."""
    total = dataset.count_rows()
    chosen = np.sort(np.random.default_rng(seed).choice(total, min(total, SAMPLE * lists), replace=False))
    return centres(fixed_rows(dataset.take(chosen.tolist(), columns=[column])[column]), lists=lists, seed=seed)


def centres(rows: NDArray[np.generic], *, lists: int, seed: int = 0) -> NDArray[np.generic]:
    """The centres of `rows`, of which there are more than lists: of their directions, or of bits as +1 and -1."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    are_codes = rows.dtype == np.uint8
    values = np.unpackbits(rows.astype(np.uint8), axis=1) * np.float32(2) - 1 if are_codes else rows.astype(np.float32)
    learner = KMeans(lists, init="random", n_init=1, max_iter=ROUNDS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer rows differ than there are lists: some stay empty
        found = learner.fit(_unit(values)).cluster_centers_
    return np.packbits(found > 0, axis=1) if are_codes else _unit(found).astype(np.float32)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found
