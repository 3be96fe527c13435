"""Vectors of unit length."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

SHORTEST = 1e-12
"""Shorter vectors are divided by this, so that 0 stays 0."""


def unit(vector: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
    """The vector in single precision, of length 1."""
    found: Float[np.ndarray, " d"] = unit_rows(vector[None])[0]
    return found


def unit_rows(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Every row in single precision, of length 1."""
    rows = vectors.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Float[np.ndarray, "n d"] = rows / np.maximum(lengths, np.float32(SHORTEST))
    return found
