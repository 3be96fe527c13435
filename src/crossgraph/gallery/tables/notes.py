"""Columns that users add: values by the id of a picture, kept apart from the model's tables so that they outlive it.

A column is what all its values can be read as: truth values, numbers, dates, else text. Notes of a picture that is no
longer in the gallery are invisible. What it was is noted when it goes (`Departed`), so that they apply again where its
content comes back, under its id, and to no other picture.

The table has one row per picture and column, with the value under its kind; a row with none was taken away. Beside a
number or a truth value that a file wrote otherwise than it is printed (`1.10`, `TRUE`) is that text.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import lance as pylance
import pyarrow as pa
import pyarrow.compute as pc

from crossgraph.errors import GalleryError
from crossgraph.gallery.tables import lance
from crossgraph.gallery.tables.fragments import Fragment, fragments_of, readable
from crossgraph.storage.interface import Storage
from crossgraph.storage.opening import storage_of

Value = str | float | int | bool
WHOLE = 2**53
"""Up to here every whole number is a number of its own."""
KINDS = ("flag", "number", "text")
SCHEMA = pa.schema(
    [("id", pa.string()), ("name", pa.string()), ("flag", pa.bool_()), ("number", pa.float64()), ("text", pa.string())]
)
DEPARTED = pa.schema([("id", pa.string()), ("path", pa.string()), ("digest", pa.string())])
KEYS = {"notes": ("id",), "departed": ("id", "digest")}
"""The columns of each table by which rows are looked up."""
TIME = pa.timestamp("us", tz="UTC")
TAKEN_AWAY = " AND ".join(f"{kind} IS NULL" for kind in KINDS)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)


@dataclass(frozen=True)
class AsWritten:
    """A number or a truth value that would be printed otherwise than the text that it was read from."""

    value: float | bool
    text: str


Cell = Value | AsWritten


@dataclass(frozen=True)
class Departed:
    """A picture that has notes and went: its id, where it lay, and its content."""

    id: str
    path: str
    digest: str


class Notes:
    """The notes of the gallery that lies in a place; each of their tables is made by the first write."""

    def __init__(self, place: Storage | Path) -> None:
        self._folder = storage_of(place)
        self._tables: dict[str, lance.Table] = {}

    @property
    def tables(self) -> dict[str, lance.Table]:
        """The tables by their names, of those that are there."""
        return {name: table for name in KEYS if (table := self._found(name)) is not None}

    def version(self) -> int:
        """Changes with every write of notes; 0 before the first."""
        table = self._found("notes")
        return 0 if table is None else table.version

    def dataset(self) -> pylance.LanceDataset | None:
        """The table as of now, or None."""
        table = self._found("notes")
        return None if table is None else table.dataset

    def values(self, ids: Sequence[str]) -> dict[str, dict[str, Cell]]:
        """The values by column, by id, of these pictures."""
        found: dict[str, dict[str, Cell]] = {}
        table = self._found("notes")
        for row in [] if table is None else table.find("id", ids, SCHEMA.names).to_pylist():
            given = [row[kind] for kind in KINDS if row[kind] is not None]
            if given:
                found.setdefault(row["id"], {})[row["name"]] = AsWritten(*given) if len(given) > 1 else given[0]
        return found

    def write(self, values: Mapping[str, Mapping[str, Cell | None]]) -> None:
        """Set columns of pictures by id; None takes a value away, columns not named stay. One commit."""
        rows = [_row(key, name, value) for key, columns in values.items() for name, value in columns.items()]
        with lance.plain_errors(self._folder):
            self._made("notes", SCHEMA).replace(pa.Table.from_pylist(rows, SCHEMA), "id", "name")

    def remove(self, ids: Sequence[str]) -> None:
        """Forget all values of these pictures, and what they were."""
        with lance.plain_errors(self._folder):
            for table in self.tables.values():
                table.delete_keys("id", ids)

    def drop_taken_away(self) -> None:
        """Remove the rows of values that were taken away."""
        with lance.plain_errors(self._folder):
            if (table := self._found("notes")) is not None:
                table.delete(TAKEN_AWAY)

    def depart(self, pictures: Iterable[Departed]) -> None:
        """Note what these pictures are, of which those that have notes keep them; to be done before they go."""
        going = {one.id: one for one in pictures}
        rows = [asdict(going[key]) for key in self.values(list(going))]
        if rows:
            with lance.plain_errors(self._folder):
                self._made("departed", DEPARTED).replace(pa.Table.from_pylist(rows, DEPARTED), "id")

    def departed(self, column: str = "id", keys: Iterable[str] | None = None) -> list[Departed]:
        """The pictures that went and have notes, or those whose `id` or `digest` is one of `keys`.

        One that came back may be among them until it was said to `arrive`.
        """
        table = self._found("departed")
        if table is None:
            return []
        with lance.plain_errors(self._folder):
            rows = table.read() if keys is None else table.find(column, keys, DEPARTED.names)
        return [Departed(**row) for row in rows.select(DEPARTED.names).to_pylist()]

    def arrive(self, ids: Sequence[str]) -> None:
        """Note no longer that these pictures went; their notes stay."""
        table = self._found("departed") if ids else None
        if table is not None:
            with lance.plain_errors(self._folder):
                table.delete_keys("id", ids)

    def _found(self, name: str) -> lance.Table | None:
        """The table of that name, or None if it was never written."""
        place = self._folder.under(f"{name}.lance")
        if name not in self._tables and lance.exists(place):
            self._tables[name] = lance.Table(place)
        return self._tables.get(name)

    def _made(self, name: str, schema: pa.Schema) -> lance.Table:
        """The table of that name, made if it is not there."""
        if self._found(name) is None:
            self._tables[name] = lance.open_table(self._folder, name, schema)
        return self._tables[name]


@dataclass(frozen=True)
class NotesInMemory:
    """All notes as of one `version` of their table, by fragment."""

    version: int
    pieces: Mapping[int, tuple[Fragment, pa.Table]]

    @classmethod
    def read(cls, dataset: pylance.LanceDataset | None) -> NotesInMemory:
        """All of them."""
        return cls(0, {}).following(dataset)

    def following(self, dataset: pylance.LanceDataset | None) -> NotesInMemory:
        """The notes as of the version of `dataset`; of fragments that stayed nothing is read."""
        if dataset is None:
            return NotesInMemory(0, {})
        if dataset.version == self.version:
            return self
        pieces, files = {}, readable(dataset)
        for key, fragment in fragments_of(dataset).items():
            before = self.pieces.get(key)
            if before is not None and before[0] == fragment:
                pieces[key] = before
            else:
                pieces[key] = fragment, files[key].to_table(columns=SCHEMA.names)
        return NotesInMemory(dataset.version, pieces)

    def was_read_from(self, dataset: pylance.LanceDataset | None) -> bool:
        """Whether this version of the table is later, or is this one: of the same files, whose names no others have."""
        version = 0 if dataset is None else dataset.version
        if dataset is None or version != self.version:
            return version >= self.version
        return fragments_of(dataset) == {key: fragment for key, (fragment, _) in self.pieces.items()}

    @cached_property
    def values(self) -> pa.Table:
        """The values, one a row."""
        every = pa.concat_tables([SCHEMA.empty_table(), *(table for _, table in self.pieces.values())])
        given = [pc.is_valid(every[kind]) for kind in KINDS]
        return every.filter(pc.or_(pc.or_(given[0], given[1]), given[2]))


def typed_columns(values: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
    """Every column for the pictures `ids`, in that order, as what all its values can be read as."""
    return _columns(values, ids, _column)


def written_columns(values: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
    """Every column for the pictures `ids`, in that order, as the texts that its values were written as."""
    return _columns(values, ids, _texts)


@dataclass(frozen=True)
class Strays:
    """The values of a column, by the id of the picture, for which it is no column of a `kind` (number, date, flag);
    others are so many."""

    kind: str
    values: Mapping[str, str]
    others: int


def find_strays(values: pa.Table, ids: pa.ChunkedArray, name: str) -> Strays | None:
    """What makes a column of these pictures text though it holds numbers, dates or truth values too, by the most of
    these; None if it holds none."""
    rows = values.filter(pc.and_(pc.is_in(values["id"], ids), pc.equal(values["name"], name))).combine_chunks()
    texts = dict(zip(rows["id"].to_pylist(), _texts(rows).to_pylist(), strict=True))
    given = zip(rows["flag"].is_valid().to_pylist(), rows["number"].is_valid().to_pylist(), texts.values(), strict=True)
    kinds = [
        "flag" if flag else "number" if number else "text" if read_date(text) is None else "date"
        for flag, number, text in given
    ]
    counts = Counter(kinds)
    kind = max(("number", "date", "flag"), key=counts.__getitem__)
    strays = {key: text for (key, text), one in zip(texts.items(), kinds, strict=True) if one != kind}
    return Strays(kind, strays, counts[kind]) if strays and counts[kind] else None


def checked_name(name: str) -> str:
    """`name` in lower case, if it can name a column. Raises `GalleryError` if not."""
    if not _NAME.fullmatch(name):
        raise GalleryError(
            f"{name!r} cannot name a column. Use at most 64 letters, digits and underscores, a letter first."
        )
    return name.lower()


def checked_value(name: str, value: Cell | None) -> Cell | None:
    """`value`, if it can be kept. Raises `GalleryError` for what a number, or a text, cannot hold."""
    if isinstance(value, int) and not _is_kept(value):
        raise GalleryError(f"{name} has more digits than a number keeps. Give it as a text, in quotes.")
    if isinstance(value, float) and not math.isfinite(value):
        raise GalleryError(f"{name} must be a finite number, got {value}.")
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise GalleryError(f"{name} holds half a letter (a lone surrogate), which is no text. Take it out.")
    return value


def plain(number: float) -> float | int:
    """The same number, a whole one as an `int`."""
    return int(number) if number.is_integer() and abs(number) <= WHOLE else number


def printed(number: float) -> str:
    """A number as a text, a whole one without a point."""
    return repr(plain(number))


def said_of_lists(name: str) -> str:
    """What to say where a column of this name is refused that looks as if it held labels or captions; else nothing."""
    said = {
        "label": "folders that are named for what is in them, a column of labels beside the captions, or "
        "`crossgraph gallery add --label`",
        "caption": "a caption file or a text beside each picture, or `crossgraph gallery add --caption`",
    }
    kind = "caption" if name.lower().startswith("caption") else "label"
    if name.lower().rstrip("s") not in ("label", "tag", "keyword", "caption"):
        return ""
    return f" The {kind}s of a picture, which may be many, come from {said[kind]}."


def read_date(text: str) -> datetime | None:
    """The moment that `text` names (2024-01-31, 2024-01-31T12:30, with or without a zone; else UTC), or None."""
    if not _DATE.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _is_kept(number: int) -> bool:
    try:
        return int(float(number)) == number
    except OverflowError:
        return False


def is_day(text: str) -> bool:
    """Whether `text` names a whole day (2024-01-31), of which `read_date` gives the first moment.

    >>> is_day("2024-01-31"), is_day("2024-01-31T00:00")
    (True, False)
    """
    match = _DATE.fullmatch(text)
    return match is not None and match[1] is None


def _row(key: str, name: str, value: Cell | None) -> dict[str, Value | None]:
    row: dict[str, Value | None] = {"id": key, "name": name}
    if isinstance(value, AsWritten):
        row["text"], value = value.text, value.value
    if value is not None:
        kind = "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
        row[kind] = float(value) if kind == "number" else value
    return row


def _columns(values: pa.Table, ids: pa.ChunkedArray, read: Callable[[pa.Table], pa.ChunkedArray]) -> pa.Table:
    there = values.filter(pc.is_in(values["id"], ids)) if len(values) else values
    found = {}
    for name in sorted(pc.unique(there["name"]).to_pylist()):
        rows = there.filter(pc.equal(there["name"], name)).combine_chunks()
        found[name] = read(rows).take(pc.index_in(ids, rows["id"]))
    return pa.table(found) if found else pa.table({"": pa.nulls(len(ids))}).select([])


def _texts(rows: pa.Table) -> pa.ChunkedArray:
    """The values of one column as texts: as they were written, else as they are printed."""
    if rows["text"].null_count == 0:
        return rows["text"]
    known = pc.unique(rows["number"])
    texts = pa.array([None if one is None else printed(one) for one in known.to_pylist()], pa.string())
    numbers = pa.chunked_array([texts]).take(pc.index_in(rows["number"], known))
    return pc.coalesce(rows["text"], numbers, rows["flag"].cast(pa.string()))


def _column(rows: pa.Table) -> pa.ChunkedArray:
    """The values of one column, of whatever kind each is, as one kind."""
    for kind in ("flag", "number"):
        if rows[kind].null_count == 0:
            return rows[kind]
    texts = _texts(rows)
    if rows["text"].null_count:
        return texts
    known: list[str] = pc.unique(texts).to_pylist()
    dates = []
    for text in known:
        date = read_date(text)
        if date is None:
            return texts
        dates.append(date)
    return pa.chunked_array([pa.array(dates, TIME)]).take(pc.index_in(texts, pa.array(known, pa.string())))
