"""Which picture is the first to carry a caption, kept up as pictures and captions come and go."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossgraph.gallery.tables.memory_table import row_of
from crossgraph.gallery.tables.splice import Splice

NOBODY = -1
FEW = 4096  # new pictures whose captions are looked up one by one


def first_owners(items: pa.Table, captions: pa.ChunkedArray) -> NDArray[np.int64]:
    """For every id of `captions` the first row of `items` that carries it, or `NOBODY`."""
    carried, rows = carried_captions(items["caption_ids"])
    return _firsts(pc.index_in(carried, captions), rows, len(captions))


def owners_following(
    owners: NDArray[np.int64],
    items: pa.Table,
    captions: pa.ChunkedArray,
    new: pa.Table,
    *,
    moved: Splice,
    renewed: Splice,
) -> NDArray[np.int64]:
    """`first_owners` now: `moved` says how pictures changed, of which these are `new`, `renewed` how captions did."""
    if len(new) > FEW:
        return first_owners(items, captions)
    now = np.concatenate([moved.now(), [NOBODY]])[owners]
    found = renewed.array(now, np.full(renewed.new, NOBODY))
    lacking = np.flatnonzero(found == NOBODY)
    for row, keys in zip(moved.new_rows().tolist(), new["caption_ids"].to_pylist(), strict=True):
        for key in keys:
            place = row_of(captions, key)
            if place is not None and (found[place] == NOBODY or row < found[place]):
                found[place] = row
    if _lost(owners, now) or (found[lacking] == NOBODY).any():  # another picture, not a new one, may carry them
        found[lacking] = first_owners(items, captions.take(pa.array(lacking)))
    return found


def carried_captions(lists: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int64]]:
    """The elements of all lists end to end, and of which row each is."""
    texts = pc.list_flatten(lists).combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return texts, np.repeat(np.arange(len(lists)), lengths)


def _lost(before: NDArray[np.int64], now: NDArray[np.int64]) -> bool:
    return bool(((before != NOBODY) & (now == NOBODY)).any())


def _firsts(places: pa.Array, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """For each of `count` places the first of the ascending `rows` that names it."""
    found = np.full(count, NOBODY, np.int64)
    valid = pc.is_valid(places).to_numpy(zero_copy_only=False)
    # The last of several writes to one place stays, so the first row goes last.
    found[pc.drop_null(places).to_numpy()[::-1]] = rows[valid][::-1]
    return found
