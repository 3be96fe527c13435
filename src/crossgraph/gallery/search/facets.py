"""How many pictures there are of each folder, date, label, size and note: counted before anything is ranked.

A choice is written `facet:value`, as in `label:Airport`, `date:2024-05` or `note.year:1990..2000`, and becomes a filter
of `where.py`; nothing of it is evaluated otherwise. Values of one facet widen each other, facets narrow each other, and
the counts of a facet are of what all the others leave, so that they say what another choice in it would give.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int, Shaped

from crossgraph.errors import GalleryError, unknown_name
from crossgraph.gallery.search.filters import Kind, column_kinds, read_column, rows_among
from crossgraph.gallery.search.folder_names import FolderNames, quoted
from crossgraph.gallery.search.where import LONGEST, RESERVED, parse_filter
from crossgraph.gallery.tables.notes import TIME
from crossgraph.gallery.tables.snapshot import Snapshot

SIZES = {"small": (0, 500_000), "medium": (500_000, 3_000_000), "large": (3_000_000, None)}
"""Bands of size, in pixels: at least the first, fewer than the second."""

NOTE = "note."
MOST = 12
FEW_NUMBERS = 8  # so many different numbers are each a value; more are put into bands
BANDS = 5
LONGEST_VALUE = LONGEST // 8
"""Letters of a text that is a value: longer ones are for reading, and no filter holds many of them."""

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DATE = re.compile(r"(\d{4})(?:-(\d\d))?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class FacetChoice:
    """One value of one facet, as somebody chose it."""

    facet: str
    value: str

    @classmethod
    def parse(cls, text: str) -> FacetChoice:
        """The choice that `facet:value` writes. Raises `GalleryError` for anything else."""
        facet, colon, value = text.partition(":")
        if not colon or not facet or not value:
            raise GalleryError(f"{text[:80]!r} chooses nothing. Write facet:value, as in label:Airport.")
        return cls(facet.lower(), value)

    def __str__(self) -> str:
        return f"{self.facet}:{self.value}"


@dataclass(frozen=True)
class FacetValue:
    """One value: what it is called, how many pictures have it, and the filter `where` that keeps those.

    `depth` is how far it stands below the first level of a tree of folders, or of years and their months. The filter
    of a folder says where it lies on the disk; nothing else here does.
    """

    choice: FacetChoice
    label: str
    count: int
    where: str
    chosen: bool = False
    depth: int = 0

    @property
    def value(self) -> str:
        """What is chosen of the facet by it."""
        return self.choice.value


@dataclass(frozen=True)
class Facet:
    """The values of one facet, and how many `more` there are."""

    name: str
    label: str
    values: tuple[FacetValue, ...]
    more: int = 0


@dataclass(frozen=True)
class Facets:
    """The facets of a search: `among` so many pictures, of which all choices keep `kept`."""

    among: int
    kept: int
    facets: tuple[Facet, ...]


class FacetIndex:
    """The facets of one snapshot, whose folders are named from `roots`; what was once counted by is kept."""

    def __init__(self, snapshot: Snapshot, roots: Sequence[str] = ()) -> None:
        self._snapshot = snapshot
        self.folders = FolderNames.of(roots, snapshot.items["path"])
        reserved = set(RESERVED)
        self._notes: dict[str, Kind] = {
            f"{NOTE}{name}": kind
            for name, kind in column_kinds(snapshot).items()
            if name in snapshot.notes.column_names and name not in reserved
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all facets."""
        return ("folder", "date", "label", "size", *self._notes, "source")

    def count(
        self,
        *,
        where: str | None = None,
        among: Collection[str] | None = None,
        chosen: Iterable[FacetChoice] = (),
        most: int = MOST,
        only: str | None = None,
    ) -> Facets:
        """Counts over the pictures that `where` keeps, of those with the ids `among` where these are given.

        At most `most` values of each facet, or of the `only` one; values that no picture has are left out, unless they
        are chosen. Raises `GalleryError` for a wrong filter, or a choice that is none.
        """
        choices = tuple(dict.fromkeys(chosen))
        if only is not None and only not in self.names:
            raise GalleryError(unknown_name("facet", only, self.names))
        inside = self._mask(where, among)
        masks = {name: self._mask(expression) for name, expression in self._expressions(choices).items()}
        found = []
        for name in self.names if only is None else (only,):
            left = inside.copy()
            for other, mask in masks.items():
                left &= mask if other != name else True
            own = tuple(choice.value for choice in choices if choice.facet == name)
            facet = self._facet(name, left, own, most)
            found += [facet] if facet.values else []
        kept = inside.copy()
        for mask in masks.values():
            kept &= mask
        return Facets(int(inside.sum()), int(kept.sum()), tuple(found))

    def where(self, chosen: Iterable[FacetChoice], where: str | None = None) -> str | None:
        """One filter for all that was chosen, and for `where`; None if nothing was. Raises as `count` does."""
        parts = list(self._expressions(tuple(chosen)).values())
        if where is not None:
            parse_filter(where)  # what is no filter by itself must not become one between brackets
            parts.append(where)
        if len(parts) == 1:
            return parts[0]
        return " and ".join(f"({part})" for part in parts) or None

    def expression(self, choice: FacetChoice) -> str:
        """The filter that keeps the pictures of one value. Raises `GalleryError` for what is no value of a facet."""
        name, value = choice.facet, choice.value
        if name not in self.names:
            raise GalleryError(unknown_name("facet", name, self.names))
        if len(value) > LONGEST_VALUE:
            raise GalleryError(f"a value of {name} has {len(value):,} letters; at most {LONGEST_VALUE:,} are read.")
        if name == "folder":
            return self.folders.where(value)
        if name == "size":
            return _size(value)
        if name in ("label", "source"):
            return f"{name} = {quoted(value)}"
        column = name.removeprefix(NOTE)
        kind: Kind = self._notes.get(name, "date")
        if kind == "date":
            return _period(column, value)
        if kind == "number":
            return _numbers(column, value)
        if kind == "flag":
            return f"{column} = {_flag(column, value)}"
        return f"{column} = {quoted(value)}"

    def _expressions(self, choices: Sequence[FacetChoice]) -> dict[str, str]:
        """By facet, what keeps the pictures of any of its chosen values."""
        parts: dict[str, list[str]] = {}
        for choice in choices:
            parts.setdefault(choice.facet, []).append(self.expression(choice))
        return {
            name: found[0] if len(found) == 1 else " or ".join(f"({one})" for one in found)
            for name, found in parts.items()
        }

    def _mask(self, where: str | None, among: Collection[str] | None = None) -> Bool[np.ndarray, " n"]:
        count = len(self._snapshot.items)
        if where is None and among is None:
            return np.ones(count, np.bool_)
        mask = np.zeros(count, np.bool_)
        mask[rows_among(self._snapshot, where, among)] = True
        return mask

    def _facet(self, name: str, mask: Bool[np.ndarray, " n"], own: tuple[str, ...], most: int) -> Facet:
        if name == "folder":
            return self._folder_facet(mask, own, most)
        if name == "size":
            return self._size_facet(mask, own)
        kind = self._notes.get(name, "date" if name == "date" else "texts" if name == "label" else "text")
        if kind == "date":
            return self._date_facet(name, mask, own, most)
        if kind == "number":
            return self._number_facet(name, mask, own)
        if kind == "flag":
            texts = {"true": "yes", "false": "no"}
            return self._flat(name, self._coded(name).counts(mask), own, most, label=lambda value: texts[value])
        return self._flat(name, self._coded(name).counts(mask), own, most)

    def _flat(
        self,
        name: str,
        counts: dict[str, int],
        own: tuple[str, ...],
        most: int,
        *,
        label: Callable[[str], str] = str,
    ) -> Facet:
        """The values by count, the most first, those that were chosen always among them."""
        order = sorted(counts, key=lambda value: (-counts[value], value.casefold(), value))
        shown = _first(order, own, most)
        values = tuple(self._value(name, value, label(value), counts.get(value, 0), own) for value in shown)
        return Facet(name, _title(name), values, len(set(order) - set(shown)))

    def _value(
        self, name: str, value: str, label: str, count: int, own: Iterable[str], *, depth: int = 0
    ) -> FacetValue:
        choice = FacetChoice(name, value)
        return FacetValue(choice, label, count, self.expression(choice), value in own, depth)

    def _folder_facet(self, mask: Bool[np.ndarray, " n"], own: tuple[str, ...], most: int) -> Facet:
        """The folders of the first level; or those on the way to the chosen ones, and what is directly in these."""
        deep: dict[str, int] = {}
        for folder, count in self._coded("folder").counts(mask).items():
            name = self.folders.name(folder)
            for above in _and_above(name) if name else ():
                deep[above] = deep.get(above, 0) + count
        opened = {above for value in own for above in _and_above(value)}
        children: dict[str, list[str]] = {}
        for one in sorted({*deep, *opened}, key=lambda one: (-deep.get(one, 0), one.casefold(), one)):
            children.setdefault(one.rpartition("/")[0], []).append(one)
        values: list[FacetValue] = []
        more = 0
        waiting = [("", 0)]
        while waiting:
            parent, depth = waiting.pop()
            if parent:
                values.append(
                    self._value("folder", parent, parent.rpartition("/")[2], deep.get(parent, 0), own, depth=depth - 1)
                )
            if parent and parent not in opened:
                continue
            below = children.get(parent, [])
            shown = [one for one in below if one in opened]
            if not shown or parent in own:
                shown = list(_first(below, shown, most))
                more += len(below) - len(shown)
            waiting += [(one, depth + 1) for one in sorted(shown, key=lambda one: (one.casefold(), one), reverse=True)]
        return Facet("folder", _title("folder"), tuple(values), more)

    def _date_facet(self, name: str, mask: Bool[np.ndarray, " n"], own: tuple[str, ...], most: int) -> Facet:
        """Years, the newest first, and under those that are chosen, or of which a month is, their months."""
        months = self._months(name)
        months = months[mask & (months >= 0)]
        found, times = np.unique(months, return_counts=True)
        by_month = {f"{month // 12:04}-{month % 12 + 1:02}": int(n) for month, n in zip(found, times, strict=True)}
        by_year: dict[str, int] = {}
        for month, count in by_month.items():
            by_year[month[:4]] = by_year.get(month[:4], 0) + count
        opened = {value[:4] for value in own}
        shown = _first(sorted(by_year, reverse=True), sorted(opened), most)
        values = []
        for year in sorted(shown, reverse=True):
            values.append(self._value(name, year, str(int(year)), by_year.get(year, 0), own))
            if year in opened:
                below = {one for one in (*by_month, *own) if one[:4] == year and len(one) > 4}
                values += [
                    self._value(
                        name, one, f"{_MONTHS[int(one[5:]) - 1]} {int(year)}", by_month.get(one, 0), own, depth=1
                    )
                    for one in sorted(below)
                ]
        return Facet(name, _title(name), tuple(values), len(set(by_year) - set(shown)))

    def _size_facet(self, mask: Bool[np.ndarray, " n"], own: tuple[str, ...]) -> Facet:
        pixels, values = self._numbers("pixels")[mask], []
        for name, (low, high) in SIZES.items():
            count = int(((pixels >= low) & (pixels < (high or np.inf))).sum())
            if count or name in own:
                values.append(self._value("size", name, f"{name} ({_in_megapixels(low, high)})", count, own))
        return Facet("size", _title("size"), tuple(values))

    def _number_facet(self, name: str, mask: Bool[np.ndarray, " n"], own: tuple[str, ...]) -> Facet:
        """Few numbers one by one; many in bands that hold about as many pictures of the gallery each."""
        every = self._numbers(name)
        left = every[mask]
        offered = dict.fromkeys((*self._bands(name), *own))
        values = []
        for value in offered:
            low, high = _band(name.removeprefix(NOTE), value)
            inside = left == low if low == high else (left >= low) & (left < high)
            count = int(inside.sum())
            if count or value in own:
                values.append(self._value(name, value, _in_words(low, high), count, own))
        return Facet(name, _title(name), tuple(values))

    def _bands(self, name: str) -> tuple[str, ...]:
        every = self._numbers(name)
        different = np.unique(every[np.isfinite(every)])
        if len(different) <= FEW_NUMBERS:
            return tuple(_written(float(one)) for one in different)
        cuts = np.quantile(every[np.isfinite(every)], np.linspace(0, 1, BANDS + 1)[1:-1])
        edges = ["", *dict.fromkeys(_written(float(f"{cut:.3g}")) for cut in cuts), ""]
        return tuple(f"{low}..{high}" for low, high in pairwise(edges))

    @cached_property
    def _kept(self) -> dict[str, _Coded]:
        return {}

    def _coded(self, name: str) -> _Coded:
        if name not in self._kept:
            column = read_column(self._snapshot, name.removeprefix(NOTE))
            self._kept[name] = _Coded.of(column)
        return self._kept[name]

    @cached_property
    def _kept_numbers(self) -> dict[str, Shaped[np.ndarray, " n"]]:
        return {}

    def _numbers(self, name: str) -> Shaped[np.ndarray, " n"]:
        """A column of numbers; NaN where there is none."""
        if name not in self._kept_numbers:
            column = read_column(self._snapshot, name.removeprefix(NOTE)).cast(pa.float64())
            self._kept_numbers[name] = np.asarray(pc.fill_null(column, float("nan")).to_numpy(), np.float64)
        return self._kept_numbers[name]

    def _months(self, name: str) -> Int[np.ndarray, " n"]:
        """For each picture the month of its date, counted from the year 0; -1 where there is none."""
        if name not in self._kept_numbers:
            moments = read_column(self._snapshot, name.removeprefix(NOTE)).cast(TIME)
            months = pc.add(pc.multiply(pc.year(moments), 12), pc.subtract(pc.month(moments), 1))
            known = pc.and_(pc.greater_equal(pc.year(moments), 1), pc.less_equal(pc.year(moments), 9999))
            months = pc.if_else(pc.fill_null(known, False), months, -1)
            self._kept_numbers[name] = np.asarray(pc.fill_null(months, -1).to_numpy(), np.int64)
        return self._kept_numbers[name]


