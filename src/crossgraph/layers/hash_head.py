"""From features to binary codes: a linear map and a tanh in training, signs when it counts, eight bits to a byte."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

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


def pack_bits(bits: Bool[Tensor, "n bits"]) -> UInt8[Tensor, "n bytes"]:
    """Eight bits to a byte, the first bit the highest, as `numpy.packbits` does; a last byte is filled with 0."""
    missing = -bits.shape[1] % 8
    filled = torch.nn.functional.pad(bits, (0, missing)).view(len(bits), (bits.shape[1] + missing) // 8, 8)
    places = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=bits.device)
    packed: Tensor = (filled * places).sum(dim=2, dtype=torch.uint8)
    return packed


def unpack_bits(code: UInt8[Tensor, "n bytes"], *, bits: int) -> Bool[Tensor, "n bits"]:
    """The first `bits` bits of each row: what `pack_bits` packed."""
    places = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=code.device)
    return ((code[:, :, None] & places) > 0).flatten(1)[:, :bits]
