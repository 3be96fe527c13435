"""Bits eight to a byte, the first bit the highest, the last byte filled with 0: as `numpy.packbits` does it.

Arrays have them here, and words of 64 bits for counting; tensors on any device in `layers.packed_bits`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, UInt8, UInt64

WORD = 8
"""Bytes of a word."""


def pack_array(bits: Bool[np.ndarray, "n bits"]) -> UInt8[np.ndarray, "n bytes"]:
    """Each row of truth values as bytes."""
    return np.packbits(bits, axis=1)


def unpack_array(code: UInt8[np.ndarray, "n bytes"], *, bits: int) -> Bool[np.ndarray, "n bits"]:
    """The first `bits` bits of each row: what `pack_array` packed."""
    return np.unpackbits(code, axis=1, count=bits).view(np.bool_)


def pack_words(rows: Bool[np.ndarray, "n b"]) -> UInt64[np.ndarray, "n words"]:
    """Rows of truth values as rows of 64-bit words, filled up with zeros."""
    return words_of(np.packbits(rows, axis=1))


def words_of(code: UInt8[np.ndarray, "n bytes"]) -> UInt64[np.ndarray, "n words"]:
    """Rows of bytes as rows of 64-bit words, filled up with zeros."""
    missing = -code.shape[1] % WORD
    return np.ascontiguousarray(np.pad(code, ((0, 0), (0, missing)))).view(np.uint64)
