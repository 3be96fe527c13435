"""Which pictures of a snapshot a filter keeps: evaluated on columns in memory, before anything is ranked."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, assert_never

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossgraph.errors import GalleryError, unknown_name
from crossgraph.gallery.search.where import (
    Bare,
    Compare,
    Every,
    Filter,
    Flag,
    Literals,
    Matches,
    Missing,
    Not,
    OneOf,
    Some,
    parse_filter,
)
from crossgraph.gallery.tables.caption_owners import NOBODY, first_owners
from crossgraph.gallery.tables.notes import TIME, find_strays, is_day, read_date
from crossgraph.gallery.tables.snapshot import Snapshot

Kind = Literal["text", "texts", "number", "date", "flag"]
_KINDS: dict[Kind, str] = {
    "text": "text",
    "texts": "a list of texts",
    "number": "a number",
    "date": "a date",
    "flag": "true or false",
}
_TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "number": pa.float64(),
    "date": TIME,
    "flag": pa.bool_(),
}
_SHOWN = 3
_YEAR = "[12][0-9]{3}"
_DAY = pa.scalar(timedelta(days=1), pa.duration("us"))
_COMPARE = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


@dataclass(frozen=True)
class Column:
    """One column that filters and exports know: its kind, and how it is read from a snapshot."""

    kind: Kind
    read: Callable[[pa.Table], pa.ChunkedArray]


BUILT_IN: dict[str, Column] = {
    "id": Column("text", operator.itemgetter("id")),
    "path": Column("text", operator.itemgetter("path")),
    "name": Column("text", lambda items: pc.replace_substring_regex(items["path"], "^.*/", "")),
    "folder": Column("text", lambda items: pc.replace_substring_regex(items["path"], "/[^/]*$", "")),
    "source": Column("text", operator.itemgetter("source")),
    "digest": Column("text", operator.itemgetter("digest")),
    "width": Column("number", operator.itemgetter("width")),
    "height": Column("number", operator.itemgetter("height")),
    "pixels": Column("number", lambda items: pc.multiply(items["width"].cast(pa.int64()), items["height"])),
    "bytes": Column("number", operator.itemgetter("bytes")),
    "modified": Column("date", operator.itemgetter("modified")),
    "taken": Column("date", operator.itemgetter("taken")),
    "date": Column("date", lambda items: pc.coalesce(items["taken"].cast(TIME), items["modified"].cast(TIME))),
    "label": Column("texts", operator.itemgetter("labels")),
    "caption": Column("texts", operator.itemgetter("captions")),
}
"""`date` is when the picture was taken, or, where that is not known, when its file was last written."""

WHERE_THEY_LIE = ("path", "folder", "source")
"""The columns that say where on a disk pictures lie."""


def column_kinds(snapshot: Snapshot) -> dict[str, Kind]:
    """The columns a filter may name, and what they hold."""
    notes = [name for name in snapshot.notes.column_names if name not in BUILT_IN]
    return {name: column.kind for name, column in BUILT_IN.items()} | {
        name: _kind_of(snapshot.notes[name].type) for name in notes
    }


def read_column(snapshot: Snapshot, name: str) -> pa.ChunkedArray:
    """The values of one column, row by row."""
    return BUILT_IN[name].read(snapshot.items) if name in BUILT_IN else snapshot.notes[name]


def said_of_strays(snapshot: Snapshot, name: str, *, few: bool = False) -> str:
    """Which values make a column that users added text, though it holds others; empty if none does.

    With `few` only if they are no more than the others.
    """
    strays = find_strays(snapshot.values, snapshot.items["id"], name)
    if strays is None or (few and len(strays.values) > strays.others):
        return ""
    first = list(strays.values.items())[:_SHOWN]
    names = {item.id: item.path.name for item in snapshot.items_at(snapshot.rows([key for key, _ in first]).tolist())}
    shown = [f"{text!r} of {names[key]}" for key, text in first]
    if len(strays.values) > _SHOWN:
        shown.append("...")
    return (
        f"{name} holds text because {len(strays.values):,} of its {len(strays.values) + strays.others:,} values are "
        f"{'neither true nor false' if strays.kind == 'flag' else f'no {strays.kind}'}: {', '.join(shown)}."
    )


def rows_where(snapshot: Snapshot, text: str) -> NDArray[np.int64]:
    """The rows of the pictures that the filter `text` keeps, in order. Raises `GalleryError` for a wrong filter."""
    holds = _Evaluation(snapshot).holds(parse_filter(text))
    return np.flatnonzero(np.asarray(pc.fill_null(holds, False).to_numpy(zero_copy_only=False), np.bool_))


def rows_among(snapshot: Snapshot, where: str | None, among: Collection[str] | None) -> NDArray[np.int64]:
    """The rows of the pictures that the filter `where` keeps and that have one of the ids `among`, in order; None keeps
    all. Raises `GalleryError` for a wrong filter.
    """
    rows = np.arange(len(snapshot.items)) if where is None else rows_where(snapshot, where)
    if among is None:
        return rows
    kept = pc.is_in(snapshot.items["id"], value_set=pa.array(among, pa.string()))
    return rows[np.asarray(kept.to_numpy(), np.bool_)[rows]]


def captions_where(snapshot: Snapshot, rows: NDArray[np.int64]) -> dict[int, int]:
    """Of the captions that the pictures at `rows` carry, the row of each, and that of its first owner among those."""
    owners = first_owners(snapshot.items.select(["caption_ids"]).take(pa.array(rows)), snapshot.captions["id"])
    captions = np.flatnonzero(owners != NOBODY)
    return dict(zip(captions.tolist(), rows[owners[captions]].tolist(), strict=True))


@dataclass(frozen=True)
class _Evaluation:
    snapshot: Snapshot

    def holds(self, node: Filter) -> pa.Array:
        """For every row true, false, or null where the value is missing."""
        match node:
            case Not(inner):
                return pc.invert(self.holds(inner))
            case Every(parts):
                return self._joined(pc.and_kleene, parts)
            case Some(parts):
                return self._joined(pc.or_kleene, parts)
            case Missing(name):
                kind, values = self._column(name)
                return pc.equal(pc.list_value_length(values), 0) if kind == "texts" else pc.is_null(values)
            case Flag(name):
                kind, values = self._column(name)
                if kind != "flag":
                    raise GalleryError(f"filter: {name} holds {_KINDS[kind]}; compare it with something.")
                return values
            case Compare(name, sign, value):
                return self._compared(name, sign, value)
            case OneOf(name, values):
                return self._joined(pc.or_kleene, tuple(Compare(name, "=", value) for value in values))
            case Matches(name, text, pattern):
                return self._matched(name, text, pattern)
            case _:
                assert_never(node)

    def _joined(self, join: Callable[[pa.Array, pa.Array], pa.Array], parts: tuple[Filter, ...]) -> pa.Array:
        found = self.holds(parts[0])
        for part in parts[1:]:
            found = join(found, self.holds(part))
        return found

    def _column(self, name: str) -> tuple[Kind, pa.Array]:
        kinds = column_kinds(self.snapshot)
        if name not in kinds:
            raise GalleryError(unknown_name("column", name, kinds))
        return kinds[name], _arrow(read_column(self.snapshot, name), kinds[name])

    def _compared(self, name: str, sign: str, value: Literals) -> pa.Array:
        kind, values = self._column(name)
        if sign not in ("=", "!=") and kind in ("texts", "flag"):
            raise GalleryError(f"filter: {name} holds {_KINDS[kind]}, which {sign!r} cannot compare; use = or !=.")
        try:
            given = _as_kind(name, kind, value)
        except GalleryError as error:
            said = "" if name in BUILT_IN or isinstance(value, str) else said_of_strays(self.snapshot, name)
            raise GalleryError(f"{error} {said}".rstrip()) from None
        if kind == "date" and is_day(_text_of(value) or ""):
            return _compared_with_day(values, sign, given)
        if kind != "texts":
            return _COMPARE[sign](values, given)
        equal = _any_element(values, lambda texts: pc.equal(texts, given))
        return equal if sign == "=" else pc.invert(equal)

    def _matched(self, name: str, text: str, pattern: bool) -> pa.Array:
        kind, values = self._column(name)
        if kind not in ("text", "texts"):
            raise GalleryError(f"filter: {name} holds {_KINDS[kind]}; 'like' and 'contains' are for text.")

        def fits(texts: pa.Array) -> pa.Array:
            if pattern:
                return pc.match_like(texts, text.replace("\\", "\\\\"), ignore_case=True)
            return pc.match_substring(texts, text, ignore_case=True)

        return _any_element(values, fits) if kind == "texts" else fits(values)


def _kind_of(kind: pa.DataType) -> Kind:
    if pa.types.is_boolean(kind):
        return "flag"
    if pa.types.is_timestamp(kind):
        return "date"
    return "number" if pa.types.is_floating(kind) else "text"


def _arrow(values: pa.ChunkedArray, kind: Kind) -> pa.Array:
    """One array of the kind's own type; a column that an older table lacks is all null."""
    found = values.cast(_TYPES[kind]).combine_chunks()
    if isinstance(found, pa.ChunkedArray):
        found = pa.concat_arrays(found.chunks) if found.num_chunks else pa.array([], found.type)
    return pc.fill_null(found, pa.scalar([], found.type)) if kind == "texts" else found


