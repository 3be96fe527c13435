"""Rows in an order, and how those of one moment became those of the next: some gone, some put in between."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

MOST_RUNS = 4096
"""Pieces of a column from which one piece is made: every look at a column costs something per piece."""


@dataclass(frozen=True)
class Splice:
    """For every row as it is now, where it comes from: one of the `old` rows, or, from `old` on, a new one."""

    old: int
    order: NDArray[np.int64]

    @classmethod
    def of(cls, old: int, gone: NDArray[np.int64], before: NDArray[np.int64]) -> Splice:
        """The `old` rows less those `gone`, with new row j put in before old row `before[j]`; both ascend."""
        kept = np.delete(np.arange(old), gone)
        return cls(old, np.insert(kept, np.searchsorted(kept, before), old + np.arange(len(before))))

    @classmethod
    def anew(cls, old: int, new: int) -> Splice:
        """All old rows gone, and so many new ones in their place."""
        return cls(old, old + np.arange(new))

    @property
    def changed(self) -> bool:
        """Whether anything is not as it was."""
        return len(self.order) != self.old or bool((self.order >= self.old).any())

    def array(self, old: NDArray[np.generic], new: NDArray[np.generic]) -> NDArray[np.generic]:
        """The rows now, one value each."""
        return np.concatenate([old, new])[self.order]

    def table(self, old: pa.Table, new: pa.Table) -> pa.Table:
        """The rows now. What was there before is not copied, unless it would be in too many pieces."""
        both = pa.concat_tables([old, new])
        starts = np.concatenate([[0], np.flatnonzero(np.diff(self.order) != 1) + 1, [len(self.order)]])
        if not len(self.order):
            return both.slice(0, 0)
        if len(starts) > MOST_RUNS:
            return both.take(pa.array(self.order)).combine_chunks()
        runs = [both.slice(int(self.order[a]), int(b - a)) for a, b in itertools.pairwise(starts)]
        found = pa.concat_tables(runs)
        pieces = found.column(0).num_chunks if found.num_columns else 0
        return found.combine_chunks() if pieces > MOST_RUNS else found

    def now(self) -> NDArray[np.int64]:
        """Where each old row is now; -1: it is gone."""
        found = np.full(self.old, -1, np.int64)
        stayed = np.flatnonzero(self.order < self.old)
        found[self.order[stayed]] = stayed
        return found

    def new_rows(self) -> NDArray[np.int64]:
        """Where the new rows are now."""
        return np.flatnonzero(self.order >= self.old)
