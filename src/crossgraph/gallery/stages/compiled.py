"""Distances of many codes by FAISS, where it is installed: compiled passes, with nothing built or kept."""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
from jaxtyping import Int, Int32, UInt8

MANY = 2**18
"""With fewer codes numpy takes a quarter of a millisecond, and to import FAISS takes hundreds of them."""

FEW, LONG = 256, 32
"""Up to so many rows, and from so many bytes a code on, FAISS's own search is the quickest: its heap costs the more the
more it holds, and long codes are read from memory as fast as that goes.
"""


@cache
def _installed() -> bool:
    return importlib.util.find_spec("faiss") is not None


def searches(codes: UInt8[np.ndarray, "n bytes"], *, k: int) -> bool:
    """Whether `nearest` is the quickest way to the `k` nearest."""
    return _pays(codes) and k <= FEW and codes.shape[1] >= LONG


def compares(codes: UInt8[np.ndarray, "n bytes"]) -> bool:
    """Whether `distances` is the quickest way to compare a query with blocks of `codes`."""
    return _pays(codes) and codes.shape[1] % 8 == 0


def _pays(codes: UInt8[np.ndarray, "n bytes"]) -> bool:
    return len(codes) >= MANY and _installed()


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


def distances(
    codes: UInt8[np.ndarray, "n bytes"], query: UInt8[np.ndarray, " bytes"], out: Int32[np.ndarray, " n"]
) -> Int32[np.ndarray, " n"]:
    """In how many bits each code differs from `query`, written to `out`; codes have a multiple of 8 bytes."""
    import faiss

    codes, query = np.ascontiguousarray(codes), np.ascontiguousarray(query)
    compare = faiss.hammings  # type: ignore[attr-defined]  # its stubs lack it
    compare(faiss.swig_ptr(query), faiss.swig_ptr(codes), 1, *codes.shape, faiss.swig_ptr(out))
    return out
