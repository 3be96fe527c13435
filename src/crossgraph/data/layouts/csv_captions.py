"""`captions.csv`: a header and one caption a row, in the columns `image`, `caption` and, optionally, `split`.

`image` is relative to the file's folder or to the `images` folder in it. A picture has as many rows as captions; an
empty caption names a picture without one. Other columns are ignored.
"""

from __future__ import annotations

import csv
from pathlib import Path

from crossgraph.data.assembly import NO_SPLIT, CorpusBuilder, malformed
from crossgraph.data.corpus import Corpus
from crossgraph.errors import DataError

_HEADER = "a header line with the columns image, caption and optionally split"


def open_csv(file: Path, *, name: str | None = None) -> Corpus:
    """The corpus in `file`, pictures in the order of their first row. Raises `DataError` naming the malformed line."""
    builder = CorpusBuilder(file, [file.parent, file.parent / "images"])
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream, strict=True)
            columns = rows.fieldnames or []
            if not {"image", "caption"} <= set(columns):
                raise malformed(file, "line 1", ",".join(columns) or "nothing", expected=_HEADER)
            for row in rows:
                _add_row(builder, row, file, rows.line_num, width=len(columns))
    except csv.Error as error:
        raise DataError(f"{file}, line {rows.line_num}: not readable as CSV ({error}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text. Save the file as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error
    return builder.build(name or file.absolute().parent.name)


def _add_row(builder: CorpusBuilder, row: dict[str, str], file: Path, line: int, *, width: int) -> None:
    where = f"line {line}"
    # DictReader files surplus fields under the key None, and gives None for the fields a short row lacks.
    if len(row) != width or None in row.values() or not row["image"].strip():
        fields = f"{[value for value in row.values() if value is not None]}"
        raise malformed(file, where, fields, expected=f'{width} fields, image first filled; quote texts with ","')
    split = row.get("split", "").strip() or NO_SPLIT
    builder.add(row["image"].strip(), [row["caption"]], where=where, split=split)
