"""What tells two versions of a Lance table apart: its fragments, files of rows that are never written again."""

from __future__ import annotations

from dataclasses import dataclass

import lance


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
    return {
        key: Fragment(tuple(file.path for file in one.metadata.files), one.num_deletions)
        for key, one in readable(dataset).items()
    }
