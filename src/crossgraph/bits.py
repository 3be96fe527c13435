"""Bits eight to a byte, the first bit the highest, the last byte filled with 0: as `numpy.packbits` does it.

Tensors on any device have `pack_bits` and `unpack_bits`; arrays have the same, and words of 64 bits for counting.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, UInt8, UInt64
from torch import Tensor

WORD = 8
"""Bytes of a word."""


def pack_bits(bits: Bool[Tensor, "n bits"]) -> UInt8[Tensor, "n bytes"]:
    """Each row of truth values as bytes.

    >>> code = pack_bits(torch.tensor([[True, False, True], [False, False, False]]))
    >>> code.tolist(), unpack_bits(code, bits=3).int().tolist()
    ([[160], [0]], [[1, 0, 1], [0, 0, 0]])
    """
    missing = -bits.shape[1] % 8
    filled = F.pad(bits, (0, missing)).view(len(bits), (bits.shape[1] + missing) // 8, 8)
    packed: Tensor = (filled * _places(bits.device)).sum(dim=2, dtype=torch.uint8)
    return packed


def unpack_bits(code: UInt8[Tensor, "n bytes"], *, bits: int) -> Bool[Tensor, "n bits"]:
    """The first `bits` bits of each row: what `pack_bits` packed."""
    return ((code[:, :, None] & _places(code.device)) > 0).flatten(1)[:, :bits]


def _places(device: torch.device) -> UInt8[Tensor, " 8"]:
    return torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=device)


def unpack_array(code: UInt8[np.ndarray, "n bytes"], *, bits: int) -> Bool[np.ndarray, "n bits"]:
    """`unpack_bits` of an array."""
    return np.unpackbits(code, axis=1, count=bits).view(np.bool_)


def pack_words(rows: Bool[np.ndarray, "n b"]) -> UInt64[np.ndarray, "n words"]:
    """Rows of truth values as rows of 64-bit words, filled up with zeros."""
    return words_of(np.packbits(rows, axis=1))


def words_of(code: UInt8[np.ndarray, "n bytes"]) -> UInt64[np.ndarray, "n words"]:
    """Rows of bytes as rows of 64-bit words, filled up with zeros."""
    missing = -code.shape[1] % WORD
    return np.ascontiguousarray(np.pad(code, ((0, 0), (0, missing)))).view(np.uint64)
