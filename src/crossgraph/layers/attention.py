"""Cross-modal attention: each part of one side gathers what it recognises on the other (Lee 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from crossgraph.layers.products import widened

LARGEST_LOGIT = 30.0
"""Up to this, exponentials of logits and the squares of their sums stay far from what float32 can hold."""


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

    `spans` say of how many captions of which length they are, one span after the other.
    """
    looks = look(words, regions[None], products_within(regions[None]), spans, sharpness=sharpness)
    return looks.weights[0].mul_(looks.inverse_lengths[0]).T, looks.cosines[0]


@dataclass(frozen=True)
class Looks:
    """Words in one row looking at the regions of some pictures. `weights` add up to vectors of some length: the words'
    `cosines` with these, and one over their lengths."""

    weights: Float[Tensor, "b r t"]
    inverse_lengths: Float[Tensor, "b t"]
    cosines: Float[Tensor, "b t"]


def products_within(regions: Float[Tensor, "b r d"]) -> Float[Tensor, "b r r"]:
    """The products of each picture's regions with one another."""
    return widened(torch.bmm(regions, regions.mT))


def look(
    words: Float[Tensor, "t d"],
    regions: Float[Tensor, "b r d"],
    within: Float[Tensor, "b r r"],
    spans: Sequence[tuple[int, int]],
    *,
    sharpness: float,
    real: Bool[Tensor, "b r 1"] | None = None,
) -> Looks:
    """What the words of captions in one row see of several pictures, as in `attend_in_row`; no gradients.

    `within` are `products_within` of the regions. All words are multiplied with all regions at once, and nothing seen
    is built, as in `late_attention`. Regions come first, so that each sum over them runs along memory. A vector's
    direction does not depend on the sum of its weights, so these are the numerators of the softmax. Regions that are
    not `real` weigh nothing.
    """
    b, r, d = regions.shape
    products = widened(torch.mm(regions.reshape(b * r, d), words.T))
    contrast, start = products.clamp(min=0), 0
    for count, length in spans:
        cosine = contrast[:, start : start + count * length].view(b * r, count, length)
        lengths = torch.linalg.vector_norm(cosine, dim=2, keepdim=True)
        cosine.mul_(lengths.clamp_(min=1e-12).reciprocal_().mul_(sharpness))
        start += count * length
    weights = contrast.view(b, r, len(words))
    if real is not None:
        weights.mul_(real)
    if sharpness > LARGEST_LOGIT:
        weights.sub_(weights.amax(dim=1, keepdim=True))
    weights.exp_()
    if real is not None:
        weights.mul_(real)
    squared = torch.bmm(within, weights).mul_(weights).sum(dim=1)
    inverse = squared.clamp_(min=1e-24).rsqrt_()
    return Looks(weights, inverse, products.view_as(weights).mul_(weights).sum(dim=1).mul_(inverse))
