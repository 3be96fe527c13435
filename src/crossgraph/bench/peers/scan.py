"""SCAN's loop *(Lee 2018)*: caption after caption, its words look at the regions of all pictures; text to image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def seen(
    words: Float[Tensor, "n w d"], regions: Float[Tensor, "n r d"], *, sharpness: float = 9.0
) -> Float[Tensor, "n w d"]:
    """What each word sees in its picture: a mean of regions by the cosines that are positive, normalised over words."""
    attention = torch.relu(torch.bmm(regions, words.transpose(1, 2)))
    attention = F.normalize(attention, dim=2)
    attention = F.softmax(sharpness * attention.transpose(1, 2), dim=-1)
    return F.normalize(torch.bmm(attention, regions), dim=-1)


def scores(
    regions: Float[Tensor, "n r d"], captions: list[Float[Tensor, "_ d"]], *, sharpness: float = 9.0
) -> Float[Tensor, "n m"]:
    """The mean cosine of a caption's words with what they see (SCAN t-i AVG)."""
    columns = []
    for caption in captions:
        words = caption.expand(len(regions), -1, -1).contiguous()
        context = seen(words, regions, sharpness=sharpness)
        columns.append(F.cosine_similarity(words, context, dim=2).mean(dim=1))
    return torch.stack(columns, dim=1)
