"""Matrix products in the numbers of what is multiplied: in bfloat16, where a side was put into it, or in float32.

A processor with instructions for bfloat16 makes two to three times as many products in it. Sums within a product are of
float32 all the same, and what lies between products can go on in float32 (`widened`). Whoever scores in float32 gives
float32 and gets the very same numbers as by `torch` alone: nothing here converts where there is nothing to convert.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def widened(values: Tensor) -> Tensor:
    """Values of bfloat16 in float32; others as they are."""
    return values.float() if values.dtype == torch.bfloat16 else values


def mapped_by(linear: nn.Linear, rows: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows e"]:
    """`linear(rows)`, multiplied and answered in the numbers of the rows."""
    weight, bias = linear.weight, linear.bias
    return F.linear(rows, weight.to(rows.dtype), None if bias is None else bias.to(rows.dtype))
