"""Numbers over steps or epochs, and what is shown of very many: means of equal parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

MOST_POINTS = 400


@dataclass(frozen=True)
class Curve:
    """A number `y` at each place `x` (a step or an epoch), in order; nan and infinity are gaps, None."""

    x: tuple[float, ...]
    y: tuple[float | None, ...]

    def __len__(self) -> int:
        return len(self.x)

    @property
    def known(self) -> list[tuple[float, float]]:
        """The points that are no gaps."""
        return [(x, y) for x, y in zip(self.x, self.y, strict=True) if y is not None]

    @property
    def last(self) -> float | None:
        """The value of the last point that is no gap."""
        known = self.known
        return known[-1][1] if known else None

    def reduced(self, most: int = MOST_POINTS) -> Curve:
        """At most `most` points: x and y are the means of runs of points of equal length, the last perhaps shorter.

        A gap makes its part a gap, so that none is hidden.

        >>> Curve((1.0, 2.0, 3.0), (4.0, 8.0, 1.0)).reduced(2)
        Curve(x=(1.5, 3.0), y=(6.0, 1.0))
        """
        if len(self) <= most:
            return self
        size = math.ceil(len(self) / most)
        starts = np.arange(0, len(self), size)
        counts = np.diff([*starts, len(self)])
        x = np.add.reduceat(np.asarray(self.x, dtype=np.float64), starts) / counts
        values = np.asarray([math.nan if y is None else y for y in self.y], dtype=np.float64)
        y = np.add.reduceat(values, starts) / counts
        return Curve(tuple(x.tolist()), tuple(finite(value) for value in y.tolist()))

    def to_json(self) -> dict[str, object]:
        """As plain lists."""
        return {"x": list(self.x), "y": list(self.y)}


def finite(value: float) -> float | None:
    """The number, or None for nan and infinity, which JSON has no words for."""
    return value if math.isfinite(value) else None
