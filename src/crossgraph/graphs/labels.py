"""Graphs between labels: by the texts that go with them, or by how often they occur together."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from crossgraph.graphs.descriptors import Rows


def label_similarity(descriptors: Rows, labels: Bool[Tensor, "n c"]) -> Float[Tensor, "c c"]:
    """Cosines of labels, none below 0: a label is the mean text of the pictures that have it. 1 along the diagonal.

    A label that no picture has is like no other.
    """
    has = labels.numpy().astype(np.float32)
    totals = torch.from_numpy(np.asarray((descriptors.T @ has).T, dtype=np.float32))
    prototypes = F.normalize(totals, dim=1)
    return (prototypes @ prototypes.T).clamp(0.0, 1.0).fill_diagonal_(1.0)


def text_guided_edges(similarity: Float[Tensor, "c c"], *, least: float) -> Float[Tensor, "c c"]:
    """Similarities of at least `least`, the others 0; 1 along the diagonal."""
    return (similarity * (similarity >= least)).fill_diagonal_(1.0)


def cooccurrence_edges(labels: Bool[Tensor, "n c"], *, least: float) -> Float[Tensor, "c c"]:
    """1 between labels of which either, where it occurs, has the other beside it at least so often; diagonal 1.

    The share is count(i and j) / count(i) (Chen 2019, ML-GCN); made symmetric by the larger of the two.
    """
    together = labels.float().T @ labels.float()
    share = together / together.diagonal().clamp(min=1.0)[:, None]
    joined = (torch.maximum(share, share.T) >= least).float()
    return joined.fill_diagonal_(1.0)
