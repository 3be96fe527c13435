"""Cross-modal attention: each part of one side gathers what it recognises on the other (Lee 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from crossgraph.layers.products import widened


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
    """`attend` of all words of several captions of one length on the regions of one picture; no gradients."""
    n, w, d = words.shape
    weights, cosines = attend_in_row(words.reshape(n * w, d), regions, [(n, w)], sharpness=sharpness)
    return Seen(weights.view(n, w, len(regions)), cosines.view(n, w))


def attend_in_row(
    words: Float[Tensor, "t d"], regions: Float[Tensor, "r d"], spans: Sequence[tuple[int, int]], *, sharpness: float
) -> tuple[Float[Tensor, "t r"], Float[Tensor, " t"]]:
    """The weights and cosines of `Seen` for the words of captions in one row, nothing padded; no gradients.

    `spans` say of how many captions of which length they are, one span after the other. All words are multiplied with
    all regions at once, and nothing seen is built, as in `late_attention`. Regions come first while there is anything
    to be done with every cosine, so that each sum over them runs along memory.
    """
    products = widened(regions @ words.T)
    contrast, start = products.clamp(min=0), 0
    for count, length in spans:
        cosine = contrast[:, start : start + count * length].view(len(regions), count, length)
        squares = cosine.square().sum(dim=2, keepdim=True)
        cosine.mul_(squares.clamp_(min=1e-24).rsqrt_().mul_(sharpness))
        start += count * length
    weights = contrast.softmax(dim=0)
    squared = (widened(regions @ regions.T) @ weights).mul_(weights).sum(dim=0)
    weights.mul_(squared.clamp_(min=1e-24).rsqrt_())
    return weights.T, products.mul_(weights).sum(dim=0)
