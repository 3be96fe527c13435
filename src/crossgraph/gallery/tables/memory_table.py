"""A Lance table in memory, and what became of it since: only files that are new are read.

A version of a table is a list of fragments, files of rows that are never written again; deletions lie beside them. So
two versions differ by the fragments that only one of them has, and by those with more deletions. A row that was only
carried into another file, by compaction, is known by its id and its stamps, and not read again.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossgraph.gallery.tables.disk_matrix import DiskMatrix, Rows
from crossgraph.gallery.tables.fixed_columns import (
    fixed_columns,
    fixed_piece,
    fixed_rows,
    is_searchable,
    kind_of,
    width_of,
)
from crossgraph.gallery.tables.fragments import ADDRESS, Fragment, fragments_of, readable
from crossgraph.gallery.tables.key_files import rows_at
from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.gallery.tables.splice import Splice

MOST_PIECES = 4096
"""Pieces of a column from which one piece is made: every look at a column costs something per piece."""

READ_AHEAD = 16 << 20  # bytes of a column that are read before they are asked for
FETCHED = 4096  # new rows among carried ones that are fetched one by one; more, and the table is read anew

Windows: TypeAlias = Mapping[str, slice]
"""Which part of each row of a column stays in memory where the rest is on disk, by the name of the column."""


@dataclass(frozen=True)
class MemoryTable:
    """A table as of one `version`, in order of id. `addresses` say where each row lies on disk.

    Columns of fixed width are `matrices`, the others `rows`. Two rows with one id and equal `stamps` are equal. Where
    `on_disk` is not None, columns of fixed width stay on disk, but for what it names of them, and codes that are bytes.
    """

    dataset: lance.LanceDataset
    on_disk: Windows | None
    version: int
    stamps: tuple[str, ...]
    fragments: Mapping[int, Fragment]
    addresses: NDArray[np.uint64]
    rows: pa.Table
    matrices: Mapping[str, Matrix]

    @classmethod
    def read(
        cls, dataset: lance.LanceDataset, *, stamps: tuple[str, ...], on_disk: Windows | None = None
    ) -> MemoryTable:
        """All of the table, as of the version of `dataset`."""
        plain, _ = fixed_columns(dataset.schema)
        keys = dataset.scanner(columns=["id"], with_row_address=True).to_table()
        order = pc.sort_indices(keys["id"])
        place = np.empty(len(keys), np.int64)
        place[order.to_numpy()] = np.arange(len(keys))
        addresses = _addresses(keys)[order.to_numpy()]
        del keys
        # column by column, so that no more than one is ever there twice
        kept = pa.table({name: _read_column(dataset, name, order) for name in plain})
        windows = _in_memory(dataset.schema, on_disk)
        matrices = {name: _read_matrix(dataset, name, place, window) for name, window in windows.items()}
        return cls(dataset, on_disk, dataset.version, stamps, fragments_of(dataset), addresses, kept, matrices)

    def column(self, name: str) -> Rows:
        """A column of fixed width: in memory, or, where not all of its rows are there, on disk."""
        window = _in_memory(self.dataset.schema, self.on_disk).get(name)
        return self.matrices[name] if window == slice(None) else DiskMatrix(self.dataset, name, self.addresses)

    def columns(self) -> dict[str, Rows]:
        """All columns of fixed width, by name."""
        return {name: self.column(name) for name in fixed_columns(self.dataset.schema)[1]}

    def following(self, dataset: lance.LanceDataset) -> tuple[MemoryTable, Splice, pa.Table]:
        """The table as of the version of `dataset`, how its rows came out of these, and those that are new."""
        fragments, files = fragments_of(dataset), readable(dataset)
        gone = self._gone(dataset, fragments)
        fresh = [files[key] for key in fragments if _files(fragments, key) != _files(self.fragments, key)]
        addresses, wanted = self.addresses, pa.table({"id": pa.array([], pa.string())})
        everything = True
        if fresh:
            keys = _scan(dataset, fresh, ["id", *self.stamps])
            addresses, gone, carried = self._carried(keys, gone)
            wanted, everything = keys.filter(pa.array(~carried)), not carried.any()
        if len(wanted) > max(FETCHED, len(self.rows) // 4) or (not everything and len(wanted) > FETCHED):
            anew = MemoryTable.read(dataset, stamps=self.stamps, on_disk=self.on_disk)
            return anew, Splice.anew(len(self.rows), len(anew.rows)), anew.rows
        where, new, numbers = self._read_new(
            dataset, fresh if len(wanted) else [], None if everything else _addresses(wanted)
        )
        before = [place_of(self.rows["id"], key) for key in new["id"].to_pylist()]
        splice = Splice.of(len(self.rows), np.flatnonzero(gone).tolist(), before)
        found = MemoryTable(
            dataset,
            self.on_disk,
            dataset.version,
            self.stamps,
            fragments,
            splice.array(addresses, where),
            spliced_table(splice, self.rows, new) if splice.changed else self.rows,
            {
                name: one.spliced(splice, numbers[name]) if splice.changed else one
                for name, one in self.matrices.items()
            },
        )
        return found, splice, new

    def was_read_from(self, dataset: lance.LanceDataset) -> bool:
        """Whether this version of a table is later, or is this one: of the same files, whose names no others have."""
        if dataset.version == self.version:
            return fragments_of(dataset) == dict(self.fragments)
        return dataset.version > self.version

    def _read_new(
        self,
        dataset: lance.LanceDataset,
        fresh: Sequence[lance.LanceFragment],
        some: NDArray[np.uint64] | None,
    ) -> tuple[NDArray[np.uint64], pa.Table, dict[str, NDArray[np.generic]]]:
        """Addresses, plain columns and numbers of all rows of these fragments, or of `some` there, in order of id."""
        plain, _ = fixed_columns(dataset.schema)
        windows = _in_memory(dataset.schema, self.on_disk)
        if not fresh:
            empty = {name: np.empty((0, self.matrices[name].width), kind_of(dataset.schema, name)) for name in windows}
            return np.empty(0, np.uint64), self.rows.slice(0, 0), empty
        read = _scan(dataset, fresh, [*plain, *windows], at=some).sort_by("id")
        numbers = {name: fixed_rows(read[name])[:, window] for name, window in windows.items()}
        return _addresses(read), read.select(self.rows.column_names).combine_chunks(), numbers

    def _gone(self, dataset: lance.LanceDataset, fragments: Mapping[int, Fragment]) -> NDArray[np.bool_]:
        """Which rows are not where they were."""
        gone = np.zeros(len(self.addresses), np.bool_)
        changed = [key for key, one in self.fragments.items() if fragments.get(key) != one]
        if not changed:
            return gone
        owners = (self.addresses >> np.uint64(32)).astype(np.int64)
        for key in changed:
            here = owners == key
            if _files(fragments, key) != self.fragments[key].files:
                gone |= here
                continue
            fragment = readable(dataset)[key]
            left = np.zeros(fragment.physical_rows, np.bool_)
            left[_offsets(_addresses(_scan(dataset, [fragment], [])))] = True
            rows = np.flatnonzero(here)
            gone[rows] = ~left[_offsets(self.addresses[rows])]
        return gone

    def _carried(
        self, keys: pa.Table, gone: NDArray[np.bool_]
    ) -> tuple[NDArray[np.uint64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Addresses and gone rows, less those that only lie elsewhere now; and which of the `keys` those are."""
        lost = np.flatnonzero(gone)
        if not len(lost):
            return self.addresses, gone, np.zeros(len(keys), np.bool_)
        old = self.rows.select(["id", *self.stamps]).take(pa.array(lost))
        found = pc.index_in(keys["id"], old["id"])
        same = pc.is_valid(found)
        for name in self.stamps:
            same = pc.and_(same, pc.fill_null(pc.equal(keys[name], old[name].take(found)), False))
        carried = _numbers(same).astype(np.bool_)
        rows = lost[_numbers(found.filter(same)).astype(np.int64)]
        addresses, gone = self.addresses.copy(), gone.copy()
        addresses[rows] = _addresses(keys)[carried]
        gone[rows] = False
        return addresses, gone, carried


