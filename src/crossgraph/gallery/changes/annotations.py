"""Columns for a gallery's pictures out of a CSV or JSON-lines file: one row a picture, named by `id` or `path`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from crossgraph.data.encodings import decode_text, is_undecoded
from crossgraph.data.tables import SEPARATORS, table_rows
from crossgraph.errors import DataError, GalleryError
from crossgraph.gallery.tables.csv_cells import unguarded
from crossgraph.gallery.tables.item_names import NamedRow, UnknownName, find_items
from crossgraph.gallery.tables.notes import Value, checked_name, said_of_lists
from crossgraph.gallery.tables.snapshot import Snapshot

KEYS = ("id", "path")

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)

Columns: TypeAlias = dict[str, Value | None]


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
    """The rows of a file that can be understood, and the others."""

    rows: tuple[Annotation, ...]
    bad: tuple[BadRow, ...]


@dataclass(frozen=True)
class MatchedAnnotations:
    """Values by column, by id, of pictures that are there; the rows of others; and names that had to be guessed."""

    values: dict[str | Path, Columns]
    bad: tuple[BadRow, ...]
    guesses: tuple[str, ...]


def read_annotations(file: Path) -> Annotations:
    """The rows of `file`. Relative paths start at its folder, or are the ends of paths.

    In a CSV an empty cell takes a value away, "true" and "false" are truth values, and what looks like a number is
    one, unless it starts with zeros; an apostrophe before what looks like a formula is taken away. Cells may be parted
    by tabs or semicolons too. Rows that cannot be understood are listed. Raises `DataError` where none can, or where
    the header cannot.
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
    for row in reader(text, str(file)):
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
    return Annotations(tuple(rows), tuple(bad))


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
    columns = {checked_name(column): value for column, value in cells.items() if column not in KEYS}
    return Annotation(line, (name,) if key == "id" else (str(file.parent / name), name), columns)


def _csv_rows(text: str, file: str) -> Iterator[tuple[int, Columns] | BadRow]:
    head = next((line for line in text.splitlines() if line.strip()), "")
    rows = table_rows(text, max(SEPARATORS, key=head.count))
    header = next(rows, None)
    names = [] if header is None else [name.strip() for name in header.fields]
    names = [name.lower() if name.lower() in KEYS else name for name in names]
    if not set(KEYS) & set(names):
        raise DataError(f"{file}: its first line names the columns {names}; one must be 'id' or 'path'.")
    try:
        for name in names:
            if name not in KEYS:
                checked_name(name)
    except GalleryError as error:
        raise DataError(f"{file}, line 1: {error}") from error
    for row in rows:
        if row.fault is not None:
            yield BadRow(row.line, f"{row.fault}.")
        elif is_undecoded(row.text):
            yield BadRow(row.line, "bytes of it do not fit the encoding of the file. Save the file as UTF-8.")
        elif len(row.fields) != len(names):
            yield BadRow(
                row.line,
                f"it has {len(row.fields)} cells, and the header {len(names)}. Put a text that holds the separator "
                "into double quotes.",
            )
        else:
            cells = zip(names, (unguarded(field).strip() for field in row.fields), strict=True)
            yield row.line, {name: cell if name in KEYS else _typed(cell) for name, cell in cells}


def _json_rows(text: str, _: str) -> Iterator[tuple[int, Columns] | BadRow]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _json_row(number, line)


def _json_row(number: int, line: str) -> tuple[int, Columns] | BadRow:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return BadRow(number, f"not JSON ({error}).")
    if not isinstance(row, dict):
        return BadRow(number, "expected an object such as {'path': 'a.jpg', 'year': 1999}.")
    for name, value in row.items():
        plain = value is None or isinstance(value, str | bool | int | float)
        if not plain or (isinstance(value, float) and not math.isfinite(value)):
            said = said_of_lists(name) if isinstance(value, list) else ""
            return BadRow(number, f"{name} must be a text, a finite number, true or false.{said}")
    return number, row


def _typed(cell: str) -> Value | None:
    if not cell:
        return None
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    return float(cell) if _NUMBER.fullmatch(cell) and math.isfinite(float(cell)) else cell
