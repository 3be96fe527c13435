"""What a frozen model knows of sentences, as soft targets for pictures and captions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.losses.matching import same_image_mask


def caption_likeness(
    sentences: Float[Tensor, "m w"], caption_image: Int[Tensor, " m"], images: int
) -> Float[Tensor, "n m"]:
    """How like each caption is to what is said of each picture: its largest cosine with a caption of the picture.

    Those of the picture itself are like it by 1.
    """
    unit = F.normalize(sentences, dim=1)
    cosines = unit @ unit.T
    rows = caption_image[:, None].expand_as(cosines)
    nearest = cosines.new_full((images, len(unit)), -1.0).scatter_reduce(0, rows, cosines, "amax")
    return nearest.masked_fill(same_image_mask(caption_image, images), 1.0)


def soft_target_loss(
    scores: Float[Tensor, "n m"], likeness: Float[Tensor, "n m"], *, scale: float | Tensor, temperature: float
) -> Float[Tensor, ""]:
    """Cross-entropy of scores towards the softmax of `likeness` / `temperature`: of captions over pictures, and back.

    A caption that could have been said of another picture of the batch is then no plain negative of it (cross-modal
    soft labels, Huang 2024, CUSA). `scale` is the inverse temperature of the scores. Pairs with a likeness of -inf are
    left out of both sides; every caption and every picture must have another one.
    """
    unknown = likeness.isneginf()
    logits, targets = (scores * scale).masked_fill(unknown, -torch.inf), likeness / temperature
    losses = [
        -(targets.softmax(dim=dim) * logits.log_softmax(dim=dim).masked_fill(unknown, 0.0)).sum(dim=dim).mean()
        for dim in (0, 1)
    ]
    return losses[0] + losses[1]
