"""Rows of numbers in memory that can come and go without a copy of the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from crossgraph.gallery.tables.splice import Splice

BLOCK = 512  # rows that are copied to be multiplied, so that they are still in the cache
SPARE = 8
"""For so many rows there is room for one more; untouched, it takes no memory."""


class _Pool:
    """Room for `count` rows and some more, filled from the front. A row once written is never written again."""

    def __init__(self, count: int, width: int, kind: np.dtype[np.generic]) -> None:
        self.rows = np.empty((count + max(1024, count // SPARE), width), kind)
        self.filled = 0

    def add(self, rows: NDArray[np.generic]) -> None:
        self.rows[self.filled : self.filled + len(rows)] = rows
        self.filled += len(rows)


class Matrix:
    """Rows in order; `matrix[rows]` is what it is of an array.

    The rows lie in a pool, which matrices of later moments share and add to; `places` says where, in order, and is
    None while they lie in order from the start. So no matrix ever changes, and none costs more than what is new.
    """

    def __init__(self, pool: _Pool, used: int, places: NDArray[np.int64] | None = None) -> None:
        self._pool, self._used, self._places = pool, used, places

    @classmethod
    def of(cls, rows: Shaped[np.ndarray, "n d"]) -> Matrix:
        """A matrix of these rows, which are copied."""
        pool = _Pool(len(rows), rows.shape[1], rows.dtype)
        pool.add(rows)
        return cls(pool, len(rows))

    @classmethod
    def scattered(
        cls,
        count: int,
        width: int,
        kind: np.dtype[np.generic],
        pieces: Iterable[tuple[NDArray[np.int64], NDArray[np.generic]]],
    ) -> Matrix:
        """A matrix of `count` rows that come in pieces, each with where its rows go; never twice in memory."""
        pool = _Pool(count, width, kind)
        for places, rows in pieces:
            pool.rows[places] = rows
        pool.filled = count
        return cls(pool, count)

    def __len__(self) -> int:
        return self._used if self._places is None else len(self._places)

    @property
    def width(self) -> int:
        """How long a row is."""
        return int(self._pool.rows.shape[1])

    def __getitem__(self, rows: int | Sequence[int] | Int[np.ndarray, " k"]) -> Shaped[np.ndarray, ...]:
        wanted = np.asarray(rows, np.int64)
        return self._pool.rows.take(wanted if self._places is None else self._places[wanted], axis=0)

    def products(
        self, vector: Float[np.ndarray, " d"], rows: Int[np.ndarray, " k"] | None = None
    ) -> Float[np.ndarray, " k"]:
        """The inner product of `vector` with every row, or with some.

        Row by row, so that it depends on nothing but the row: a matrix product rounds by where a row lies.
        """
        if rows is None:
            return self.in_order(np.vecdot(self.pooled(), vector))
        if 4 * len(rows) > self._used:  # to read all is quicker than to copy these
            found: Float[np.ndarray, " k"] = self.products(vector)[rows]
            return found
        blocks = [np.vecdot(self[rows[at : at + BLOCK]], vector) for at in range(0, len(rows), BLOCK)]
        return np.concatenate([np.empty(0, vector.dtype), *blocks])

    def pooled(self) -> Shaped[np.ndarray, "used d"]:
        """The rows as they lie, those that are gone among them; `in_order` makes an order of what they give."""
        return self._pool.rows[: self._used]

    @property
    def lies_in_order(self) -> bool:
        """Whether the rows lie in order, so that `pooled` is all of them as they are."""
        return self._places is None

    def in_order(self, values: Shaped[np.ndarray, "used ..."]) -> Shaped[np.ndarray, "n ..."]:
        """What belongs to every row, out of what belongs to every row as it lies."""
        return values if self._places is None else values[self._places]

    def whole(self) -> Shaped[np.ndarray, "n d"]:
        """All rows, in order."""
        return self.pooled() if self._places is None else self.pooled()[self._places]

    def subset(self, rows: NDArray[np.int64]) -> Matrix:
        """Some of the rows."""
        return Matrix(self._pool, self._used, rows if self._places is None else self._places[rows])

    def spliced(self, splice: Splice, new: Shaped[np.ndarray, "k d"]) -> Matrix:
        """The rows as `splice` says, with these new ones."""
        if len(splice) == len(new):  # all are new
            return Matrix.of(new)
        pool, used = self._pool, self._used
        places = np.arange(used) if self._places is None else self._places
        if pool.filled != used or used + len(new) > len(pool.rows):
            pool, used = _Pool(len(self) + len(new), self.width, pool.rows.dtype), len(self)
            pool.add(self.whole())
            places = np.arange(used)
        pool.add(new)
        return Matrix(pool, used + len(new), splice.array(places, used + np.arange(len(new))))