def _as_kind(name: str, kind: Kind, value: Literals) -> pa.Scalar:
    """`value` as what the column holds; a day as its first moment. Raises `GalleryError` if it is of another kind."""
    text = _text_of(value)
    if kind == "date" and text is not None:
        moment: datetime | None = read_date(text)
        if moment is None:
            raise GalleryError(f"filter: {name} is a date, {text!r} is none; write it like '2024-01-31'.")
        return pa.scalar(moment, TIME)
    if kind in ("text", "texts") and isinstance(value, str):
        return pa.scalar(value, pa.string())
    if kind == "flag" and isinstance(value, bool):
        return pa.scalar(value)
    if kind == "number" and isinstance(value, float) and not isinstance(value, bool):
        return pa.scalar(value, pa.float64())
    shown = repr(value if text is None else text).removesuffix(".0")
    hint = "; put text in quotes" if kind in ("text", "texts") else ""
    if kind == "date":
        hint = f"; write it like {shown if re.fullmatch(_YEAR, shown) else 2024}-01-01"
    raise GalleryError(f"filter: {name} holds {_KINDS[kind]}, got {shown}{hint}.")


def _text_of(value: Literals) -> str | None:
    """The text of a value that was written as one, in quotes or as a date."""
    if isinstance(value, Bare):
        return value.text
    return value if isinstance(value, str) else None


def _compared_with_day(values: pa.Array, sign: str, start: pa.Scalar) -> pa.Array:
    """Moments compared with the whole day that begins at `start`."""
    end = pc.add(start, _DAY)
    match sign:
        case "<" | ">=":
            return _COMPARE[sign](values, start)
        case "<=":
            return pc.less(values, end)
        case ">":
            return pc.greater_equal(values, end)
    within = pc.and_(pc.greater_equal(values, start), pc.less(values, end))
    return within if sign == "=" else pc.invert(within)


def _any_element(lists: pa.ListArray, fits: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """For every list, whether any of its elements fits."""
    matched = np.asarray(fits(pc.list_flatten(lists)).to_numpy(zero_copy_only=False), np.bool_)
    found = np.zeros(len(lists), np.bool_)
    found[pc.list_parent_indices(lists).to_numpy()[matched]] = True
    return pa.array(found)
