"""Likelihood of which pairs are alike, given codes: the loss of deep supervised hashing."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def pairwise_likelihood(
    left: Float[Tensor, "n bits"], right: Float[Tensor, "m bits"], alike: Bool[Tensor, "n m"]
) -> Float[Tensor, ""]:
    """The negative log likelihood of `alike`, mean over pairs.

    A pair is alike with probability sigmoid(half the inner product of its codes) *(Jiang & Li 2017, DCMH)*. Nearest
    sibling: `info_nce`, which knows only pairs of one picture and makes them compete.
    """
    products = left @ right.T / 2
    return (F.softplus(products) - alike * products).mean()
