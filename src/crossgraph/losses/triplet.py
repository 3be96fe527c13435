"""Hinge ranking losses: a matching pair must beat its negatives by a margin."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.losses.matching import positive_scores, same_image_mask


def triplet_loss(
    scores: Float[Tensor, "n m"],
    caption_image: Int[Tensor, " m"],
    *,
    margin: float = 0.2,
    hardness: float = 1.0,
) -> Float[Tensor, ""]:
    """Push each matching pair above its in-batch negatives by `margin`; mean over captions.

    Caption j's positive is `scores[caption_image[j], j]`; its negatives are the other images of column j and,
    on the image side, the captions of *other* images in that row: pairs of one image never repel each other.
    `hardness` mixes the mean over all violations (0: gentle, for the first steps, when the hardest negative would
    collapse the model) with the worst offender on each side (1; Faghri 2018). A batch of one image gives 0.
    Nearest sibling: `info_nce`, which weighs all negatives softly.
    """
    matched = same_image_mask(caption_image, scores.shape[0])
    positive = positive_scores(scores, caption_image)
    image_cost = (margin + scores - positive[None, :]).clamp(min=0).masked_fill(matched, 0.0)
    caption_cost = (margin + scores[caption_image] - positive[:, None]).clamp(min=0)
    caption_cost = caption_cost.masked_fill(matched[caption_image], 0.0)
    per_side = (_offence(image_cost.T, ~matched.T, hardness), _offence(caption_cost, ~matched[caption_image], hardness))
    return torch.stack(per_side).sum(dim=0).mean()


def _offence(
    cost: Float[Tensor, "q c"], negative: Float[Tensor, "q c"] | Tensor, hardness: float
) -> Float[Tensor, " q"]:
    """Per query, the mean cost over its negatives blended with the largest."""
    mean = cost.sum(dim=1) / negative.sum(dim=1).clamp(min=1)
    return (1.0 - hardness) * mean + hardness * cost.amax(dim=1)
