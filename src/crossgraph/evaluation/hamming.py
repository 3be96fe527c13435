"""Rankings by packed codes: XOR and popcount, query by query, straight into counts by distance, never sorted.

Codes and labels are rows of 64-bit words (`bits.pack_words`). The common bits of two items' labels say how many labels
they share, so relevance costs what a distance costs. Memory is that of one row of the gallery, and the counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, UInt64

from crossgraph.bits import WORD
from crossgraph.errors import ScoreError
from crossgraph.evaluation.tie_groups import TieGroups, groups_of_counts


def hamming_groups(
    queries: UInt64[np.ndarray, "q words"],
    gallery: UInt64[np.ndarray, "n gallery_words"],
    *,
    bits: int,
    query_labels: UInt64[np.ndarray, "q label_words"],
    gallery_labels: UInt64[np.ndarray, "n gallery_label_words"],
    own: Sequence[Int[np.ndarray, " _"]] | None = None,
    graded: bool = False,
) -> TieGroups:
    """Items at every distance from 0 to `bits`, for every query: all that share a label, and all.

    `own[i]` are items that query i skips. With `graded`, items are counted by how many labels they share (for NDCG);
    else sharing several counts as sharing one.
    """
    _require_equal_widths(queries, gallery)
    _require_equal_widths(query_labels, gallery_labels)
    levels = _most_shared(query_labels, gallery_labels) + 1 if graded else 2
    cells = (bits + 1) * levels
    distances, common = _RowCounter(gallery), _RowCounter(gallery_labels)
    key = np.empty(len(gallery), np.min_scalar_type(cells))
    counts = np.empty((len(queries), cells), np.int32)
    for query in range(len(queries)):
        np.multiply(distances.differing(queries[query]), key.dtype.type(levels), out=key)
        shared = common.common(query_labels[query]) if graded else common.any_common(query_labels[query])
        np.add(key, shared, out=key)
        counts[query] = np.bincount(key, minlength=cells)
        if own is not None and len(own[query]):
            counts[query] -= np.bincount(key[own[query]], minlength=cells).astype(np.int32)
    return groups_of_counts(counts.reshape(len(queries), bits + 1, levels))


class _RowCounter:
    """Compares one row of words with all rows of a gallery; what it returns is overwritten by the next call."""

    def __init__(self, gallery: UInt64[np.ndarray, "n gallery_words"]) -> None:
        self.columns = np.ascontiguousarray(gallery.T)  # each pass runs along memory
        n, words = gallery.shape
        self.word, self.flags = np.empty(n, np.uint64), np.empty(n, np.bool_)
        self.ones = np.empty(n, np.uint8)
        self.total = self.ones if words == 1 else np.empty(n, np.min_scalar_type(8 * WORD * words))

    def differing(self, row: UInt64[np.ndarray, " words"]) -> np.ndarray:
        """In how many bits every row of the gallery differs."""
        return self._count(np.bitwise_xor, row)

    def common(self, row: UInt64[np.ndarray, " words"]) -> np.ndarray:
        """How many bits are set in both."""
        return self._count(np.bitwise_and, row)

    def any_common(self, row: UInt64[np.ndarray, " words"]) -> np.ndarray:
        """1 where a bit is set in both, else 0."""
        if len(self.columns) > 1:
            np.not_equal(self._count(np.bitwise_and, row), 0, out=self.flags)
        else:
            np.bitwise_and(self.columns[0], row[0], out=self.word)
            np.not_equal(self.word, 0, out=self.flags)
        return self.flags.view(np.uint8)

    def _count(self, combine: np.ufunc, row: UInt64[np.ndarray, " words"]) -> np.ndarray:
        for place, column in enumerate(self.columns):
            combine(column, row[place], out=self.word)
            np.bitwise_count(self.word, out=self.ones)
            if len(self.columns) > 1:
                np.add(self.total if place else 0, self.ones, out=self.total)
        return self.total


def _most_shared(one: UInt64[np.ndarray, "q words"], other: UInt64[np.ndarray, "n other_words"]) -> int:
    """More labels than this no two items can share."""
    sides = (np.bitwise_count(rows).sum(1).max(initial=0) for rows in (one, other))
    return int(min(sides))


def _require_equal_widths(one: UInt64[np.ndarray, "q words"], other: UInt64[np.ndarray, "n other_words"]) -> None:
    if one.shape[1] != other.shape[1]:
        raise ScoreError(
            f"rows of {one.shape[1]} and of {other.shape[1]} words cannot be compared; both sides must have codes of "
            "the same length and labels of the same names."
        )
