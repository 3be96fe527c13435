"""Columns for a gallery's pictures out of a CSV or JSON-lines file: one row a picture, named by `id` or `path`."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from crossgraph.data.encodings import decode_text, is_undecoded
from crossgraph.data.tables import SEPARATORS, table_rows
from crossgraph.errors import DataError, GalleryError
from crossgraph.gallery.changes.own_columns import own_column
from crossgraph.gallery.search.filters import BUILT_IN
from crossgraph.gallery.tables.csv_cells import unguarded
from crossgraph.gallery.tables.item_names import NamedRow, UnknownName, find_items
from crossgraph.gallery.tables.notes import AsWritten, Cell, checked_name, checked_value, printed, said_of_lists
from crossgraph.gallery.tables.snapshot import Snapshot

KEYS = ("id", "path")

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)

Columns: TypeAlias = dict[str, Cell | None]


@dataclass(frozen=True)
class BadRow:
    """A row that was left out, by its line, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Annotation:
    """One row: values by column for the picture that is called one of `names`, of which the first is tried first."""

    line: int
    names: tuple[str, ...]
    columns: Columns


@dataclass(frozen=True)
class Annotations:
    """The rows of a file that can be understood, the others, and what was passed over in all of them."""

    rows: tuple[Annotation, ...]
    bad: tuple[BadRow, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MatchedAnnotations:
    """Values by column, by id, of pictures that are there; the rows of others; and names that had to be guessed."""

    values: dict[str | Path, Columns]
    bad: tuple[BadRow, ...]
    guesses: tuple[str, ...]


def read_annotations(file: Path) -> Annotations:
    """The rows of `file`. Relative paths start at its folder, or are the ends of paths.

    In a CSV an empty cell takes a value away, "true" and "false" are truth values, and what looks like a number is
    one, unless it starts with zeros or has more than 15 digits before the point; of what would be printed otherwise the
    text is kept too. An apostrophe before what looks like a formula is taken away. Cells may be parted by tabs or
    semicolons too. Columns that are built in, as in an export, or have no name are passed over. Rows that cannot be
    understood are listed. Raises `DataError` where none can, where the header cannot, or where nothing is noted.
    """
    reader = {".csv": _csv_rows, ".tsv": _csv_rows, ".jsonl": _json_rows}.get(file.suffix.lower())
    if reader is None:
        raise DataError(f"{file}: give a file that ends in .csv, .tsv or .jsonl.")
    try:
        text = decode_text(file.read_bytes()).text
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error
    rows: list[Annotation] = []
    bad: list[BadRow] = []
    passed: dict[str, None] = {}
    for row in reader(text, str(file), passed):
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        line, cells = row
        try:
            rows.append(_annotation(file, line, cells))
        except GalleryError as error:
            bad.append(BadRow(line, str(error)))
    if bad and not rows:
        raise DataError(f"{file}: none of its {len(bad)} rows can be used; line {bad[0].line}: {bad[0].reason}")
    notes = _said_of_passed(list(passed))
    if rows and not any(row.columns for row in rows):
        raise DataError(
            f"{file}: there is nothing to note: beside the 'id' or 'path' of pictures give a column of yours. "
            f"{' '.join(notes)}".rstrip()
        )
    return Annotations(tuple(rows), tuple(bad), notes)


def matched(annotations: Annotations, snapshot: Snapshot) -> MatchedAnnotations:
    """The annotations of pictures that are in the gallery."""
    found = find_items(snapshot, [row.names[0] for row in annotations.rows])
    again = [place for place, named in enumerate(found) if isinstance(named, UnknownName) or named.guess]
    others = find_items(snapshot, [annotations.rows[place].names[-1] for place in again])
    for place, other in zip(again, others, strict=True):
        if isinstance(found[place], UnknownName) or (isinstance(other, NamedRow) and not other.guess):
            found[place] = other
    values: dict[str | Path, Columns] = {}
    bad: list[BadRow] = []
    guesses: list[str] = []
    for row, named in zip(annotations.rows, found, strict=True):
        if isinstance(named, UnknownName):
            bad.append(BadRow(row.line, named.reason))
            continue
        if named.guess:
            guesses.append(f"line {row.line}: {named.guess}")
        values.setdefault(snapshot.items["id"][named.row].as_py(), {}).update(row.columns)
    return MatchedAnnotations(values, tuple(bad), tuple(guesses))


def _annotation(file: Path, line: int, cells: Columns) -> Annotation:
    key = next((name for name in KEYS if cells.get(name)), None)
    if key is None:
        raise GalleryError("it names no picture; give a column 'id' or 'path'.")
    name = str(cells[key])
    columns: Columns = {}
    for column, value in cells.items():
        if column in KEYS:
            continue
        own = checked_name(column) if value is None else own_column(column)  # what once was allowed can be taken away
        if own in columns:
            raise GalleryError(f"it names the column {own!r} twice; capital letters make no difference.")
        columns[own] = checked_value(column, value)
    return Annotation(line, (name,) if key == "id" else (str(file.parent / name), name), columns)


def _said_of_passed(passed: Sequence[str]) -> tuple[str, ...]:
    """What to say of columns that were passed over, of which "" has no name."""
    named, said = [name for name in passed if name], []
    if named:
        lists = "" if "digest" in named else "".join(map(said_of_lists, named))  # an export has them all
        said.append(f"{', '.join(named)}: built in, and passed over; columns of yours need other names.{lists}")
    if "" in passed:
        said.append("a column without a name was passed over.")
    return tuple(said)


def _csv_rows(text: str, file: str, passed: dict[str, None]) -> Iterator[tuple[int, Columns] | BadRow]:
    head = next((line for line in text.splitlines() if line.strip()), "")
    rows = table_rows(text, max(SEPARATORS, key=head.count))
    header = next(rows, None)
    names = [] if header is None else [name.strip() for name in header.fields]
    names = [name.lower() if name.lower() in KEYS else name for name in names]
    if not set(KEYS) & set(names):
        raise DataError(f"{file}: its first line names the columns {names}; one must be 'id' or 'path'.")
    own = [name for name in names if name and name not in KEYS and name.lower() not in BUILT_IN]
    passed |= dict.fromkeys(name for name in names if name not in (*KEYS, *own))
    try:
        lower = [own_column(name) for name in own]
    except GalleryError as error:
        raise DataError(f"{file}, line 1: {error}") from error
    counts = Counter([*lower, *(name for name in names if name in KEYS)])
    twice = [name for name, times in counts.items() if times > 1]
    if twice:
        raise DataError(
            f"{file}, line 1: it names the column {twice[0]!r} twice; capital letters make no difference. Rename one."
        )
    kept = {*KEYS, *own}
    least = max(place for place, name in enumerate(names, start=1) if name)  # a separator may end the header alone
    for row in rows:
        if row.fault is not None:
            yield BadRow(row.line, f"{row.fault}.")
        elif is_undecoded(row.text):
            yield BadRow(row.line, "bytes of it do not fit the encoding of the file. Save the file as UTF-8.")
        elif not least <= len(row.fields) <= len(names):
            yield BadRow(
                row.line,
                f"it has {len(row.fields)} cells, and the header {len(names)}. Put a text that holds the separator "
                "into double quotes.",
            )
        else:
            cells = zip(names, (unguarded(field).strip() for field in row.fields), strict=False)
            yield row.line, {name: cell if name in KEYS else _typed(cell) for name, cell in cells if name in kept}


def _json_rows(text: str, _: str, passed: dict[str, None]) -> Iterator[tuple[int, Columns] | BadRow]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _json_row(number, line, passed)


def _json_row(number: int, line: str, passed: dict[str, None]) -> tuple[int, Columns] | BadRow:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return BadRow(number, f"not JSON ({error}).")
    if not isinstance(row, dict):
        return BadRow(number, "expected an object such as {'path': 'a.jpg', 'year': 1999}.")
    built_in = [name for name in row if name not in KEYS and name.lower() in BUILT_IN]
    passed |= dict.fromkeys(built_in)
    for name in built_in:
        del row[name]
    for name, value in row.items():
        plain = value is None or isinstance(value, str | bool | int | float)
        if not plain or (isinstance(value, float) and not math.isfinite(value)):
            said = said_of_lists(name) if isinstance(value, list) else ""
            return BadRow(number, f"{name} must be a text, a finite number, true or false.{said}")
    return number, row


def _typed(cell: str) -> Cell | None:
    if not cell:
        return None
    if cell.lower() in ("true", "false"):
        flag = cell.lower() == "true"
        return flag if cell.islower() else AsWritten(flag, cell)
    if not _NUMBER.fullmatch(cell) or not math.isfinite(number := float(cell)):
        return cell
    return number if printed(number) == cell else AsWritten(number, cell)
