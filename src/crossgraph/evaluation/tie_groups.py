"""A ranking as groups of items that tie, best first: all that tie-exact metrics need, and never an order inside one.

Bits give few distances, so that ties decide hashing numbers; any order of tied items that a sort happens to leave is
an accident. Every metric of labels (`label_metrics`) reads these counts, and reports its mean over all orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class TieGroups:
    """Rankings of `q` queries, each as `g` groups of items of equal score; groups may be empty.

    `gain` is the sum over a group of 2^s - 1, where s is how many labels an item shares with the query; `shared[:, s]`
    counts the items of the whole gallery that share s.
    """

    items: Int[np.ndarray, "q g"]
    relevant: Int[np.ndarray, "q g"]
    gain: Float[np.ndarray, "q g"]
    shared: Int[np.ndarray, "q s"]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def found(self) -> Int[np.ndarray, " q"]:
        """How many relevant items there are for each query (R)."""
        total: np.ndarray = self.relevant.sum(1)
        return total

    def before(self) -> tuple[Int[np.ndarray, "q g"], Int[np.ndarray, "q g"]]:
        """How many items, and how many relevant ones, are ranked before each group."""
        return self.items.cumsum(1) - self.items, self.relevant.cumsum(1) - self.relevant

    def first(self, k: int) -> Int[np.ndarray, "q g"]:
        """How many items of each group are among the first `k`."""
        inside: np.ndarray = np.clip(k - self.before()[0], 0, self.items)
        return inside

    def optimistic(self) -> TieGroups:
        """Every tie decided for the relevant items."""
        return self._split(relevant_first=True)

    def pessimistic(self) -> TieGroups:
        """Every tie decided against the relevant items."""
        return self._split(relevant_first=False)

    def _split(self, *, relevant_first: bool) -> TieGroups:
        q, g = self.items.shape
        place = 0 if relevant_first else 1
        items, relevant = np.zeros((q, g, 2), np.int64), np.zeros((q, g, 2), np.int64)
        gain = np.zeros((q, g, 2))
        items[:, :, place], items[:, :, 1 - place] = self.relevant, self.items - self.relevant
        relevant[:, :, place], gain[:, :, place] = self.relevant, self.gain
        return TieGroups(items.reshape(q, -1), relevant.reshape(q, -1), gain.reshape(q, -1), self.shared)


def groups_of_counts(counts: Int[np.ndarray, "q g s"]) -> TieGroups:
    """Groups from how many items of each group share s labels with the query."""
    gains = np.exp2(np.arange(counts.shape[2])) - 1
    return TieGroups(counts.sum(2), counts[:, :, 1:].sum(2), counts @ gains, counts.sum(1))


def groups_of_scores(
    scores: Float[np.ndarray, "q n"], shared: Int[np.ndarray, "q n"], own: Sequence[Int[np.ndarray, " _"]] | None = None
) -> TieGroups:
    """Groups of equal score, higher is better; `shared` counts common labels, `own[i]` are items that query i skips.

    Equal floats, and only they, are ties.
    """
    levels = int(shared.max(initial=0)) + 1
    rows = []
    for query in range(len(scores)):
        row, labels = scores[query], shared[query]
        if own is not None:
            row, labels = np.delete(row, own[query]), np.delete(labels, own[query])
        order = np.argsort(-row)
        ranked = row[order]
        starts = np.concatenate([[0], np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, [len(row)]])
        rows.append((starts, labels[order]))
    width = max((len(starts) - 1 for starts, _ in rows), default=0)
    q = len(rows)
    items, relevant = np.zeros((q, width), np.int64), np.zeros((q, width), np.int64)
    gain, totals = np.zeros((q, width)), np.zeros((q, levels), np.int64)
    for query, (starts, labels) in enumerate(rows):
        g = len(starts) - 1
        items[query, :g] = np.diff(starts)
        for target, values in ((relevant, labels > 0), (gain, np.exp2(labels) - 1)):
            sums = np.concatenate([[0], np.cumsum(values)])
            target[query, :g] = np.diff(sums[starts])
        totals[query] = np.bincount(labels, minlength=levels)
    return TieGroups(items, relevant, gain, totals)


def joined(blocks: Sequence[TieGroups]) -> TieGroups:
    """The queries of all blocks in order, with empty groups where a block has fewer."""
    width, levels = (max(getattr(block, name).shape[1] for block in blocks) for name in ("items", "shared"))

    def padded(name: str, columns: int) -> np.ndarray:
        arrays = [getattr(block, name) for block in blocks]
        return np.concatenate([np.pad(array, ((0, 0), (0, columns - array.shape[1]))) for array in arrays])

    return TieGroups(padded("items", width), padded("relevant", width), padded("gain", width), padded("shared", levels))
