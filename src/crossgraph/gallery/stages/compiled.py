"""The nearest of many codes by FAISS, where it is installed: one compiled pass, with nothing built or kept."""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
from jaxtyping import Int, UInt8

MANY = 2**18
"""With fewer codes numpy takes a quarter of a millisecond, and to import FAISS takes hundreds of them."""


@cache
def _installed() -> bool:
    return importlib.util.find_spec("faiss") is not None


def pays(codes: UInt8[np.ndarray, "n bytes"], *, k: int) -> bool:
    """Whether FAISS is there and worth it: its heap of the `k` best costs more the larger it is."""
    return len(codes) >= max(MANY, 64 * k) and _installed()


def nearest(
    codes: UInt8[np.ndarray, "n bytes"], query: UInt8[np.ndarray, " bytes"], *, k: int
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """The `k` rows closest to `query`, equal distances in order, and their distances; `k` is at most `n`.

    A row enters FAISS's heap only if it is closer than the last there, and of equally far ones the latest leaves first;
    so the first rows of a distance stay, in any order.
    """
    import faiss

    distances, rows = faiss.knn_hamming(np.ascontiguousarray(query)[None], np.ascontiguousarray(codes), k)
    order = np.lexsort((rows[0], distances[0]))
    return rows[0][order], distances[0][order].astype(np.int16)
