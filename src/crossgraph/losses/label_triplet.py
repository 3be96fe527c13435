"""A hinge over labels: items of a shared label must be nearer than items of none."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def label_triplet_loss(
    queries: Float[Tensor, "q d"],
    keys: Float[Tensor, "k d"],
    query_labels: Bool[Tensor, "q c"],
    key_labels: Bool[Tensor, "k c"],
    *,
    margin: float = 0.3,
) -> Float[Tensor, ""]:
    """The mean violation of all (query, near, far) triplets that violate `margin`; 0 where none does.

    All vectors have unit length. Near are the keys and the other queries that share a label with the query, far those
    that share none; every such triplet of the batch counts alike ("batch all", Hermans 2017). Siblings: `triplet_loss`
    for pairs, `parametric_contrastive_loss` for labels without a margin.
    """
    scores = queries @ torch.cat([queries, keys]).T
    near = query_labels.float() @ torch.cat([query_labels, key_labels]).float().T > 0
    far = ~near
    itself = torch.eye(len(queries), scores.shape[1], dtype=torch.bool, device=scores.device)
    near, far = near & ~itself, far & ~itself
    violation = (margin + scores[:, None, :] - scores[:, :, None]).clamp(min=0)
    violation = violation * (near[:, :, None] & far[:, None, :])
    return violation.sum() / (violation > 0).sum().clamp(min=1)
