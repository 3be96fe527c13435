"""Bits of tensors, on any device, eight to a byte as `crossgraph.bits` packs those of arrays."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, UInt8
from torch import Tensor


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
