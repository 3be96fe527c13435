"""Groups of pictures that are told of alike, found by their descriptors alone."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Int
from torch import Tensor

from crossgraph.graphs.descriptors import Rows

ROUNDS = 20
"""Of k-means; groups need not be the best ones."""


def text_groups(descriptors: Rows, *, count: int) -> Int[Tensor, " n"]:
    """The group of each row, of at most `count`, numbered from 0: k-means of rows of unit length."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    count = min(count, descriptors.shape[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than groups: some stay empty
        found = KMeans(count, n_init=1, max_iter=ROUNDS, random_state=0).fit(descriptors)
    return torch.from_numpy(found.labels_).long()
