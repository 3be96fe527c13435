"""From features to binary codes: a linear map and a tanh in training, signs when it counts."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.layers.packed_bits import pack_bits
from crossgraph.types import Encoded

CODE_LENGTHS = (16, 32, 64, 128)
"""The numbers of bits that papers report; any multiple of 8 can be packed."""


class HashHead(nn.Module):
    """A relaxed code between -1 and 1 for each feature vector: `tanh(linear(features))`."""

    def __init__(self, width: int, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.map = nn.Linear(width, bits)

    def forward(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n bits"]:
        """The relaxed code, in (-1, 1); its signs are the code."""
        relaxed: Tensor = torch.tanh(self.map(features))
        return relaxed


def encoded_code(relaxed: Float[Tensor, "n bits"]) -> Encoded:
    """The signs of relaxed codes, packed, and the same signs as vectors of unit length.

    A bit is 1 where the relaxed value is at least 0, so that an exact 0 has a side. The cosine of two embeddings is
    1 - 2 (Hamming distance) / bits.
    """
    bits = relaxed >= 0
    embedding = torch.where(bits, 1.0, -1.0) / bits.shape[1] ** 0.5
    return Encoded(embedding.to(relaxed.dtype), code=pack_bits(bits))


def code_cosines(one: Float[Tensor, "n bits"], other: Float[Tensor, "m bits"]) -> Float[Tensor, "n m"]:
    """1 - 2 (Hamming distance) / bits of every embedding with every other, equal distances exactly equal.

    Where the root of `bits` is not a power of two, products come out a rounding apart; ties are to be seen as ties.
    """
    return _exact(one @ other.T, one.shape[1])


def paired_code_cosines(one: Float[Tensor, "n bits"], other: Float[Tensor, "n bits"]) -> Float[Tensor, " n"]:
    """The same numbers, row by row."""
    return _exact((one * other).sum(dim=1), one.shape[1])


def _exact(products: Tensor, bits: int) -> Tensor:
    return (products * bits).round() / bits
