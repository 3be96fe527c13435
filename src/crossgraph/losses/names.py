"""Pictures and names: each picture must be nearest to what it is called, among all it could be called."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def name_loss(
    scores: Float[Tensor, "n c"],
    targets: Float[Tensor, "n c"],
    known: Bool[Tensor, "n c"] | None = None,
    *,
    scale: float | Tensor,
) -> Float[Tensor, ""]:
    """Cross-entropy of each row over the columns that are `known` for it, towards its share of `targets`.

    A row may have several targets, or soft ones; they count by their share of their sum, as in UniCL (Yang 2022), and
    a row without any is left out. `scale` is the inverse temperature. Zero where every row is left out.
    """
    logits = scores * scale
    if known is not None:
        logits, targets = logits.masked_fill(~known, torch.finfo(logits.dtype).min), targets * known
    sums = targets.sum(dim=1)
    rows = sums > 0
    shares = targets / sums.clamp(min=1e-12)[:, None]
    losses = -(shares * logits.log_softmax(dim=1)).sum(dim=1)
    return (losses * rows).sum() / rows.sum().clamp(min=1)
