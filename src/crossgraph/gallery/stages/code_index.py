"""The nearest of many binary codes by Hamming distance, all compared.

Distances are whole numbers, so ties are the rule: equal distances keep the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import NDArray

from crossgraph.gallery.stages import compiled
from crossgraph.gallery.stages.shortlist import Candidates
from crossgraph.gallery.tables.disk_matrix import Rows
from crossgraph.gallery.tables.matrix import Matrix

FAR = 2**15 - 1
"""Farther than any code can be."""

BLOCKS = tuple(2**power for power in range(11, 17))
"""Codes compared at once: few while the bound of a search is loose, then what stays in a processor's cache."""

Runs = Iterator[tuple[int, NDArray[Any]]]
"""Where a run of codes begins, and in how many bits each of it differs, overwritten by the next run."""


def agreement(distances: Int[np.ndarray, " k"], bits: int) -> Float[np.ndarray, " k"]:
    """Hamming distances as the cosine of codes of +1 and -1: 1 - 2 distance / bits."""
    found: Float[np.ndarray, " k"] = 1 - 2 * distances.astype(np.float32) / np.float32(bits)
    return found


def hamming(codes: UInt8[np.ndarray, "n bytes"], query: UInt8[np.ndarray, " bytes"]) -> Int[np.ndarray, " n"]:
    """In how many bits each code differs from `query`."""
    found = np.empty(len(codes), np.int16)
    for start, distances in _distances(codes, query, BLOCKS[-1:]):
        found[start : start + len(distances)] = distances
    return found


