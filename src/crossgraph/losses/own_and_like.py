"""Contrast of pairs with labels as structure: own keys before all others, and of the others the like ones first."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def own_and_like_loss(
    scores: Float[Tensor, "q k"],
    own: Bool[Tensor, "q k"],
    likeness: Float[Tensor, "q k"],
    *,
    share: float,
    itself: Bool[Tensor, "q k"] | None = None,
) -> Float[Tensor, ""]:
    """(1 - share) x InfoNCE of the own keys + share x cross-entropy of likeness among all other keys.

    `scores` are products over a temperature. Each key that is `own` competes with the keys that are not, so own keys
    never push each other; `likeness`, at least 0, is scaled to sum to 1 over the keys that are not own, and says how
    these should be ordered: it never competes with an own key. Keys that are the query `itself` count nowhere. Each
    part is a mean over the queries that have a key for it, 0 where none has. Siblings: `info_nce`, which knows no
    likeness, and `parametric_contrastive_loss`, in which a shared label counts as much as the own pair.
    """
    lowest = torch.finfo(scores.dtype).min
    gone = torch.zeros_like(own) if itself is None else itself
    own, foreign = own & ~gone, ~own & ~gone
    others = scores.masked_fill(~foreign, lowest)
    beaten = F.softplus(others.logsumexp(dim=1, keepdim=True) - scores)
    loss = (1 - share) * _mean(beaten, own.float())
    if share:
        loss = loss + share * _mean(-others.log_softmax(dim=1), likeness * foreign)
    return loss


def _mean(values: Float[Tensor, "q k"], weights: Float[Tensor, "q k"]) -> Float[Tensor, ""]:
    """The weighted mean of each row, and then that of the rows in which anything has a weight."""
    total = weights.sum(dim=1)
    # a value without weight may be anything, an infinity among them
    summed = torch.where(weights > 0, values, 0.0).mul(weights).sum(dim=1)
    mean: Tensor = (summed / total.clamp(min=1e-12)).sum() / (total > 0).sum().clamp(min=1)
    return mean
