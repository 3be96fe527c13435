"""Which pairs of a batch match: the mask that every ranking loss needs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def same_image_mask(caption_image: Int[Tensor, " m"], images: int) -> Bool[Tensor, "n m"]:
    """True where caption j belongs to image i."""
    return caption_image[None, :] == torch.arange(images, device=caption_image.device)[:, None]


def equal_captions(
    words: Sequence[tuple[str, ...]], caption_image: Int[Tensor, " m"], images: int
) -> Bool[Tensor, "n m"]:
    """True where image i has a caption of the same words as caption j."""
    numbers: dict[tuple[str, ...], int] = {}
    said = torch.tensor([numbers.setdefault(one, len(numbers)) for one in words], device=caption_image.device)
    has = torch.zeros(images, max(1, len(numbers)), dtype=torch.bool, device=caption_image.device)
    has[caption_image, said] = True
    return has[:, said]


def positive_scores(scores: Float[Tensor, "n m"], caption_image: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
    """Each caption's score with its own image."""
    return scores.gather(0, caption_image[None, :]).squeeze(0)
