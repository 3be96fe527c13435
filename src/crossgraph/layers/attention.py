"""Cross-modal attention: each part of one side gathers what it recognises on the other (Lee 2018)."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Seen:
    """What the words of `n` captions saw of one picture: `weights @ regions` are unit vectors, whose products with
    the words are `cosines`."""

    weights: Float[Tensor, "n w r"]
    cosines: Float[Tensor, "n w"]


def attend_to_one(words: Float[Tensor, "n w d"], regions: Float[Tensor, "r d"], *, sharpness: float) -> Seen:
    """`attend` of all words of several captions on the regions of one picture, nothing padded; no gradients.

    All words are multiplied with all regions at once, and nothing seen is built, as in `late_attention`. Regions come
    first while there is anything to be done with every cosine, so that each sum over them runs along memory.
    """
    (n, w, d), r = words.shape, len(regions)
    products = regions @ words.reshape(n * w, d).T
    cosine = products.clamp(min=0).view(r, n, w)
    squares = cosine.square().sum(dim=2, keepdim=True)
    contrast = cosine.mul_(squares.clamp_(min=1e-24).rsqrt_().mul_(sharpness))
    weights = contrast.view(r, n * w).softmax(dim=0)
    squared = ((regions @ regions.T) @ weights).mul_(weights).sum(dim=0)
    weights.mul_(squared.clamp_(min=1e-24).rsqrt_())
    return Seen(weights.T.view(n, w, r), products.mul_(weights).sum(dim=0).view(n, w))
