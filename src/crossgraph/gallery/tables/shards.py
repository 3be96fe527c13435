"""Shards of a column of vectors or codes: segments of Lance's index, built apart from each other and committed at once.

Building one is a function of the table's files alone, so that any process that reads them can build any shard;
committing makes those visible that the driver names. The name of the index says how many lists its shards have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isqrt

import lance
import numpy as np
import pyarrow as pa
from lance.dataset import Index
from numpy.typing import NDArray

from crossgraph.gallery.tables.shard_centres import centres_of

FEWEST = 256
"""Rows fewer than these are compared one by one sooner than in lists."""

_NAME = re.compile(r"(?P<column>.+)-in-(?P<lists>\d+)-lists")


@dataclass(frozen=True)
class Shards:
    """What is known of the shards of a column: how many, in how many `lists` each, and `rows` of the table in them."""

    name: str
    count: int
    lists: int
    rows: int


@dataclass(frozen=True)
class ShardTask:
    """Which shard to build: the `fragments` of the table at `uri`, as of `version`, in lists about `centres`."""

    uri: str
    version: int
    column: str
    centres: NDArray[np.generic]
    fragments: tuple[int, ...]
    storage_options: dict[str, str] | None = None


Build = Callable[[ShardTask], Index]
Each = Callable[[Build, Sequence[ShardTask]], Iterable[Index]]


def shards_of(dataset: lance.LanceDataset, column: str) -> Shards | None:
    """The shards of a column, or None where it has none."""
    for one in dataset.describe_indices():
        named = _NAME.fullmatch(one.name)
        if named and named["column"] == column:
            return Shards(one.name, len(one.segments), int(named["lists"]), one.num_rows_indexed)
    return None


def shard_tasks(dataset: lance.LanceDataset, column: str, *, rows: int, lists: int | None = None) -> list[ShardTask]:
    """What to build for all of the table: shards of at most `rows` rows (or of one file), in lists about one set of
    centres."""
    groups, sizes = list[list[int]](), list[int]()
    for fragment in dataset.get_fragments():
        count = fragment.count_rows()
        if groups and sizes[-1] + count <= rows:
            groups[-1].append(fragment.fragment_id)
            sizes[-1] += count
        elif count:
            groups.append([fragment.fragment_id])
            sizes.append(count)
    while len(groups) > 1 and sizes[-1] < min(sizes[0], rows) // 4:  # a small rest is no shard of its own
        groups[-2] += groups.pop()
        sizes[-2] += sizes.pop()
    if not groups:
        return []
    centres = centres_of(dataset, column, lists=min(lists or isqrt(max(sizes)), sum(sizes)))
    return [
        ShardTask(dataset.uri, dataset.version, column, centres, tuple(group), dataset._storage_options)
        for group in groups
    ]


def build_shard(task: ShardTask) -> Index:
    """One shard, written but not visible; what comes back is for `commit_shards`, and can be pickled."""
    dataset = lance.dataset(task.uri, version=task.version, storage_options=task.storage_options)
    return dataset.create_index_uncommitted(
        task.column,
        "IVF_FLAT",
        name=index_name(task.column, len(task.centres)),
        metric="hamming" if task.centres.dtype == np.uint8 else "dot",
        num_partitions=len(task.centres),
        ivf_centroids=pa.FixedSizeListArray.from_arrays(pa.array(task.centres.ravel()), task.centres.shape[1]),
        fragment_ids=list(task.fragments),
    )


def commit_shards(dataset: lance.LanceDataset, column: str, lists: int, shards: Sequence[Index]) -> None:
    """Make these the shards of the column, in the place of those it had."""
    before = shards_of(dataset, column)
    if before is not None:
        dataset.drop_index(before.name)
    dataset.commit_existing_index_segments(index_name(column, lists), column, list(shards))


def index_name(column: str, lists: int) -> str:
    """What the index of a column is called."""
    return f"{column}-in-{lists}-lists"
