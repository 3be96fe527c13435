"""Rows in an order, and how those of one moment became those of the next: some gone, some put in between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True)
class Splice:
    """The rows now, as `runs` of the rows before: from, to. From `old` on, they are of the new rows, which follow."""

    old: int
    new: int
    runs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, old: int, gone: Iterable[int], before: Iterable[int]) -> Splice:
        """The `old` rows less those `gone`, with new row j put in before old row `before[j]`; both ascend."""
        places = list(before)
        events = sorted([(place, 0, row) for row, place in enumerate(places)] + [(row, 1, 0) for row in gone])
        runs: list[tuple[int, int]] = []
        at = 0
        for place, goes, row in events:
            if place > at:
                runs.append((at, place))
            at = place + goes
            if goes:
                continue
            if runs and runs[-1][1] == old + row and runs[-1][0] >= old:
                runs[-1] = runs[-1][0], old + row + 1
            else:
                runs.append((old + row, old + row + 1))
        if old > at:
            runs.append((at, old))
        return cls(old, len(places), tuple(runs))

    @classmethod
    def anew(cls, old: int, new: int) -> Splice:
        """All old rows gone, and so many new ones in their place."""
        return cls(old, new, ((old, old + new),) if new else ())

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self.runs)

    @property
    def changed(self) -> bool:
        """Whether anything is not as it was."""
        return self.new > 0 or len(self) != self.old

    def array(self, old: NDArray[Kind], new: NDArray[Kind]) -> NDArray[Kind]:
        """The rows now, of an array with one for each."""
        sides = [
            (old, start, stop) if start < self.old else (new, start - self.old, stop - self.old)
            for start, stop in self.runs
        ]
        return np.concatenate([old[:0], *(side[start:stop] for side, start, stop in sides)])

    def now(self) -> NDArray[np.int64]:
        """Where each old row is now; -1: it is gone."""
        found = np.full(self.old, -1, np.int64)
        at = 0
        for start, stop in self.runs:
            if start < self.old:
                found[start:stop] = np.arange(at, at + stop - start)
            at += stop - start
        return found

    def new_rows(self) -> NDArray[np.int64]:
        """Where the new rows are now."""
        found = [np.empty(0, np.int64)]
        at = 0
        for start, stop in self.runs:
            if start >= self.old:
                found.append(np.arange(at, at + stop - start))
            at += stop - start
        return np.concatenate(found)
