"""Shards of a gallery: made of all rows or of those that are in none yet, and how much of a full search they find."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossgraph.errors import GalleryError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.stages.code_index import agreement, hamming
from crossgraph.gallery.stages.sharded import ShardedCodes, nearest_in_shards
from crossgraph.gallery.tables import lance
from crossgraph.gallery.tables.disk_matrix import DiskMatrix
from crossgraph.gallery.tables.fixed_columns import is_searchable
from crossgraph.gallery.tables.shards import FEWEST, Each, build_shard, commit_shards, shard_tasks, shards_of
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.progress import Progress, Silent

ROWS = 1_000_000
"""Rows of one shard: what one worker builds, and what a removal never makes anew."""

TABLES = ("items", "captions")
COLUMNS = ("vector", "code")
DEPTHS = (10, 100)
PROBES = (1, 4, 16, 64)
CLOSE = 1e-5  # scores as near as this are a tie


@dataclass(frozen=True)
class ShardedColumn:
    """One column that has shards: how many, in how many `lists` each, and how many of its `rows` are `inside`."""

    table: str
    column: str
    shards: int
    lists: int
    rows: int
    inside: int
    seconds: float = 0.0


@dataclass(frozen=True)
class ShardRecall:
    """What a search of the pictures finds of a full one's best 10 and 100, by one stage, probing `probes` lists.

    `ms` is the median time of one such search; `lists` is how many lists every shard has.
    """

    stage: str
    probes: int
    lists: int
    recall_10: float
    recall_100: float
    ms: float


def shard(
    gallery: Gallery,
    *,
    lists: int | None = None,
    rows: int = ROWS,
    anew: bool = False,
    each: Each = map,
    progress: Progress | None = None,
) -> tuple[ShardedColumn, ...]:
    """Put the rows that are in no shard yet into shards; with `anew` all rows. What has shards afterwards is returned.

    A shard has at most `rows` rows, or one file of the table, in `lists` lists (by default the square root of its
    rows). `each` maps the building of shards over what is to be built, here or elsewhere; nothing is seen by searches
    before all of a column are there. Tables of fewer than 256 rows get none. Raises `GalleryError` if another process
    is writing.
    """
    done, progress = list[ShardedColumn](), progress or Silent()
    wanted = [(table, column) for table in TABLES for column in COLUMNS]
    with gallery.changing(), progress.task("building shards", len(wanted)) as task:
        for name, column in wanted:
            with lance.plain_errors(gallery.storage):
                done += _sharded(gallery.store.tables[name], name, column, lists, rows, anew=anew, each=each)
            task.advance()
    return tuple(done)


def _sharded(
    table: lance.Table, name: str, column: str, lists: int | None, rows: int, *, anew: bool, each: Each
) -> list[ShardedColumn]:
    dataset, started = table.to_write(), time.perf_counter()
    count = dataset.count_rows()
    if not is_searchable(dataset.schema, column) or count < FEWEST:
        return []
    before = shards_of(dataset, column)
    if before is None or anew or (lists is not None and lists != before.lists):
        tasks = shard_tasks(dataset, column, rows=rows, lists=lists)
        commit_shards(dataset, column, len(tasks[0].centres), list(each(build_shard, tasks)))
    elif before.rows < count:
        dataset.optimize.optimize_indices(index_names=[before.name])
    found = shards_of(table.dataset, column)
    if found is None:
        raise GalleryError(f"the shards of {name} were not stored. Run `crossgraph gallery shard` again.")
    seconds = time.perf_counter() - started
    return [ShardedColumn(name, column, found.count, found.lists, count, found.rows, seconds)]


def shard_recall(
    gallery: Gallery,
    *,
    queries: int = 100,
    probes: Sequence[int] = PROBES,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[ShardRecall, ...]:
    """How much of a full search of the pictures is found in so many lists, by codes and by vectors.

    Queries are sampled captions of the gallery, as they were encoded, or, where it has none, its pictures. `gallery`
    must be open with `memory="disk"`. Raises `GalleryError` if it has no shards.
    """
    snapshot = gallery.snapshot()
    stages = [(name, matrix) for name, matrix in (("codes", snapshot.codes), ("shortlist", snapshot.vectors))]
    found = list[ShardRecall]()
    rows = _sample(snapshot, queries, seed)
    for name, matrix in stages:
        if not isinstance(matrix, DiskMatrix) or matrix.shards is None:
            continue
        asked = _queries(snapshot, name, rows)
        best = _best(matrix, asked, max(DEPTHS))
        for count in dict.fromkeys(min(one, matrix.shards.lists) for one in probes):
            hits, times = dict.fromkeys(DEPTHS, 0.0), list[float]()
            for query, near in zip(asked, best, strict=True):
                started = clock()
                scores = _search(matrix, query, probes=count)
                times.append(1000 * (clock() - started))
                for k in DEPTHS:
                    k_here = min(k, len(near))
                    hits[k] += int((scores[:k_here] >= near[k_here - 1] - CLOSE).sum()) / k_here / len(asked)
            ms = statistics.median(times)
            found.append(ShardRecall(name, count, matrix.shards.lists, hits[10], hits[100], ms))
    if not found:
        raise GalleryError(
            f"{gallery.storage} has no shards, or fewer than {FEWEST} pictures. "
            f"Run `crossgraph gallery shard {gallery.storage}` first."
        )
    return tuple(found)


def _sample(snapshot: Snapshot, count: int, seed: int) -> NDArray[np.int64]:
    """Rows of the captions, or of the pictures where there are none, in order."""
    there = len(snapshot.captions) or len(snapshot.items)
    if not there:
        raise GalleryError("the gallery holds no pictures yet.")
    return np.sort(np.random.default_rng(seed).permutation(there)[:count])


def _queries(snapshot: Snapshot, stage: str, rows: NDArray[np.int64]) -> NDArray[np.generic]:
    of_captions = len(snapshot.captions) > 0
    if stage == "shortlist":
        found = (snapshot.caption_vectors if of_captions else snapshot.vectors)[rows]
    else:
        codes = snapshot.caption_codes if of_captions else snapshot.codes
        assert codes is not None
        found = codes[rows]
    return found


def _search(matrix: DiskMatrix, query: NDArray[Any], *, probes: int) -> NDArray[np.float32]:
    """Scores of the best rows in so many lists."""
    if query.dtype == np.uint8:
        bits = 8 * matrix.width
        return ShardedCodes(matrix, bits=bits).nearest(query, k=max(DEPTHS), probes=probes).scores
    return nearest_in_shards(matrix, query, k=max(DEPTHS), probes=probes).scores


def _best(matrix: DiskMatrix, queries: NDArray[Any], depth: int) -> NDArray[np.float32]:
    """The best scores of a full search, block by block."""
    best = np.empty((len(queries), 0), np.float32)
    for _, values in matrix.blocks():
        rows: NDArray[Any] = np.ascontiguousarray(values)
        if queries.dtype == np.uint8:
            scores = np.stack([agreement(hamming(rows, query), 8 * matrix.width) for query in queries])
        else:
            scores = queries @ rows.T
        joined = np.concatenate([best, scores], axis=1)
        best = -np.sort(-joined, axis=1)[:, :depth] if joined.shape[1] > depth else joined
    return -np.sort(-best, axis=1)
