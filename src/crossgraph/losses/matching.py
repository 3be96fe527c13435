"""Which pairs of a batch match: the mask that every ranking loss needs."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def same_image_mask(caption_image: Int[Tensor, " m"], images: int) -> Bool[Tensor, "n m"]:
    """True where caption j belongs to image i."""
    return caption_image[None, :] == torch.arange(images, device=caption_image.device)[:, None]


def positive_scores(scores: Float[Tensor, "n m"], caption_image: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
    """Each caption's score with its own image."""
    return scores.gather(0, caption_image[None, :]).squeeze(0)
