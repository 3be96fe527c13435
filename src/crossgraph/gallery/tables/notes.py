"""Columns that users add: values by the id of a picture, kept apart from the model's tables so that they outlive it.

A column is what all its values can be read as: truth values, numbers, dates, else text. Notes of a picture that is no
longer in the gallery are invisible. What it was is noted when it goes (`Departed`), so that they apply again where its
content comes back, under its id, and to no other picture.

The table has one row per picture and column, with the value under its kind; a row with none was taken away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
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

    def values(self, ids: Sequence[str]) -> dict[str, dict[str, Value]]:
        """The values by column, by id, of these pictures."""
        found: dict[str, dict[str, Value]] = {}
        table = self._found("notes")
        for row in [] if table is None else table.find("id", ids, SCHEMA.names).to_pylist():
            given = [row[kind] for kind in KINDS if row[kind] is not None]
            if given:
                found.setdefault(row["id"], {})[row["name"]] = given[0]
        return found

    def write(self, values: Mapping[str, Mapping[str, Value | None]]) -> None:
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

    @cached_property
    def values(self) -> pa.Table:
        """The values, one a row."""
        every = pa.concat_tables([SCHEMA.empty_table(), *(table for _, table in self.pieces.values())])
        given = [pc.is_valid(every[kind]) for kind in KINDS]
        return every.filter(pc.or_(pc.or_(given[0], given[1]), given[2]))


def typed_columns(values: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
    """Every column for the pictures `ids`, in that order, as what all its values can be read as."""
    there = values.filter(pc.is_in(values["id"], ids))
    found = {}
    for name in sorted(pc.unique(there["name"]).to_pylist()):
        rows = there.filter(pc.equal(there["name"], name)).combine_chunks()
        found[name] = _column(rows).take(pc.index_in(ids, rows["id"]))
    return pa.table(found) if found else pa.table({"": pa.nulls(len(ids))}).select([])


@dataclass(frozen=True)
class Strays:
    """The values of a column, by the id of the picture, for which it is no column of a `kind`; others are so many."""

    kind: str
    values: Mapping[str, str]
    others: int


def find_strays(values: pa.Table, ids: pa.ChunkedArray, name: str) -> Strays | None:
    """What makes a column of these pictures text that holds numbers or dates too; None if it holds none."""
    rows = values.filter(pc.and_(pc.is_in(values["id"], ids), pc.equal(values["name"], name)))
    texts = {row["id"]: row["text"] for row in rows.select(["id", "text"]).to_pylist() if row["text"] is not None}
    numbers = len(rows) - rows["number"].null_count
    strays = texts if numbers else {key: text for key, text in texts.items() if read_date(text) is None}
    others = numbers or len(texts) - len(strays)
    return Strays("number" if numbers else "date", strays, others) if strays and others else None


def checked_name(name: str) -> str:
    """`name` in lower case, if it can name a column. Raises `GalleryError` if not."""
    if not _NAME.fullmatch(name):
        raise GalleryError(
            f"{name!r} cannot name a column. Use at most 64 letters, digits and underscores, a letter first."
        )
    return name.lower()


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


def is_day(text: str) -> bool:
    """Whether `text` names a whole day (2024-01-31), of which `read_date` gives the first moment.

    >>> is_day("2024-01-31"), is_day("2024-01-31T00:00")
    (True, False)
    """
    match = _DATE.fullmatch(text)
    return match is not None and match[1] is None


def _row(key: str, name: str, value: Value | None) -> dict[str, Value | None]:
    row: dict[str, Value | None] = {"id": key, "name": name}
    if value is not None:
        kind = "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
        row[kind] = float(value) if kind == "number" else value
    return row


def _column(rows: pa.Table) -> pa.ChunkedArray:
    """The values of one column, of whatever kind each is, as one kind."""
    for kind in ("flag", "number"):
        if rows[kind].null_count == 0:
            return rows[kind]
    texts = pc.coalesce(rows["text"], rows["number"].cast(pa.string()), rows["flag"].cast(pa.string()))
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