def spliced_table(splice: Splice, old: pa.Table, new: pa.Table) -> pa.Table:
    """The rows now. What was there before is not copied, unless it would be in too many pieces."""
    both = pa.concat_tables([old, new])
    if len(splice.runs) > MOST_PIECES:
        rows = splice.array(np.arange(splice.old), splice.old + np.arange(splice.new))
        return both.take(pa.array(rows)).combine_chunks()
    found = pa.concat_tables([both.slice(0, 0), *(both.slice(start, stop - start) for start, stop in splice.runs)])
    return found.combine_chunks() if found.column(0).num_chunks > MOST_PIECES else found


def place_of(ids: pa.ChunkedArray, key: str) -> int:
    """The first of the ascending `ids` that is not before `key`."""
    return bisect.bisect_left(range(len(ids)), key, key=lambda row: ids[row].as_py())


def row_of(ids: pa.ChunkedArray, key: str) -> int | None:
    """Which of the ascending `ids` is `key`, or None."""
    place = place_of(ids, key)
    return place if place < len(ids) and ids[place].as_py() == key else None


def _read_column(dataset: lance.LanceDataset, name: str, order: pa.Array) -> pa.Array:
    """One plain column, its rows in some order, in one piece."""
    found = dataset.scanner(columns=[name]).to_table()[name].combine_chunks()
    whole = found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)
    return whole.take(order)


