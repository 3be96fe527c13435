"""DCHMT's `index.mat`, `caption.mat` and `label.mat` *(Tu 2022)*: paths of pictures, their captions, their labels.

Each holds one variable (`index`, `caption`, `category`) with one row a picture. Splits are drawn by shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossgraph.data.assembly import CorpusBuilder
from crossgraph.data.corpus import Corpus, Understood
from crossgraph.data.feature_cache import Array
from crossgraph.data.inventory import take_inventory
from crossgraph.data.layouts.csv_captions import picture_folders
from crossgraph.data.layouts.matrix_files import variables_in
from crossgraph.data.shares import Shares, share_splits
from crossgraph.data.unused import with_unused
from crossgraph.errors import DataError

FILES = ("index.mat", "caption.mat", "label.mat")


def is_dchmt(folder: Path) -> bool:
    """Whether a folder has the index and the captions."""
    return all((folder / file).is_file() for file in FILES[:2])


def open_dchmt(
    folder: Path, *, name: str | None = None, options: Shares = Shares(), exclude: Sequence[str] = ()
) -> Corpus:
    """The corpus in `folder`, in the order of the index, less what the patterns of `exclude` leave out.

    Raises `DataError` for files that do not fit each other.
    """
    if not is_dchmt(folder):
        raise DataError(f"{folder}: {' and '.join(FILES[:2])} must be in it.")
    rows = {file: _rows(folder / file) for file in FILES if (folder / file).is_file()}
    images = [" ".join(_texts(one)).strip() for one in rows["index.mat"]]
    if len({len(one) for one in rows.values()}) > 1:
        counts = ", ".join(f"{file} {len(one)}" for file, one in rows.items())
        raise DataError(f"{folder}: the files must have one row a picture; got {counts}.")
    labels = rows.get("label.mat")
    splits = share_splits(images, val=options.val_share, test=options.test_share, seed=options.seed)
    builder = CorpusBuilder(folder / "index.mat", picture_folders(folder))
    for number, (image, texts, split) in enumerate(zip(images, rows["caption.mat"], splits, strict=True), start=1):
        own = [] if labels is None else np.flatnonzero(np.asarray(labels[number - 1], dtype=np.float64) > 0).tolist()
        where = f"row {number}"
        if not image:
            builder.reject(where, "it names no picture")
            continue
        builder.add(image, _texts(texts), where=where, split=split, labels=[f"label {one + 1}" for one in own])
    names = [] if labels is None else [f"label {number + 1}" for number in range(labels.shape[1])]
    columns = (("image", "index.mat"), ("caption", "caption.mat"), ("labels", "label.mat"))
    understood = Understood("dchmt", columns[: len(rows)], splits="drawn")
    corpus = builder.build(name or folder.absolute().name, label_names=names, understood=understood)
    return with_unused(
        corpus, take_inventory(folder, exclude=exclude), [folder / file for file in FILES], exclude=exclude
    )


def _rows(file: Path) -> Array:
    """The one variable of a file, one row a picture."""
    found = {name: one for name, one in variables_in(file).items() if ":" not in name and one.file == file}
    if len(found) != 1:
        raise DataError(f"{file}: one variable is expected; got {', '.join(found) or 'none'}.")
    array = next(iter(found.values())).read()
    return array.T if array.ndim == 2 and array.shape[0] == 1 < array.shape[1] else array


def _texts(cell: Any) -> list[str]:
    """The texts in a cell, however deep; texts of characters in rows are padded with spaces."""
    return [text for found in _leaves(cell) if (text := found.strip())]


def _leaves(cell: Any) -> Iterator[str]:
    if isinstance(cell, np.ndarray):
        for one in cell.reshape(-1):
            yield from _leaves(one)
    elif isinstance(cell, bytes):
        yield cell.decode("utf-8", "replace")
    elif isinstance(cell, str):
        yield cell
