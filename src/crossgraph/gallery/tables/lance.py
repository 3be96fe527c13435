"""What the stores share about Lance tables: opening, reading some columns, deleting by key, errors in plain words."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

os.environ.setdefault("LANCEDB_LOG", "error")  # else creating a table warns on stderr that it was not there

import lance as pylance
import lancedb
import numpy as np
import pyarrow as pa

from crossgraph.errors import GalleryError

FETCH_LIMIT = 512  # keys in one filter expression

_REASONS = {
    "No space left on device": "the disk is full. Make room and run the same command again",
    "Disk quota exceeded": "the disk quota is used up. Make room and run the same command again",
    "Read-only file system": "it lies on a read-only file system. It can be searched there, not changed",
    "Permission denied": "permission denied. Ask the owner of the folder, or copy the gallery to one of your own",
    "File too large": "a file would grow over the size limit. Raise the limit and run the same command again",
}
_NOT_FOUND = ("Not found", "No such file", "NotFound", "was not found")


class ReplacedError(GalleryError):
    """What was about to be read was replaced meanwhile."""


def connect(folder: Path) -> lancedb.DBConnection:
    """The tables in `folder`; every read sees what other processes have written."""
    with plain_errors(folder):
        return lancedb.connect(folder, read_consistency_interval=timedelta(0))


def open_table(database: lancedb.DBConnection, name: str, schema: pa.Schema) -> lancedb.table.Table:
    """The table of that name, made if it is not there."""
    return database.create_table(name, schema=schema, exist_ok=True)


@contextmanager
def plain_errors(folder: Path) -> Iterator[None]:
    """Errors of the disk beneath the tables in `folder` as `GalleryError`s that say what to do."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        text = str(error)
        if not isinstance(error, OSError) and "lance" not in text.lower():
            raise
        reason = next((plain for sign, plain in _REASONS.items() if sign in text), None)
        if reason is not None:
            raise GalleryError(f"{folder} could not be written: {reason}. What was stored before is safe.") from error
        if any(sign in text for sign in _NOT_FOUND):
            raise ReplacedError(f"{folder}: files of a table are gone. Open the gallery again.") from error
        raise GalleryError(f"{folder} could not be read or written: {text.splitlines()[0][:300]}") from error


def read(table: lancedb.table.Table, columns: Sequence[str]) -> pa.Table:
    """Some columns of every row."""
    return table.search().select(list(columns)).to_arrow()


def pinned(table: lancedb.table.Table) -> pylance.LanceDataset:
    """The table as it is now, for several reads that must agree; it stays so, whoever writes."""
    return table.to_lance()


def one_of(column: str, keys: Sequence[str]) -> str:
    """A filter for the rows whose key is one of `keys`, which hold no quotes: content keys, or checked ids."""
    return f"{column} IN ({', '.join(repr(key) for key in keys)})"


def first_of_each(table: pa.Table, column: str) -> pa.Table:
    """The first row of each key: a merge would write a key that comes twice twice."""
    _, first = np.unique(table[column].to_numpy(zero_copy_only=False), return_index=True)
    return table.take(np.sort(first))


def delete(table: lancedb.table.Table, column: str, keys: Collection[str]) -> None:
    """Delete the rows with these keys."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), FETCH_LIMIT):
        table.delete(one_of(column, ordered[start : start + FETCH_LIMIT]))
