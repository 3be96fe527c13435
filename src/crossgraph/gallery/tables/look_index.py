"""Which pictures may look like one, without a look at most of them: by how light eight places of each are.

No place of a picture is much lighter or darker than that of one it looks like. So rows lie in order of two places, in
which those near enough are found by halving, and of these the other places are compared, then the first bits of the
patterns. Of seven thousand photos two places leave 15 in 100, eight leave 5 in 1,000.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from crossgraph.gallery.tables.likeness import APART_AT_FIRST, LIGHT, first_words
from crossgraph.gallery.tables.matrix import Matrix

SEEN = (0, 63, 7, 56, 27, 36, 3, 60)
"""Which of the 8 x 8 places: the corners, two of the middle, two of the edges."""
STEP = 16  # lightness within which rows are in order of the second place
BLOCK = 16_384  # rows that are compared at once, so that what is made of them stays in the cache


class LookIndex:
    """The rows of `looks`, each a perceptual hash, in an order by which few need be compared; it never changes."""

    def __init__(self, looks: Matrix) -> None:
        pooled = looks.pooled()
        seen = looks.in_order(pooled[:, SEEN])
        keys = _key(seen[:, 0].astype(np.uint16) // STEP, seen[:, 1].astype(np.uint16))
        order = keys.argsort(kind="stable")
        self._keys, self._rows = keys[order], order
        self._others = np.ascontiguousarray(np.delete(seen, 1, axis=1)[order].T)
        self._words = looks.in_order(first_words(pooled))[order]

    def near(self, look: UInt8[np.ndarray, " b"]) -> NDArray[np.int64]:
        """The rows, ascending, that are as light as this hash in those places, with as near first bits: all that look
        like it, and some others."""
        light = look[list(SEEN)].astype(np.int64)
        least, most = np.maximum(light - LIGHT, 0), np.minimum(light + LIGHT, 255)
        cells = np.arange(least[0] // STEP, most[0] // STEP + 1, dtype=np.uint16)
        first, last = (np.full(len(cells), lightness[1], np.uint16) for lightness in (least, most))
        starts = np.searchsorted(self._keys, _key(cells, first))
        stops = np.searchsorted(self._keys, _key(cells, last), side="right")
        lowest, widths = (np.delete(ends, 1)[:, None].astype(np.uint8) for ends in (least, most - least))
        word = first_words(look[None])
        found = [np.empty(0, np.int64)]
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            for at in range(start, stop, BLOCK):
                end = min(at + BLOCK, stop)
                above = self._others[:, at:end] - lowest  # of what is darker than the lowest, more than any width
                near = at + np.flatnonzero((above <= widths).all(0))
                near = near[np.bitwise_count(self._words[near] ^ word) <= APART_AT_FIRST]
                found.append(self._rows[near])
        return np.sort(np.concatenate(found))


def _key(cells: NDArray[np.uint16], second: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """What rows are in order of: cells of the first place, in each the lightness of the second."""
    return 256 * cells + second