def nearest_codes(
    codes: UInt8[np.ndarray, "n bytes"], query: UInt8[np.ndarray, " bytes"], *, k: int
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """The `k` rows closest to `query` (all of fewer), equal distances in order, and their distances.

    Very many codes are compared by FAISS where it is installed (`crossgraph[faiss]`), with the same answer.
    """
    if k < 1:
        return np.empty(0, np.int64), np.empty(0, np.int16)
    if compiled.searches(codes, k=k):
        return compiled.nearest(codes, query, k=k)
    return _below_a_bound(_distances(codes, query, BLOCKS), k=k, bits=8 * codes.shape[1])


def nearest_by_a_bound(
    codes: UInt8[np.ndarray, "n bytes"], query: UInt8[np.ndarray, " bytes"], *, k: int
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """`nearest_codes` by numpy alone."""
    return _below_a_bound(_by_numpy(codes, query, BLOCKS), k=k, bits=8 * codes.shape[1])


def _below_a_bound(runs: Runs, *, k: int, bits: int) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """The `k` closest rows (all of fewer), equal distances in order, and their distances.

    The first rows set a bound, how far the k-th is of those until now; of the others only those below it are kept,
    since a later row as far as the k-th comes after it. So all but the count of differing bits is a comparison.
    """
    bound, below = FAR, np.empty(BLOCKS[-1], np.bool_)
    count_at = np.zeros(bits + 1, np.int64)
    rows: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    distances: list[NDArray[np.int16]] = [np.empty(0, np.int16)]
    for start, some in runs:
        np.less(some, bound, out=below[: len(some)])
        near = below[: len(some)].nonzero()[0]
        if not len(near):
            continue
        rows.append(near + start)
        distances.append(some[near].astype(np.int16))
        count_at += np.bincount(distances[-1], minlength=bits + 1)
        reached = int(count_at.cumsum().searchsorted(k))
        bound = reached if reached <= bits else FAR
    all_rows, all_distances = np.concatenate(rows), np.concatenate(distances)
    kept = (all_distances <= bound).nonzero()[0]
    kept = kept[all_distances[kept].argsort(kind="stable")[:k]]
    return all_rows[kept], all_distances[kept]


def _distances(codes: UInt8[np.ndarray, "n bytes"], query: UInt8[np.ndarray, " bytes"], blocks: Sequence[int]) -> Runs:
    """In how many bits codes differ, in blocks of about so many, the last number repeated, by the quickest way."""
    return (_by_faiss if compiled.compares(codes) else _by_numpy)(codes, query, blocks)


def _by_faiss(codes: UInt8[np.ndarray, "n bytes"], query: UInt8[np.ndarray, " bytes"], blocks: Sequence[int]) -> Runs:
    out = np.empty(blocks[-1], np.int32)
    for start, some in _cut(codes, blocks):
        yield start, compiled.distances(some, query, out[: len(some)])


def _by_numpy(codes: UInt8[np.ndarray, "n bytes"], query: UInt8[np.ndarray, " bytes"], blocks: Sequence[int]) -> Runs:
    width = codes.shape[1]
    if width % 8 == 0:  # eight bytes at a time
        codes, query = codes.view(np.uint64), query.view(np.uint64)
    words = codes.shape[1]
    # words in one row, and the query as often: numpy is slow where rows are short
    asked = query if words == 1 else np.tile(query, -(-blocks[-1] // words))
    differing, ones = (np.empty(blocks[-1] + words, kind) for kind in (codes.dtype, np.uint8))
    for start, some in _cut(codes, [-(-block // words) for block in blocks]):
        count, numbers = len(some), some.size
        np.bitwise_xor(some.reshape(-1), asked if words == 1 else asked[:numbers], out=differing[:numbers])
        np.bitwise_count(differing[:numbers], out=ones[:numbers])
        yield start, _row_sums(ones[:numbers].reshape(count, words))


def _cut(codes: NDArray[Any], lengths: Sequence[int]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Where each block of codes begins, and the block: of so many codes, the last number repeated."""
    start = 0
    for length in chain(lengths, repeat(lengths[-1])):
        if start >= len(codes):
            return
        yield start, codes[start : start + length]
        start += length


def _row_sums(ones: UInt8[np.ndarray, "n words"]) -> NDArray[np.unsignedinteger[Any]]:
    """The sum of each row of bytes up to 64; of 2, 4 or 8 bytes all at once, as lanes of one number."""
    words = ones.shape[1]
    if words == 1:
        return np.asarray(ones[:, 0])
    if words not in (2, 4, 8):
        return np.asarray(ones.sum(axis=1, dtype=np.uint16))
    lanes: NDArray[Any] = ones.view(f"u{words}")[:, 0]
    lanes = (lanes & lanes.dtype.type(int("00ff" * (words // 2), 16))) + (
        (lanes >> lanes.dtype.type(8)) & lanes.dtype.type(int("00ff" * (words // 2), 16))
    )
    for shift in (16, 32)[: words.bit_length() - 2]:
        lanes = lanes + (lanes >> lanes.dtype.type(shift))
    sums: NDArray[np.uint16] = (lanes & lanes.dtype.type(0xFFFF)).astype(np.uint16)
    return sums


Stored = TypeVar("Stored", bound=Rows)


class Codes(Generic[Stored]):
    """Codes wherever they lie: `bits` is how many of a code count, for scores; its padding is zeros."""

    def __init__(self, codes: Stored, *, bits: int) -> None:
        self.codes, self.bits = codes, bits

    def __len__(self) -> int:
        return len(self.codes)

    def scores(self, rows: Int[np.ndarray, " k"], query: UInt8[np.ndarray, " bytes"]) -> Float[np.ndarray, " k"]:
        """The agreement of `query` with some rows."""
        return agreement(hamming(self.codes[rows], query), self.bits)


class CodeIndex(Codes[Matrix]):
    """Codes in memory, searched in full."""

    def nearest(
        self,
        query: UInt8[np.ndarray, " bytes"],
        *,
        k: int,
        without: tuple[int, ...] = (),
        allowed: Bool[np.ndarray, " n"] | None = None,
    ) -> Candidates:
        """The `k` rows (fewer if there are fewer) closest to `query`, less the rows `without` and those not `allowed`.

        Scores are `agreement`; equal distances keep the order of the rows.
        """
        rows = None if allowed is None else allowed.nonzero()[0]
        if rows is None and self.codes.lies_in_order:
            near, distances = nearest_codes(self.codes.pooled(), query, k=max(k, 0) + len(without))
            if without:
                kept = ~np.isin(near, without)
                near, distances = near[kept][: max(k, 0)], distances[kept][: max(k, 0)]
            return Candidates(near, agreement(distances, self.bits))
        if rows is None:
            distances = self.codes.in_order(hamming(self.codes.pooled(), query))
        else:
            distances = hamming(self.codes[rows], query)
        if without:
            compared = np.arange(len(distances)) if rows is None else rows
            distances[np.isin(compared, without)] = FAR
        near = _first(distances, k)
        return Candidates(near if rows is None else rows[near], agreement(distances[near], self.bits))


def _first(distances: Int[np.ndarray, " n"], k: int) -> Int[np.ndarray, " k"]:
    """Where the `k` least distances are, equal ones in order; none that is `FAR`."""
    counts = np.bincount(distances, minlength=FAR + 1)[:FAR]
    reached = np.flatnonzero(counts.cumsum() >= k)
    near = np.flatnonzero(distances <= (reached[0] if len(reached) else FAR - 1))
    return near[np.argsort(distances[near], kind="stable")][: max(k, 0)]
