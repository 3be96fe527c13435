"""What turns relaxed codes into good bits: values near -1 or 1, and as many of one as of the other."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def quantisation_loss(relaxed: Float[Tensor, "n bits"]) -> Float[Tensor, ""]:
    """The mean squared distance of each value from the nearer of -1 and 1: what taking signs throws away."""
    return (relaxed.abs() - 1).square().mean()


def bit_balance_loss(relaxed: Float[Tensor, "n bits"]) -> Float[Tensor, ""]:
    """The mean over bits of the square of a bit's mean over items: a bit that is always the same says nothing."""
    return relaxed.mean(dim=0).square().mean()
