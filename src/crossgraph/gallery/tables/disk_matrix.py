"""Rows of numbers that stay on disk: fetched by their addresses, or streamed; nearest ones found in their shards.

A shard is a segment of Lance's own index (`IVF_FLAT`): rows in lists by the centre they are nearest to, so that a
search reads the lists whose centres are nearest to the query and no others. Distances in it are exact. Rows that no
shard has yet are compared one by one, by the same call; removed and replaced ones are left out by the table itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TypeAlias

import lance
import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from crossgraph.gallery.tables.fixed_columns import fixed_piece, fixed_rows, kind_of, width_of
from crossgraph.gallery.tables.fragments import ADDRESS
from crossgraph.gallery.tables.lance import plain_errors
from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.gallery.tables.shards import Shards, shards_of
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of

BATCH = 8192  # rows read at once by what looks at all
FETCHED = 16_384  # rows fetched at once


class DiskMatrix:
    """Rows of one column, in the order of `addresses`; `matrix[rows]` is what it is of an array, read from the disk.

    All is read as of the version of `dataset`. Where a writer has removed its files meanwhile, that is a
    `ReplacedError`.
    """

    def __init__(self, dataset: lance.LanceDataset, column: str, addresses: NDArray[np.uint64]) -> None:
        self._dataset, self._column, self._addresses = dataset, column, addresses

    def __len__(self) -> int:
        return len(self._addresses)

    @property
    def width(self) -> int:
        """How long a row is."""
        return width_of(self._dataset.schema, self._column)

    @cached_property
    def shards(self) -> Shards | None:
        """The shards that the column has, or None."""
        return shards_of(self._dataset, self._column)

    def __getitem__(self, rows: int | Sequence[int] | Int[np.ndarray, " k"]) -> Shaped[np.ndarray, ...]:
        wanted = np.asarray(rows, np.int64)
        pieces = [
            self._fetched(self._addresses[wanted.reshape(-1)[start : start + FETCHED]])
            for start in range(0, max(wanted.size, 1), FETCHED)
        ]
        found = np.concatenate(pieces)
        return found if wanted.ndim else found[0]

    def products(
        self, vector: Float[np.ndarray, " d"], rows: Int[np.ndarray, " k"] | None = None
    ) -> Float[np.ndarray, " k"]:
        """The inner product of `vector` with every row, or with some, each rounded as `Matrix.products` rounds it."""
        if rows is not None:
            some: Float[np.ndarray, " k"] = np.vecdot(self[rows], vector)
            return some
        found = np.empty(len(self), np.float32)
        for places, values in self.blocks():
            found[places] = np.vecdot(values, vector)
        return found

    def whole(self) -> Shaped[np.ndarray, "n d"]:
        """All rows, in order, in memory."""
        found = np.empty((len(self), self.width), kind_of(self._dataset.schema, self._column))
        for places, values in self.blocks():
            found[places] = values
        return found

    def subset(self, rows: NDArray[np.int64]) -> DiskMatrix:
        """Some of the rows."""
        return DiskMatrix(self._dataset, self._column, self._addresses[rows])

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.generic]]]:
        """All rows as they lie on disk, in blocks: which they are, and their values."""
        with plain_errors(self._place):
            scanner = self._dataset.scanner(columns=[self._column], with_row_address=True, batch_size=BATCH)
            for batch in scanner.to_batches():
                places = self._rows_at(batch[ADDRESS].to_numpy())
                values = fixed_piece(batch[self._column])
                yield places[places >= 0], values[places >= 0]

    def near(
        self, query: Shaped[np.ndarray, " d"], *, count: int, probes: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
        """Rows nearest to `query`, nearest first, their distances, and the distance below which none is left out.

        `count` are asked for, of `probes` lists of every shard and of all that is in none; rows that are not in this
        matrix are dropped. Distances are bits that differ, or 1 less the inner product.
        """
        nearest = {
            "column": self._column,
            "q": query,
            "k": count,
            "nprobes": max(probes, 1),
            "metric": "hamming" if query.dtype == np.uint8 else "dot",
            "use_index": self.shards is not None,
        }
        with plain_errors(self._place):
            found = self._dataset.scanner(
                columns=["_distance"], nearest=nearest, with_row_address=True, disable_scoring_autoprojection=True
            ).to_table()
        rows = self._rows_at(found[ADDRESS].to_numpy())
        distances = found["_distance"].to_numpy()
        reach = float(distances[-1]) if len(distances) == count else float("inf")
        return rows[rows >= 0], distances[rows >= 0], reach

    @cached_property
    def _place(self) -> Storage:
        return storage_of(self._dataset.uri)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(self._addresses, kind="stable")

    @cached_property
    def _ascending(self) -> NDArray[np.uint64]:
        return self._addresses[self._order]

    def _rows_at(self, addresses: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The row at each address; -1 where there is none."""
        if not len(self):
            return np.full(len(addresses), -1)
        places = np.searchsorted(self._ascending, addresses).clip(max=len(self) - 1)
        return np.where(self._ascending[places] == addresses, self._order[places], -1)

    def _fetched(self, addresses: NDArray[np.uint64]) -> NDArray[np.generic]:
        if not len(addresses):
            return np.empty((0, self.width), kind_of(self._dataset.schema, self._column))
        once, back = np.unique(addresses, return_inverse=True)
        with plain_errors(self._place):  # row ids are addresses in our tables
            read = self._dataset._take_rows(once.tolist(), columns=[self._column])
        return fixed_rows(read[self._column])[back]


Rows: TypeAlias = Matrix | DiskMatrix
"""Rows of numbers, in memory or on disk."""