def _read_matrix(dataset: lance.LanceDataset, name: str, place: NDArray[np.int64], window: slice) -> Matrix:
    """A window of one column, row by row where `place` says."""

    def pieces() -> Iterator[tuple[NDArray[np.int64], NDArray[np.generic]]]:
        at = 0
        for batch in dataset.scanner(columns=[name], batch_readahead=1, io_buffer_size=READ_AHEAD).to_batches():
            yield place[at : at + len(batch)], fixed_piece(batch[name])[:, window]
            at += len(batch)

    width = len(range(width_of(dataset.schema, name))[window])
    return Matrix.scattered(len(place), width, kind_of(dataset.schema, name), pieces())


def _in_memory(schema: pa.Schema, on_disk: Windows | None) -> dict[str, slice]:
    """What of each column of fixed width is kept in memory: what Lance cannot search is, unless a window is named."""
    _, fixed = fixed_columns(schema)
    if on_disk is None:
        return dict.fromkeys(fixed, slice(None))
    return {
        name: on_disk.get(name, slice(None)) for name in fixed if name in on_disk or not is_searchable(schema, name)
    }


def _files(fragments: Mapping[int, Fragment], key: int) -> tuple[str, ...] | None:
    found = fragments.get(key)
    return None if found is None else found.files


def _scan(
    dataset: lance.LanceDataset,
    fragments: Sequence[lance.LanceFragment],
    columns: list[str],
    *,
    at: NDArray[np.uint64] | None = None,
) -> pa.Table:
    """Some columns of these fragments, with the addresses of their rows; of all rows, or of those that lie there."""
    chosen = None if at is None else rows_at(at.tolist())
    return dataset.scanner(columns=columns, filter=chosen, fragments=list(fragments), with_row_address=True).to_table()


def _numbers(column: pa.ChunkedArray | pa.Array) -> NDArray[np.generic]:
    found: NDArray[np.generic] = (
        column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(zero_copy_only=False)
    )
    return found


def _addresses(table: pa.Table) -> NDArray[np.uint64]:
    return _numbers(table[ADDRESS]).astype(np.uint64, copy=False)


def _offsets(addresses: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Which row of its fragment each address names."""
    return (addresses & np.uint64(2**32 - 1)).astype(np.int64)
