"""Which picture is the first to carry a caption, kept up as pictures and captions come and go."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossgraph.gallery.tables.splice import Splice

NOBODY = -1


def first_owners(items: pa.Table, captions: pa.ChunkedArray) -> NDArray[np.int64]:
    """For every id of `captions` the first row of `items` that carries it, or `NOBODY`."""
    carried, rows = carried_captions(items["caption_ids"])
    return _firsts(pc.index_in(carried, captions), rows, len(captions))


def owners_following(
    owners: NDArray[np.int64], items: pa.Table, captions: pa.ChunkedArray, *, moved: Splice, renewed: Splice
) -> NDArray[np.int64]:
    """`first_owners` now, where `moved` says how the pictures changed and `renewed` how the captions did."""
    now = np.concatenate([moved.now(), [NOBODY]])[owners]
    found = renewed.array(now, np.full(len(renewed.order), NOBODY)).astype(np.int64)
    lacking = np.flatnonzero(found == NOBODY)
    new = moved.new_rows()
    if len(new):
        carried, places = carried_captions(items["caption_ids"].take(pa.array(new)))
        known = pc.unique(carried)
        first = _firsts(pc.index_in(carried, known), new[places], len(known))
        matches = pc.index_in(captions, known)
        captioned = pc.indices_nonzero(pc.is_valid(matches)).to_numpy()
        given = first[pc.drop_null(matches).to_numpy()]
        old = found[captioned]
        found[captioned] = np.where(old == NOBODY, given, np.minimum(old, given))
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
