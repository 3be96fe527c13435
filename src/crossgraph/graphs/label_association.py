"""Which labels come together: a graph over labels from how often a picture has both."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def label_association(
    labels: Bool[Tensor, "n c"], *, threshold: float = 0.4, share: float = 0.25
) -> Float[Tensor, "c c"]:
    """The normalised adjacency of the co-occurrence graph of labels *(Chen 2019, ML-GCN)*.

    Label i is joined to j where at least `threshold` of the pictures with i have j too. The ones that arrive at a
    label are scaled to sum to `share`, which keeps a label mostly itself; with itself added, the matrix A becomes
    D^-1/2 A^T D^-1/2, D being its row sums. Labels that never meet give the identity.
    """
    counts = labels.float().T @ labels.float()
    alone = counts.diagonal().clone()
    joined = (counts / alone.clamp(min=1)[:, None] >= threshold).float()
    joined.fill_diagonal_(0.0)
    scaled = joined * share / (joined.sum(dim=0, keepdim=True) + 1e-6)
    adjacency = scaled + torch.eye(len(counts), device=labels.device)
    shrink = adjacency.sum(dim=1).rsqrt()
    return shrink[:, None] * adjacency.T * shrink[None, :]
