"""Columns that users add: values by the id of a picture, kept apart from the model's tables so that they outlive it.

A column is what all its values can be read as: truth values, numbers, dates, else text. Notes of a picture that is no
longer in the gallery are invisible, and apply again when a picture of that id comes back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from crossgraph.errors import GalleryError
from crossgraph.gallery.tables import lance

Value = str | float | int | bool
SCHEMA = pa.schema([("id", pa.string()), ("values", pa.string())])
TIME = pa.timestamp("us", tz="UTC")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)


class Notes:
    """The notes of the gallery in `folder`; their table is made by the first write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._table: lance.Table | None = None

    @property
    def tables(self) -> dict[str, lance.Table]:
        """The table by its name, or nothing if there are no notes."""
        place = self._folder / "notes.lance"
        if self._table is None and lance.exists(place):
            self._table = lance.Table(place)
        return {} if self._table is None else {"notes": self._table}

    def version(self) -> int:
        """Changes with every write."""
        return sum(table.version for table in self.tables.values())

    def values(self, ids: Sequence[str] | None = None) -> dict[str, dict[str, Value]]:
        """The values by column, by id: of the pictures asked for, or of all."""
        found: dict[str, dict[str, Value]] = {}
        for table in self.tables.values():
            if ids is None:
                rows = table.read(["id", "values"]).to_pylist()
            else:
                rows = []
                for start in range(0, len(ids), lance.FETCH_LIMIT):
                    chosen = lance.one_of("id", ids[start : start + lance.FETCH_LIMIT])
                    rows += table.read(["id", "values"], where=chosen).to_pylist()
            found.update({row["id"]: json.loads(row["values"]) for row in rows})
        return found

    def write(self, values: Mapping[str, Mapping[str, Value | None]]) -> None:
        """Set columns of pictures by id; None takes a value away, columns not named stay. One commit."""
        with lance.plain_errors(self._folder):
            if not self.tables:
                self._table = lance.open_table(self._folder, "notes", SCHEMA)
            before = self.values(list(values))
            rows = []
            for key, changes in values.items():
                joined = {**before.get(key, {}), **changes}
                kept = {name: value for name, value in joined.items() if value is not None}
                rows.append({"id": key, "values": json.dumps(kept, allow_nan=False)})
            self.tables["notes"].replace(pa.Table.from_pylist(rows, SCHEMA), "id")

    def remove(self, ids: Sequence[str]) -> None:
        """Forget all values of these pictures."""
        with lance.plain_errors(self._folder):
            for table in self.tables.values():
                table.delete_keys("id", ids)

    def columns(self, ids: pa.ChunkedArray) -> pa.Table:
        """Every column for the pictures `ids`, in that order."""
        values, order = self.values(), ids.to_pylist()
        names = sorted({name for key in order for name in values.get(key, ())})
        return pa.table(
            {name: _column([values.get(key, {}).get(name) for key in order]) for name in names}
            if names
            else {"": pa.nulls(len(order))}
        ).select(names)


def checked_name(name: str) -> str:
    """`name` in lower case, if it can name a column. Raises `GalleryError` if not."""
    if not _NAME.fullmatch(name):
        raise GalleryError(
            f"{name!r} cannot name a column. Use at most 64 letters, digits and underscores, a letter first."
        )
    return name.lower()


def read_date(text: str) -> datetime | None:
    """The moment that `text` names (2024-01-31, 2024-01-31T12:30, with or without a zone; else UTC), or None."""
    if not _DATE.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _column(values: Sequence[Value | None]) -> pa.Array:
    given = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in given):
        return pa.array(values, pa.bool_())
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    texts = [None if value is None else value if isinstance(value, str) else json.dumps(value) for value in values]
    dates = [None if text is None else read_date(text) for text in texts]
    if all((date is None) == (text is None) for date, text in zip(dates, texts, strict=True)):
        return pa.array(dates, TIME)
    return pa.array(texts, pa.string())
