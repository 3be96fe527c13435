"""Columns for a gallery's pictures out of a CSV or JSON-lines file: one row a picture, named by `id` or `path`."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from crossgraph.errors import DataError, GalleryError
from crossgraph.gallery.tables.csv_cells import unguarded
from crossgraph.gallery.tables.notes import Value, checked_name

KEYS = ("id", "path")

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)


def read_annotations(file: Path) -> dict[str | Path, dict[str, Value | None]]:
    """Values by column, by id or path. Relative paths start at the folder of `file`.

    In a CSV an empty cell takes a value away, "true" and "false" are truth values, and what looks like a number is
    one, unless it starts with zeros; an apostrophe before what looks like a formula is taken away. Raises `DataError`
    naming the line that cannot be understood.
    """
    opener = {".csv": _csv_rows, ".jsonl": _json_rows}.get(file.suffix.lower())
    if opener is None:
        raise DataError(f"{file}: give a file that ends in .csv or .jsonl.")
    found: dict[str | Path, dict[str, Value | None]] = {}
    try:
        for line, row in opener(file):
            keys = [name for name in KEYS if row.get(name)]
            if not keys:
                raise DataError(f"{file}, line {line}: it names no picture; give a column 'id' or 'path'.")
            key = str(row[keys[0]])
            key = str(file.parent / key) if keys[0] == "path" else key
            values = {}
            for name, value in row.items():
                if name in KEYS:
                    continue
                try:
                    values[checked_name(name)] = value
                except GalleryError as error:
                    raise DataError(f"{file}, line {line}: {error}") from error
            found.setdefault(key, {}).update(values)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: cannot be read ({error}).") from error
    return found


def _csv_rows(file: Path) -> Iterator[tuple[int, dict[str, Value | None]]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        for row in reader:
            if None in row or None in row.values():
                raise DataError(f"{file}, line {reader.line_num}: it has not as many cells as the header.")
            cells = {name: unguarded(cell) for name, cell in row.items()}
            yield (
                reader.line_num,
                {name: cell if name in KEYS else _typed(cell.strip()) for name, cell in cells.items()},
            )


def _json_rows(file: Path) -> Iterator[tuple[int, dict[str, Value | None]]]:
    with file.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{file}, line {number}: not JSON ({error}).") from error
            if not isinstance(row, dict):
                raise DataError(f"{file}, line {number}: expected an object such as {{'path': 'a.jpg', 'year': 1999}}.")
            for name, value in row.items():
                plain = value is None or isinstance(value, str | bool | int | float)
                if not plain or (isinstance(value, float) and not math.isfinite(value)):
                    raise DataError(f"{file}, line {number}: {name} must be a text, a finite number, true or false.")
            yield number, row


def _typed(cell: str) -> Value | None:
    if not cell:
        return None
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    return float(cell) if _NUMBER.fullmatch(cell) and math.isfinite(float(cell)) else cell
