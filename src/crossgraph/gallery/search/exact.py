"""Pictures whose caption, tag or file name is what was asked for, word for word."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from crossgraph.gallery.tables.snapshot import Snapshot

Match: TypeAlias = Literal["caption", "tag", "file name", "semantic"]
_NAME = r"^.*[/\\]"
_ENDING = r"\.[^.]*$"
_BETWEEN = r"[\p{P}\p{Z}\s_]+"


class ExactHits:
    """Finds exact hits in one snapshot. Case, punctuation and spaces do not count; `beach_2.jpg` is "beach 2"."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def images(self, sentence: str) -> dict[int, Match]:
        """Rows of the pictures that `sentence` names, each with what it is equal to: caption before tag before name."""
        wanted = _plain(pa.array([sentence]))[0]
        if not wanted.as_py():
            return {}
        found: dict[int, Match] = {}
        for row in _equal(self._names, wanted):
            found[row] = "file name"
        for kind, texts, parents in self._lists:
            for place in _equal(texts, wanted):
                found[parents[place].as_py()] = kind
        return found

    @cached_property
    def _names(self) -> pa.ChunkedArray:
        name = pc.replace_substring_regex(self._snapshot.items["path"], _NAME, "")
        return _plain(pc.replace_substring_regex(name, _ENDING, ""))

    @cached_property
    def _lists(self) -> list[tuple[Match, pa.Array, pa.Array]]:
        """Tags, if the gallery has any, and captions: their plain texts, and the row of the picture of each."""
        columns: Iterable[tuple[str, Match]] = (("labels", "tag"), ("captions", "caption"))
        found: list[tuple[Match, pa.Array, pa.Array]] = []
        for column, kind in columns:
            if column in self._snapshot.items.column_names:
                lists = self._snapshot.items[column].combine_chunks()
                if pa.types.is_list(lists.type):
                    found.append((kind, _plain(pc.list_flatten(lists)), pc.list_parent_indices(lists)))
        return found


def _equal(texts: pa.Array | pa.ChunkedArray, wanted: pa.Scalar) -> list[int]:
    places: list[int] = pc.indices_nonzero(pc.equal(texts, wanted)).to_pylist()
    return places


def _plain(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Lower case, with single spaces for all punctuation and white space."""
    return pc.utf8_trim(pc.replace_substring_regex(pc.utf8_lower(texts), _BETWEEN, " "), " ")
