"""Where rows lie by their keys, in files beside a table: of each key that is looked up a few numbers are read.

Lance's own indexes are read page by page, and a thousand keys scattered over a million rows are on every page. A
fragment is never written again, so that what is noted of it stays true, and its file's name says which it is. Notes are
of 32-bit sums: which rows have a key, and are still there, shows when they are read. Where a note is missing or cannot
be read, its fragment is looked through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossgraph.files import write_atomically
from crossgraph.gallery.tables.fragments import ADDRESS, HALF, OFFSETS, files_of, readable

NOTED_FROM = 5000  # rows of a fragment that has notes; smaller ones are read as fast


@dataclass(frozen=True)
class KeyFiles:
    """The notes of one table, in `folder`: of a fragment's rows sums of keys, ascending, and the row of each."""

    folder: Path

    def make(self, dataset: lance.LanceDataset, columns: Sequence[str]) -> None:
        """Note the keys in these columns where that is lacking, and remove notes of fragments that are no more."""
        kept = set[str]()
        for fragment in readable(dataset).values():
            if fragment.physical_rows >= NOTED_FROM:
                for column in columns:
                    path = self._path(fragment, column)
                    kept.add(path.name)
                    if not path.exists():
                        self.folder.mkdir(exist_ok=True)
                        write_atomically(path, _noted(dataset, fragment, column))
        for path in self.folder.glob("*.keys"):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def look_up(
        self, dataset: lance.LanceDataset, column: str, keys: Sequence[str]
    ) -> tuple[NDArray[np.uint64], list[lance.LanceFragment]]:
        """Where rows with these keys may lie, and the fragments of which nothing is noted."""
        found, others = [np.empty(0, np.uint64)], list[lance.LanceFragment]()
        sums = np.unique(_sums(pa.array(keys, pa.string()))) << HALF
        for number, fragment in readable(dataset).items():
            notes = self._read(fragment, column)
            if notes is None:
                others.append(fragment)
                continue
            first, after = np.searchsorted(notes, sums), np.searchsorted(notes, sums | OFFSETS, side="right")
            counts = after - first
            rows = np.arange(counts.sum()) + np.repeat(after - np.cumsum(counts), counts)
            found.append((notes[rows] & OFFSETS) | np.uint64(number << 32))
        return np.unique(np.concatenate(found)), others

    def _read(self, fragment: lance.LanceFragment, column: str) -> NDArray[np.uint64] | None:
        if fragment.physical_rows < NOTED_FROM:
            return None
        try:
            return np.memmap(self._path(fragment, column), np.uint64, "r").view(np.ndarray)
        except (OSError, ValueError):  # it is not there, or not whole
            return None

    def _path(self, fragment: lance.LanceFragment, column: str) -> Path:
        files = sha256("\n".join(files_of(fragment.metadata)).encode()).hexdigest()[:32]
        return self.folder / f"{column}-{files}.keys"


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


def _noted(dataset: lance.LanceDataset, fragment: lance.LanceFragment, column: str) -> bytes:
    pieces = [np.empty(0, np.uint64)]
    for batch in dataset.scanner(columns=[column], with_row_address=True, fragments=[fragment]).to_batches():
        keys, rows = keys_and_rows(batch, column)
        pieces.append((_sums(keys) << HALF) | (rows & OFFSETS))
    return np.sort(np.concatenate(pieces)).tobytes()


def _sums(keys: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    return np.fromiter(map(crc32, pc.fill_null(keys, "").cast(pa.binary()).to_pylist()), np.uint64, len(keys))
