"""A graph convolution that reaches unseen items: their neighbours are anchors that training has left behind."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class AnchorConvolution(nn.Module):
    """One graph convolution from `count` anchors to any item: z' = (u + m) / length, m the direction of what its
    anchors say.

    u is the direction of the item. It joins anchor a with share softmax_a(u a / `temperature`), and m is the direction
    of the sum of anchors by these shares. An anchor is the direction of all that `take_in` was given for its group, a
    running sum of which every item adds 1 and lets the rest fade to `keep`. Until it was given any, items pass as they
    are.
    """

    def __init__(self, count: int, width: int, *, temperature: float, keep: float) -> None:
        super().__init__()
        self.temperature, self.keep = temperature, keep
        self.register_buffer("sums", torch.zeros(count, width))
        self.sums: Tensor

    def forward(self, items: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Items of unit length that have taken in their anchors."""
        own, anchors = F.normalize(items, dim=1), F.normalize(self.sums, dim=1)
        shares = (own @ anchors.T / self.temperature).softmax(dim=1)
        return F.normalize(own + F.normalize(shares @ anchors, dim=1), dim=1)

    @torch.no_grad()
    def take_in(self, items: Float[Tensor, "n d"], groups: Int[Tensor, " n"]) -> None:
        """Let the anchor of each item's group hear of it; groups are numbered from 0."""
        heard = torch.bincount(groups, minlength=len(self.sums))[:, None]
        self.sums.mul_(self.keep**heard).index_add_(0, groups, F.normalize(items.to(self.sums.dtype), dim=1))
