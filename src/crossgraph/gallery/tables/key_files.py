"""Where rows lie by their keys, in files beside a table: of each key that is looked up a few numbers are read.

Lance's own indexes are read page by page, and a thousand keys scattered over a million rows are on every page. A
fragment is never written again, so that what is noted of it stays true, and its file's name says which it is. Notes are
of 32-bit sums: which rows have a key, and are still there, shows when they are read. Where a note is missing or cannot
be read, its fragment is looked through. Of small fragments notes are kept in memory, which costs one reading of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossgraph.files import write_atomically
from crossgraph.gallery.tables.fragments import ADDRESS, HALF, OFFSETS, Fragment, files_of, readable

NOTED_FROM = 5000  # rows of a fragment that has notes; those of smaller ones are made in memory
Listed = dict[int, tuple[Fragment, lance.LanceFragment]]
"""Fragments by their numbers, each with what tells it from others."""
Kept = dict[tuple[str, ...], tuple[int, NDArray[np.uint64]]]
"""What is noted of fragments, by their files, and how many of its rows each had lost when it was read."""


class KeyFiles:
    """The notes of one table, in `folder`: of a fragment's rows sums of keys, ascending, and the row of each.

    Of small fragments the same is kept in memory. Many threads may share one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: tuple[lance.LanceDataset, int, Listed] | None = None
        self._kept: dict[str, Kept] = {}  # by the column
        self._made: tuple[Listed, Sequence[str]] | None = None

    def make(self, dataset: lance.LanceDataset, columns: Sequence[str]) -> None:
        """Note the keys in these columns where that is lacking, and remove notes of fragments that are no more."""
        fragments = self._fragments(dataset)
        if self._made is not None and self._made[0] is fragments and self._made[1] == columns:
            return  # it was done for this state of the table
        kept = set[str]()
        for state, fragment in fragments.values():
            if fragment.physical_rows >= NOTED_FROM:
                for column in columns:
                    path = self._path(state.files, column)
                    kept.add(path.name)
                    if not path.exists():
                        self.folder.mkdir(exist_ok=True)
                        write_atomically(path, _noted(dataset, [fragment], column)[fragment.fragment_id].tobytes())
        for path in self.folder.glob("*.keys"):
            if path.name not in kept:
                path.unlink(missing_ok=True)
        self._made = fragments, columns

    def unnoted(self, dataset: lance.LanceDataset, column: str) -> list[lance.LanceFragment]:
        """The fragments of which nothing is noted in the folder."""
        return [
            fragment
            for state, fragment in self._fragments(dataset).values()
            if self._read(state.files, fragment, column) is None
        ]

    def look_up(
        self, dataset: lance.LanceDataset, column: str, keys: Sequence[str]
    ) -> tuple[NDArray[np.uint64], list[lance.LanceFragment]]:
        """Where rows with these keys may lie, and the fragments of which nothing is noted though they are large."""
        found, others = [np.empty(0, np.uint64)], list[lance.LanceFragment]()
        sums = np.unique(_sums(pa.array(keys, pa.string()))) << HALF
        small = self._of_small(dataset, column) if keys else {}
        for number, (state, fragment) in self._fragments(dataset).items():
            kept = small.get(state.files)
            notes = self._read(state.files, fragment, column) if kept is None else kept[1]
            if notes is None:
                others.append(fragment)
                continue
            first, after = np.searchsorted(notes, sums), np.searchsorted(notes, sums | OFFSETS, side="right")
            counts = after - first
            if counts.any():
                rows = np.arange(counts.sum()) + np.repeat(after - np.cumsum(counts), counts)
                found.append((notes[rows] & OFFSETS) | np.uint64(number << 32))
        return np.unique(np.concatenate(found)), others

    def _fragments(self, dataset: lance.LanceDataset) -> Listed:
        """The fragments, listed once for each state of the table."""
        listed, version = self._listed, dataset.version  # first: another thread may write by this object meanwhile
        if listed is None or listed[0] is not dataset or listed[1] != version:
            found = readable(dataset)
            states = {key: (Fragment(files_of(one.metadata), one.num_deletions), one) for key, one in found.items()}
            listed = self._listed = dataset, version, states
        return listed[2]

    def _of_small(self, dataset: lance.LanceDataset, column: str) -> Kept:
        """What would be noted of small fragments, each of which is read once as long as it is there."""
        small = [one for one in self._fragments(dataset).values() if one[1].physical_rows < NOTED_FROM]
        before, kept, lacking = self._kept.get(column, {}), Kept(), list[tuple[Fragment, lance.LanceFragment]]()
        for state, fragment in small:
            known = before.get(state.files)
            if known is not None and known[0] <= state.deleted:  # else rows that went later are not noted
                kept[state.files] = known
            else:
                lacking.append((state, fragment))
        if lacking:
            read = _noted(dataset, [fragment for _, fragment in lacking], column)
            kept |= {state.files: (state.deleted, read[fragment.fragment_id]) for state, fragment in lacking}
        self._kept[column] = kept
        return kept

    def _read(self, files: tuple[str, ...], fragment: lance.LanceFragment, column: str) -> NDArray[np.uint64] | None:
        if fragment.physical_rows < NOTED_FROM:
            return None
        try:
            return np.memmap(self._path(files, column), np.uint64, "r").view(np.ndarray)
        except (OSError, ValueError):  # it is not there, or not whole
            return None

    def _path(self, files: tuple[str, ...], column: str) -> Path:
        return self.folder / f"{column}-{sha256(chr(10).join(files).encode()).hexdigest()[:32]}.keys"


def rows_at(addresses: Iterable[int]) -> str:
    """A filter for the rows that lie there."""
    return f"{ADDRESS} IN ({', '.join(map(str, addresses))})"


def keys_and_rows(
    rows: pa.RecordBatch | pa.Table, column: str
) -> tuple[pa.Array | pa.ChunkedArray, NDArray[np.uint64]]:
    """The keys in a column, of lists all they hold, and the address of the row that has each."""
    keys, places = rows[column], rows[ADDRESS].to_numpy()
    if pa.types.is_list(keys.type):
        places = np.repeat(places, pc.fill_null(pc.list_value_length(keys), 0).to_numpy())
        keys = pc.list_flatten(keys)
    return keys, places


def _noted(
    dataset: lance.LanceDataset, fragments: Sequence[lance.LanceFragment], column: str
) -> dict[int, NDArray[np.uint64]]:
    """The notes of these fragments, by their numbers."""
    pieces, numbers = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for batch in dataset.scanner(columns=[column], with_row_address=True, fragments=list(fragments)).to_batches():
        keys, rows = keys_and_rows(batch, column)
        pieces.append((_sums(keys) << HALF) | (rows & OFFSETS))
        numbers.append(rows >> HALF)
    notes, owners = np.concatenate(pieces), np.concatenate(numbers)
    return {one.fragment_id: np.sort(notes[owners == np.uint64(one.fragment_id)]) for one in fragments}


def _sums(keys: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    return np.fromiter(map(crc32, pc.fill_null(keys, "").cast(pa.binary()).to_pylist()), np.uint64, len(keys))
