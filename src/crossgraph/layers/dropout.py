"""Dropout with the masks that torch draws, in half the time."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

DRAWN = 2**15
"""Numbers that are drawn at once: a quarter of a mebibyte of them."""


class Dropout(nn.Dropout):
    """`nn.Dropout`: the same numbers are left out after the same seed, and the generator is left as it is after that.

    Torch decides for each place whether a number of double precision is below the share that is kept. Drawing a block
    of these and comparing them takes half as long as asking for one decision after the other.
    """

    def forward(self, input: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """What is kept, divided by the share of it."""
        if not self.training or not 0 < self.p < 1 or input.device.type != "cpu":
            return super().forward(input)
        return input * kept(input, 1 - self.p)


@torch.no_grad()
def kept(like: Float[Tensor, ...], share: float) -> Float[Tensor, ...]:
    """One over `share` where a number is kept, and zeros, in the shape of `like`."""
    mask = torch.empty_like(like)  # without gaps; torch draws in the order of memory
    drawn = torch.empty(min(DRAWN, mask.numel()), dtype=torch.float64)
    for some in torch.split(mask.as_strided((mask.numel(),), (1,)), DRAWN):
        torch.lt(drawn[: len(some)].uniform_(), share, out=some)
        some.div_(share)
    return mask