@dataclass(frozen=True)
class _Coded:
    """A column of texts, or of lists of them, as numbers of its different texts; a row has each text once."""

    rows: Int[np.ndarray, " k"]
    codes: Int[np.ndarray, " k"]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> _Coded:
        found = column.combine_chunks()
        found = pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
        if pa.types.is_list(found.type):
            rows, texts = pc.list_parent_indices(found), pc.list_flatten(found)
        else:
            rows, texts = pa.array(np.arange(len(found))), found
        if not pa.types.is_string(texts.type):
            texts = texts.cast(pa.string())
        there = pc.is_valid(texts)
        encoded = texts.filter(there).dictionary_encode()
        known = tuple(encoded.dictionary.to_pylist())
        places = np.asarray(rows.filter(there).to_numpy(), np.int64)
        codes = np.asarray(encoded.indices.to_numpy(), np.int64)
        if pa.types.is_list(found.type) and len(known):
            pairs = np.unique(places * len(known) + codes)
            places, codes = pairs // len(known), pairs % len(known)
        return cls(places, codes, known)

    def counts(self, mask: Bool[np.ndarray, " n"]) -> dict[str, int]:
        """How many of the rows in `mask` have each text, those without any left out."""
        times = np.bincount(self.codes[mask[self.rows]], minlength=len(self.texts))
        return {
            self.texts[place]: int(times[place])
            for place in np.flatnonzero(times).tolist()
            if 0 < len(self.texts[place]) <= LONGEST_VALUE
        }


