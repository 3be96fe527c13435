"""Rows of `.npy` files that stay on disk: each is read where it lies when it is asked for, and none is kept.

A memory map would do, but every page that was read through one counts as this process's memory for as long as the
system likes to keep it: features of 36 gigabytes fill any machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64
from numpy.typing import NDArray

from crossgraph.errors import DataError


@dataclass(frozen=True)
class NpyFile:
    """A `.npy` file of `rows` rows in C order; `start` is where the first lies."""

    path: Path
    start: int
    rows: int
    shape: tuple[int, ...]
    """Of a row."""
    kind: np.dtype[np.floating]

    @classmethod
    def of(cls, path: Path) -> NpyFile:
        """What a file's header says. Raises whatever numpy does for a damaged one, and `ValueError` for columns."""
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if found.ndim < 2 or not np.issubdtype(found.dtype, np.floating):
            shape = " x ".join(map(str, found.shape))
            raise ValueError(f"features must be rows of floats; got {found.dtype} {shape}")
        if not found.flags.c_contiguous:
            raise ValueError("it lies in Fortran order; write it again with numpy.ascontiguousarray")
        return cls(path, found.offset, len(found), found.shape[1:], found.dtype)

    def read(self, row: int) -> Float32[np.ndarray, "*shape"]:
        """One row, in single precision. Raises `DataError` where the file has changed or gone since it was opened."""
        count = int(np.prod(self.shape, dtype=np.int64))
        try:
            found = np.fromfile(self.path, self.kind, count, offset=self.start + row * count * self.kind.itemsize)
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror or error}; put the features back, and go on.") from error
        if len(found) != count:
            raise DataError(f"{self.path} is shorter than it was when it was opened; put the features back, and go on.")
        return found.reshape(self.shape).astype(np.float32, copy=False)


@dataclass(frozen=True)
class StoredRows:
    """Rows of several files in one order: what an array of them would be, less the arithmetic.

    `places[i]` is the number of row i among all rows of all files.
    """

    files: tuple[NpyFile, ...]
    places: Int64[np.ndarray, " n"]

    def __post_init__(self) -> None:
        shapes = {file.shape for file in self.files}
        if len(shapes) != 1:
            raise DataError(f"features of files that belong together must be of one shape, got {sorted(shapes)}.")

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the array."""
        return (len(self.places), *self.files[0].shape)

    @property
    def ndim(self) -> int:
        """How many axes the array has."""
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> Float32[np.ndarray, "*shape"]:
        """One row, read now."""
        place = int(self.places[row])
        for file in self.files:
            if place < file.rows:
                return file.read(place)
            place -= file.rows
        raise IndexError(row)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Every row in turn."""
        return (self[row] for row in range(len(self)))

    def take(self, rows: Sequence[int]) -> StoredRows:
        """The chosen rows, in the order given; nothing is read."""
        return StoredRows(self.files, self.places[np.asarray(rows, dtype=np.int64)])
