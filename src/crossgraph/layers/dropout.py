"""Dropout whose masks cost a processor a fraction of what a draw for every number costs."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

STEPS = 2**16
"""A probability is rounded to a multiple of 1 / STEPS, by which what is kept is scaled: means stay."""


class Dropout(nn.Dropout):
    """`nn.Dropout` that takes four masks out of one random number of 64 bits, on processors; elsewhere as it is.

    The draws are independent and come from torch's generator, but are others than those of `nn.Dropout`.
    """

    def forward(self, input: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """In training, numbers set to 0 with probability `p`, and the others scaled."""
        dropped = round(self.p * STEPS)
        if not self.training or not dropped or input.device.type != "cpu" or dropped == STEPS:
            return super().forward(input)
        draws = torch.empty(-(-input.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = draws.view(torch.int16)[: input.numel()] >= dropped - STEPS // 2
        return input * kept.view(input.shape).to(input.dtype).mul_(STEPS / (STEPS - dropped))