def _first(order: Sequence[str], always: Sequence[str], most: int) -> tuple[str, ...]:
    """The first `most` in order, with those that are shown `always` in the place of the last of them."""
    rest = [one for one in order if one not in always]
    kept = {*always, *rest[: max(0, most - len(always))]}
    return tuple([one for one in order if one in kept] + [one for one in always if one not in order])


def _and_above(name: str) -> list[str]:
    """A folder's name and those of all that hold it, the outermost first."""
    parts = name.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _title(name: str) -> str:
    return name.removeprefix(NOTE).replace("_", " ")


def _size(value: str) -> str:
    if value not in SIZES:
        raise GalleryError(unknown_name("size", value, SIZES))
    low, high = SIZES[value]
    return f"pixels >= {low}" + ("" if high is None else f" and pixels < {high}")


def _period(column: str, value: str) -> str:
    """The filter for a year or a month."""
    match = _DATE.fullmatch(value)
    year, month = (int(match[1]), int(match[2] or 0)) if match else (0, 0)
    if match is None or not year or (match[2] and not 1 <= month <= 12):
        raise GalleryError(f"{value[:40]!r} is no year or month of {column}. Write 2024 or 2024-05.")
    first = f"{column} >= '{year:04}-{month or 1:02}-01'"
    end = (year + 1, 1) if month in (0, 12) else (year, month + 1)
    return first if end[0] > 9999 else f"{first} and {column} < '{end[0]:04}-{end[1]:02}-01'"


