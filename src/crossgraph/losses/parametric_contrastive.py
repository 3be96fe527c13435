"""Contrast with class centres: items of a shared label draw together, and each to the centres of its labels."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def parametric_contrastive_loss(
    queries: Float[Tensor, "q d"],
    keys: Float[Tensor, "k d"],
    query_labels: Bool[Tensor, "q c"],
    key_labels: Bool[Tensor, "k c"],
    class_logits: Float[Tensor, "q c"],
    *,
    temperature: float = 0.05,
    pair_weight: float = 0.07,
    class_weight: float = 1.0,
    spread: float = 1.0,
    own: int = 0,
) -> Float[Tensor, ""]:
    """The weighted mean of minus log probability of a query's labels and of the keys it shares a label with.

    Labels and keys compete in one softmax: `class_logits` say how near a query is to the learned centre of each label,
    products with keys over `temperature` how near it is to them. Labels of a query count `class_weight` (beta), keys
    with a label in common `pair_weight` (alpha); `spread` (gamma) weighs keys in the denominator. The first `own` keys
    are the queries themselves, and a query is neither drawn to itself nor pushed from itself. A query without labels
    counts nothing *(Cui 2021, PaCo; with several labels an item as in SCAHN)*. Sibling for pairs: `info_nce`.
    """
    products = queries @ keys.T / temperature
    itself = torch.zeros_like(products, dtype=torch.bool)
    itself[:, :own] = torch.eye(len(queries), own, dtype=torch.bool, device=products.device)
    shared = (query_labels.float() @ key_labels.float().T > 0) & ~itself
    # a key that is the query itself must leave the softmax; a finite number keeps 0 x logit a 0
    lowest = torch.finfo(products.dtype).min
    spread_out = (products + math.log(spread)).masked_fill(itself, lowest)
    total = torch.cat([class_logits, spread_out], dim=1).logsumexp(dim=1, keepdim=True)
    weights = torch.cat([class_weight * query_labels.float(), pair_weight * shared.float()], dim=1)
    likelihood = torch.cat([class_logits, products], dim=1) - total
    weighed = weights.sum(dim=1)
    loss: Tensor = -((weights * likelihood).sum(dim=1) / weighed.clamp(min=1e-12)).sum()
    return loss / (weighed > 0).sum().clamp(min=1)
