"""What turns relaxed codes into good bits: values near -1 or 1, as many of one as of the other, codes that differ."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def quantisation_loss(relaxed: Float[Tensor, "n bits"]) -> Float[Tensor, ""]:
    """The mean squared distance of each value from the nearer of -1 and 1: what taking signs throws away."""
    return (relaxed.abs() - 1).square().mean()


def bit_balance_loss(relaxed: Float[Tensor, "n bits"]) -> Float[Tensor, ""]:
    """The mean over bits of the square of a bit's mean over items: a bit that is always the same says nothing."""
    return relaxed.mean(dim=0).square().mean()


def uniformity_loss(relaxed: Float[Tensor, "n bits"], *, sharpness: float = 2.0) -> Float[Tensor, ""]:
    """The log of the mean of exp(-sharpness d^2), d the distance of two items' codes at unit length: 0 where all are
    alike, -4 x sharpness for two that are opposite. Items that are near each other count most *(Wang & Isola 2020)*.

    0 for fewer than two items.
    """
    if len(relaxed) < 2:
        return relaxed.sum() * 0.0
    unit = F.normalize(relaxed, dim=1)
    exponents = 2 * sharpness * (unit @ unit.T - 1)
    others = ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    mean: Tensor = exponents[others].exp().mean()
    return mean.log()
