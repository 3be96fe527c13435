"""Two networks against each other: one tells real from made, the other makes what cannot be told. On logits."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def discriminator_loss(real: Float[Tensor, " n"], made: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    """-log D(real) - log(1 - D(made)), each a mean: low where the real have high logits and the made low ones.

    The inputs of the discriminator must be detached, or the generator would learn to help it *(Goodfellow 2014)*.
    """
    return F.softplus(-real).mean() + F.softplus(made).mean()


def generator_loss(made: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    """-log D(made): low where what was made is taken for real (the form that does not saturate)."""
    return F.softplus(-made).mean()
