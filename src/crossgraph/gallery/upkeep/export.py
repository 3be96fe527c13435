"""Everything a gallery knows of its pictures besides features, as CSV, JSON lines, one JSON list, or bare paths."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Int

from crossgraph.errors import GalleryError, unknown_name
from crossgraph.files import writing_out
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.filters import BUILT_IN, WHERE_THEY_LIE, Kind, column_kinds, read_column, rows_where
from crossgraph.gallery.tables.csv_cells import guarded
from crossgraph.gallery.tables.notes import plain
from crossgraph.gallery.tables.snapshot import Snapshot

Format = Literal["csv", "jsonl", "json", "paths"]
FORMATS: tuple[Format, ...] = get_args(Format)
ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".txt": "paths",
    "": "paths",
}
"""How a file is written by its ending."""
LEFT_OUT = ("name", "date", "pixels")  # they say nothing that the path, the dates and the sides do not
BLOCK = 4096
_AROUND: dict[Format, int] = {"csv": 1, "jsonl": 0, "json": 2, "paths": 0}  # lines that are no pictures


def format_of(name: str | None, file: Path | None) -> Format:
    """The format of that name, else that of the ending of the file, else, where there is no ending, paths.

    Raises `GalleryError` for another name or ending.
    """
    if name is None and file is not None:
        ending = file.suffix.lower()
        if ending not in ENDINGS:
            raise GalleryError(
                f"{file}: an export ends in {', '.join(filter(None, ENDINGS))}. For another ending give --format too: "
                f"{', '.join(FORMATS)}."
            )
        return ENDINGS[ending]
    asked = name or "paths"
    found = next((one for one in FORMATS if one == asked), None)
    if found is None:
        raise GalleryError(unknown_name("format", asked, FORMATS))
    return found


def export_lines(gallery: Gallery, *, format: Format, where: str | None = None) -> Iterator[str]:
    """The lines of an export, in order of id, without line ends; a CSV has a header, and lists joined by newlines.

    Texts of a CSV that begin like a formula have an apostrophe before them; `annotate` takes it away again.
    """
    snapshot = gallery.snapshot()
    rows = np.arange(len(snapshot.items)) if where is None else rows_where(snapshot, where)
    lines = row_lines(snapshot, rows, format=format)
    if format != "json":
        yield from lines
        return
    yield "["
    for place, line in enumerate(lines, start=1):
        yield line if place == len(rows) else f"{line},"
    yield "]"


def row_lines(snapshot: Snapshot, rows: Int[np.ndarray, " k"], *, format: Format, places: bool = True) -> Iterator[str]:
    """The lines of an export of some rows, in their order. Without `places`, names of files stand for all that says
    where pictures lie: there are names for paths, and neither folders nor sources. Of a JSON list it is the
    entries.
    """
    hidden = () if places else WHERE_THEY_LIE
    kinds = column_kinds(snapshot)
    names = [name for name in kinds if name not in LEFT_OUT and name not in hidden]
    if not places:
        names.insert(1, "name")
    if format == "paths":
        names = ["path" if places else "name"]
    columns = {
        name: read_column(snapshot, name) if name in BUILT_IN or format != "csv" else snapshot.written_notes[name]
        for name in names
    }
    if format == "csv":
        yield _csv_line(names)
    for start in range(0, len(rows), BLOCK):
        block = {name: column.take(rows[start : start + BLOCK]).to_pylist() for name, column in columns.items()}
        for values in zip(*block.values(), strict=True):
            if format == "paths":
                yield values[0]
            elif format == "csv":
                yield _csv_line([_cell(value, kinds[name]) for name, value in zip(names, values, strict=True)])
            else:
                yield json.dumps(dict(zip(names, map(_plain, values), strict=True)), ensure_ascii=False)


def export_file(gallery: Gallery, file: Path, *, format: Format, where: str | None = None, end: str = "\n") -> int:
    """Write an export into `file`, at once, with `end` after each line; returns how many pictures it names."""
    count = -_AROUND[format]
    try:
        with writing_out(file) as stream:
            for line in export_lines(gallery, format=format, where=where):
                stream.write(f"{line}{end}".encode())
                count += 1
    except OSError as error:
        raise GalleryError(f"{file} could not be written: {error.strerror}.") from error
    return count


def _csv_line(values: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(values)  # cells with either letter are quoted for it
    return line.getvalue().removesuffix("\r\n")


def _plain(value: object) -> object:
    if isinstance(value, float):
        return plain(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _cell(value: object, kind: Kind) -> str:
    if isinstance(value, list):
        return guarded("\n".join(value))
    if isinstance(value, str):
        return value if kind == "number" else guarded(value)
    return "" if value is None else str(_plain(value))
