"""Pictures whose caption, tag or file name is what was asked for, word for word."""

from __future__ import annotations

import threading
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossgraph.gallery.tables.memory_table import spliced_table
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.gallery.tables.splice import Splice

Match: TypeAlias = Literal["caption", "tag", "file name", "semantic"]
_LISTS: tuple[tuple[str, Match], ...] = (("labels", "tag"), ("captions", "caption"))
_NAMES = ("name", "name and ending")
_NAME = r"^.*[/\\]"
_ENDING = r"\.[^.]*$"
_BETWEEN = r"[\p{P}\p{Z}\s_]+"
_HASH = pa.int64()


class ExactHits:
    """Finds exact hits in one snapshot. Case, punctuation and spaces do not count; `beach_2.jpg` is "beach 2", and
    "beach 2 jpg".

    Of texts made plain only hashes of 64 bits are kept and compared, which are this process's own.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._items = snapshot.items
        self._hashed: pa.Table | None = None
        self._preparing = threading.Lock()

    def prepare(self) -> pa.Table:
        """Hashes of names, tags and captions, one row a picture; made by the first search, or before it."""
        with self._preparing:
            if self._hashed is None:
                self._hashed = _hashed_table(self._items)
            return self._hashed

    def following(self, snapshot: Snapshot, moved: Splice, new: pa.Table) -> ExactHits:
        """The same for a later snapshot, whose pictures `moved` so; only texts of the `new` ones are made plain."""
        found = ExactHits(snapshot)
        if self._hashed is not None:
            found._hashed = spliced_table(moved, self._hashed, _hashed_table(new)) if moved.changed else self._hashed
        return found

    def images(self, sentence: str) -> dict[int, Match]:
        """Rows of the pictures that `sentence` names, each with what it is equal to: caption before tag before name."""
        wanted = _plain(pa.array([sentence]))
        if not wanted[0].as_py():
            return {}
        hashed, key = self.prepare(), _hashes(wanted)[0]
        found: dict[int, Match] = {}
        for column in _NAMES:
            start = 0
            for names in hashed[column].chunks:
                found |= dict.fromkeys((start + _places(names, key)).tolist(), "file name")
                start += len(names)
        for column, kind in _LISTS:
            start = 0
            for lists in hashed[column].chunks:
                offsets = lists.offsets.to_numpy()
                places = offsets[0] + _places(lists.flatten(), key).astype(offsets.dtype)  # else all offsets are cast
                rows = np.searchsorted(offsets, places, side="right") - 1
                found |= dict.fromkeys((start + rows).tolist(), kind)
                start += len(lists)
        return found


def _hashed_table(items: pa.Table) -> pa.Table:
    name = pc.replace_substring_regex(items["path"], _NAME, "")
    names = dict(zip(_NAMES, (pc.replace_substring_regex(name, _ENDING, ""), name), strict=True))
    columns = {
        which: pa.chunked_array([_hashes(_plain(piece)) for piece in name.chunks], _HASH)
        for which, name in names.items()
    }
    return pa.table(columns | {column: pa.chunked_array(_lists(items[column])) for column, _ in _LISTS})


def _lists(column: pa.ChunkedArray) -> list[pa.Array]:
    """Lists of texts as lists of hashes of plain texts, piece by piece."""
    found = []
    for piece in column.chunks or [pa.array([], pa.list_(pa.string()))]:
        lists = pc.fill_null(piece, pa.scalar([], piece.type)) if piece.null_count else piece
        lengths = pc.list_value_length(lists)
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
        found.append(pa.ListArray.from_arrays(offsets, _hashes(_plain(pc.list_flatten(lists)))))
    return found


def _hashes(texts: pa.Array) -> pa.Array:
    return pa.array(np.fromiter(map(hash, texts.to_pylist()), np.int64, len(texts)))


def _places(hashes: pa.Array, wanted: pa.Scalar) -> NDArray[np.int64]:
    return np.flatnonzero(hashes.to_numpy() == wanted.as_py())


def _plain(texts: pa.Array) -> pa.Array:
    """Composed lower-case letters, with single spaces for all punctuation and white space."""
    lower = pc.utf8_lower(pc.utf8_normalize(texts, form="NFC"))
    return pc.utf8_trim(pc.replace_substring_regex(lower, _BETWEEN, " "), " ")
