"""Likelihood of which pairs are alike, given codes: the loss of deep supervised hashing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def pairwise_likelihood(
    left: Float[Tensor, "n bits"], right: Float[Tensor, "m bits"], alike: Bool[Tensor, "n m"], *, balanced: bool = False
) -> Float[Tensor, ""]:
    """The negative log likelihood of `alike`, mean over pairs.

    A pair is alike with probability sigmoid(half the inner product of its codes) *(Jiang & Li 2017, DCMH)*. With
    `balanced`, alike pairs weigh together as much as the others *(Cao 2017, HashNet)*: with many labels they are rare,
    and the mean is least when nothing is alike. Nearest sibling: `info_nce`, which knows only pairs of one picture and
    makes them compete.
    """
    products = left @ right.T / 2
    each = F.softplus(products) - alike * products
    if not balanced:
        return each.mean()
    count = alike.sum()
    weights = torch.where(alike, 0.5 / count.clamp(min=1), 0.5 / (alike.numel() - count).clamp(min=1))
    return (each * weights).sum()
