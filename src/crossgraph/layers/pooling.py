"""From a set of parts to one vector."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


def masked_mean(parts: Float[Tensor, "n p d"], mask: Bool[Tensor, "n p"]) -> Float[Tensor, "n d"]:
    """The mean over real parts; zero where a row has none."""
    return torch.bmm(mask[:, None].to(parts.dtype), parts)[:, 0] / mask.sum(dim=1, keepdim=True).clamp(min=1)


class HeadPooling(nn.Module):
    """Each of `heads` slices of the channels is a weighted mean over parts, with weights of its own.

    One slice can follow the subject of a sentence while another follows its scene; with a single head this is
    plain attention pooling, with equal weights it is the mean.
    """

    def __init__(self, width: int, *, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.weigh = nn.Linear(width, heads)

    def contributions(self, parts: Float[Tensor, "n p d"], mask: Bool[Tensor, "n p"]) -> Float[Tensor, "n p d"]:
        """Each part times its weights: these sum to the pooled vector. Padded parts contribute nothing."""
        n, p, d = parts.shape
        logits = self.weigh(parts)
        logits = logits.masked_fill(~mask[..., None], torch.finfo(logits.dtype).min)
        weights = logits.softmax(dim=1).view(n, p, self.heads, 1)
        weighed: Tensor = (weights * parts.view(n, p, self.heads, d // self.heads)).reshape(n, p, d)
        return weighed

    def forward(self, parts: Float[Tensor, "n p d"], mask: Bool[Tensor, "n p"]) -> Float[Tensor, "n d"]:
        """Weighted means over real parts; padded parts have weight 0."""
        return self.contributions(parts, mask).sum(dim=1)
