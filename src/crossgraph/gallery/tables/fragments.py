"""What tells two versions of a Lance table apart: its fragments, files of rows that are never written again."""

from __future__ import annotations

from dataclasses import dataclass

import lance
import numpy as np
from numpy.typing import NDArray

ADDRESS = "_rowaddr"
"""The column of where a row lies: its fragment in the upper half, which row of that in the lower."""

HALF, OFFSETS = np.uint64(32), np.uint64(2**32 - 1)


@dataclass(frozen=True)
class Fragment:
    """What tells whether a fragment is still the one that was read: its files, and how many rows of it were deleted."""

    files: tuple[str, ...]
    deleted: int


def readable(dataset: lance.LanceDataset) -> dict[int, lance.LanceFragment]:
    """The fragments of a table by their numbers, to be read."""
    return {one.fragment_id: one for one in dataset.get_fragments()}


def fragments_of(dataset: lance.LanceDataset) -> dict[int, Fragment]:
    """What tells the fragments of a table from those of another version, by their numbers."""
    return {key: Fragment(files_of(one.metadata), one.num_deletions) for key, one in readable(dataset).items()}


def files_of(fragment: lance.FragmentMetadata) -> tuple[str, ...]:
    """The names of a fragment's files, which no other has."""
    return tuple(file.path for file in fragment.files)


def without(fragment: lance.LanceFragment, offsets: NDArray[np.uint64]) -> lance.FragmentMetadata | None:
    """The fragment without some of its rows, not committed; None: nothing is left. No filter is planned for it."""
    return fragment.delete_rows(offsets.tolist())
