"""Pictures whose caption, tag or file name is what was asked for, word for word."""

from __future__ import annotations

import threading
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from crossgraph.gallery.tables.memory_table import spliced_table
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.gallery.tables.splice import Splice

Match: TypeAlias = Literal["caption", "tag", "file name", "semantic"]
_LISTS: tuple[tuple[str, Match], ...] = (("labels", "tag"), ("captions", "caption"))
_NAME = r"^.*[/\\]"
_ENDING = r"\.[^.]*$"
_BETWEEN = r"[\p{P}\p{Z}\s_]+"


class ExactHits:
    """Finds exact hits in one snapshot. Case, punctuation and spaces do not count; `beach_2.jpg` is "beach 2"."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._items = snapshot.items
        self._plain: pa.Table | None = None
        self._preparing = threading.Lock()

    def prepare(self) -> pa.Table:
        """Plain names, tags and captions, one row a picture; made by the first search, or before it."""
        with self._preparing:
            if self._plain is None:
                self._plain = _plain_table(self._items)
            return self._plain

    def following(self, snapshot: Snapshot, moved: Splice, new: pa.Table) -> ExactHits:
        """The same for a later snapshot, whose pictures `moved` so; only texts of the `new` ones are made plain."""
        found = ExactHits(snapshot)
        if self._plain is not None:
            found._plain = spliced_table(moved, self._plain, _plain_table(new)) if moved.changed else self._plain
        return found

    def images(self, sentence: str) -> dict[int, Match]:
        """Rows of the pictures that `sentence` names, each with what it is equal to: caption before tag before name."""
        wanted = _plain(pa.array([sentence]))[0]
        if not wanted.as_py():
            return {}
        plain = self.prepare()
        found: dict[int, Match] = dict.fromkeys(_equal(plain["name"], wanted), "file name")
        for column, kind in _LISTS:
            start = 0
            for lists in plain[column].chunks:
                parents = pc.list_parent_indices(lists)
                for place in _equal(lists.flatten(), wanted):
                    found[start + parents[place].as_py()] = kind
                start += len(lists)
        return found


def _plain_table(items: pa.Table) -> pa.Table:
    name = pc.replace_substring_regex(items["path"], _NAME, "")
    columns = {"name": _plain(pc.replace_substring_regex(name, _ENDING, ""))}
    return pa.table(columns | {column: pa.chunked_array(_lists(items[column])) for column, _ in _LISTS})


def _lists(column: pa.ChunkedArray) -> list[pa.Array]:
    """Lists of texts as lists of plain texts, piece by piece."""
    found = []
    for piece in column.chunks or [pa.array([], pa.list_(pa.string()))]:
        lists = pc.fill_null(piece, pa.scalar([], piece.type)) if piece.null_count else piece
        lengths = pc.list_value_length(lists)
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
        found.append(pa.ListArray.from_arrays(offsets, _plain(pc.list_flatten(lists))))
    return found


def _equal(texts: pa.Array | pa.ChunkedArray, wanted: pa.Scalar) -> list[int]:
    places: list[int] = pc.indices_nonzero(pc.equal(texts, wanted)).to_pylist()
    return places


def _plain(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Composed lower-case letters, with single spaces for all punctuation and white space."""
    lower = pc.utf8_lower(pc.utf8_normalize(texts, form="NFC"))
    return pc.utf8_trim(pc.replace_substring_regex(lower, _BETWEEN, " "), " ")