def _band(column: str, value: str) -> tuple[float, float]:
    """The lowest number of a band and the one above it; both the same for a single number."""
    low, dots, high = value.partition("..")
    for text in (low, high):
        if (text or not dots) and text and not _NUMBER.fullmatch(text):
            raise GalleryError(f"{value[:40]!r} is no number or band of {column}. Write 5, 5..10, ..5 or 10..")
    if not dots and not low:
        raise GalleryError(f"a value of {column} is empty. Write 5, 5..10, ..5 or 10..")
    if not dots:
        return float(low), float(low)
    return float(low or "-inf"), float(high or "inf")


def _numbers(column: str, value: str) -> str:
    low, dots, high = value.partition("..")
    _band(column, value)
    if not dots:
        return f"{column} = {low}"
    parts = [f"{column} >= {low}"] if low else []
    parts += [f"{column} < {high}"] if high else []
    return " and ".join(parts) or f"{column} is not null"


def _flag(column: str, value: str) -> str:
    if value not in ("true", "false"):
        raise GalleryError(f"{column} is true or false, got {value[:40]!r}.")
    return value


def _written(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _in_words(low: float, high: float) -> str:
    if low == high:
        return f"{_written(low)}"
    if low == -np.inf:
        return "all numbers" if high == np.inf else f"under {_written(high)}"
    return f"{_written(low)} and more" if high == np.inf else f"{_written(low)} to {_written(high)}"


def _in_megapixels(low: int, high: int | None) -> str:
    if high is None:
        return f"from {low / 1e6:g} MP"
    return f"under {high / 1e6:g} MP" if not low else f"{low / 1e6:g} to {high / 1e6:g} MP"
