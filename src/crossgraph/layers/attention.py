"""Cross-modal attention: each part of one side gathers what it recognises on the other (Lee 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def attend(
    queries: Float[Tensor, "n q d"],
    keys: Float[Tensor, "n k d"],
    query_mask: Bool[Tensor, "n q"],
    key_mask: Bool[Tensor, "n k"],
    *,
    sharpness: float = 9.0,
) -> tuple[Float[Tensor, "n q d"], Float[Tensor, "n q k"]]:
    """What every query part saw (unit vectors), and the weights it looked with (rows sum to 1 over real keys).

    Both sides are unit vectors. A key's positive cosines are first normalised over all queries, so that a region
    which resembles every word counts for less; `sharpness` is the inverse temperature of the softmax over keys.
    Padded queries see nothing (zeros). A row without any real key sees zeros.
    """
    cosine = (queries @ keys.mT).clamp(min=0) * query_mask[..., None]
    contrast = F.normalize(cosine, dim=1)
    logits = (sharpness * contrast).masked_fill(~key_mask[:, None, :], torch.finfo(cosine.dtype).min)
    weights = logits.softmax(dim=-1) * key_mask[:, None, :]
    seen = F.normalize(weights @ keys, dim=-1) * query_mask[..., None]
    return seen, weights
