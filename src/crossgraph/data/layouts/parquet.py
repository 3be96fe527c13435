"""Captions in parquet: a column that names the picture, or holds it as Hugging Face's do, and one of captions.

    train-00000-of-00002.parquet ...  validation-00000-of-00001.parquet      in the folder, or in `data`

Rows are read in batches. Pictures inside are unpacked once into the user's cache. The start of the file's name says the
split, unless a column does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from crossgraph.data.assembly import NO_SPLIT, CorpusBuilder, shortened, split_name
from crossgraph.data.columns import LABEL_WORDS, SPLIT_WORDS, caption_key, image_key, texts_of
from crossgraph.data.corpus import Corpus, Understood
from crossgraph.data.inventory import take_inventory
from crossgraph.data.label_cells import Cell
from crossgraph.data.layouts.csv_captions import picture_folders
from crossgraph.data.layouts.json_entries import EntryOptions
from crossgraph.data.splits import one_in
from crossgraph.data.unpacked import safe_path, unpacked
from crossgraph.data.unused import with_unused
from crossgraph.errors import DataError

BATCH = 256
_SPLIT = re.compile(r"(train|training|val|valid|validation|dev|test)(?![a-z])", re.I)


def is_parquet(folder: Path) -> bool:
    """Whether a folder holds parquet files with a picture and captions."""
    return any(_columns(file, EntryOptions()) is not None for file in parquet_files(folder)[:1])


def open_parquet(
    place: Path, *, name: str | None = None, options: EntryOptions = EntryOptions(), exclude: Sequence[str] = ()
) -> Corpus:
    """The corpus in a parquet file, or in all of a folder less what the patterns of `exclude` leave out.

    Rows that make no sense are listed. Raises `DataError` for files without a picture and captions, or without one
    good row.
    """
    files = [place] if place.is_file() else parquet_files(place)
    if not files:
        raise DataError(f"{place}: no parquet files in it.")
    root = place if place.is_dir() else place.parent
    builder = CorpusBuilder(files[0] if len(files) == 1 else place, picture_folders(root, options.images))
    found = [_read(builder, file, options) for file in files]
    caches = {note for one in found for note in one.notes}
    understood = replace(found[0], layout="parquet", notes=(*sorted(caches), f"{len(files)} files"))
    tried = f"To say it by hand: parquet:{place}?image=COLUMN&caption=COLUMN."
    corpus = one_in(options.val, builder.build(name or place.absolute().stem, understood=understood, tried=tried))
    if place.is_file():
        return corpus
    return with_unused(corpus, take_inventory(place, exclude=exclude), files, exclude=exclude)


def parquet_files(folder: Path) -> list[Path]:
    """The parquet files of a folder, or of `data` in it."""
    return sorted(folder.glob("*.parquet")) or sorted((folder / "data").glob("*.parquet"))


def _read(builder: CorpusBuilder, file: Path, options: EntryOptions) -> Understood:
    """Give the rows of a file to `builder`."""
    columns = _columns(file, options)
    if columns is None:
        raise DataError(
            f"{file}: no column of pictures and one of captions among {', '.join(_names(file)) or 'no columns'}. Say "
            f"which: parquet:{file}?image=COLUMN&caption=COLUMN."
        )
    image, caption, split, labels, inside = columns
    wanted = [one for one in (image, caption, split, labels) if one is not None]
    folder = unpacked(file, partial(_unpack, file, image)) if inside else None
    by_name = _SPLIT.match(file.name)
    default = split_name(by_name[1].lower()) if by_name else NO_SPLIT
    label_names = _label_names(file, labels)
    for number, row in _rows(file, wanted):
        where = f"row {number}"
        captions = texts_of(row[caption])
        picture = _inside_name(row[image], number) if inside else row[image]
        if captions is None or not isinstance(picture, str | int) or not str(picture).strip():
            builder.reject(where, f"got {shortened({key: row[key] for key in (image, caption)})}", file=file)
            continue
        builder.add(
            f"{file.stem}/{picture}" if inside else str(picture),
            captions,
            where=where,
            split=split_name(str(row[split])) if split is not None and row[split] is not None else default,
            label_cell=_labels(row[labels], label_names) if labels is not None else "",
            file=file,
            path=safe_path(folder, str(picture)) if folder is not None else None,
        )
    told = (("image", image), ("caption", caption), ("split", split), ("labels", labels))
    splits = f"column {split}" if split else "name of the file" if by_name else "none"
    notes = () if folder is None else (f"pictures inside were unpacked into {folder.parent}",)
    return Understood("", tuple((what, name) for what, name in told if name is not None), splits=splits, notes=notes)


def _columns(file: Path, options: EntryOptions) -> tuple[str, str, str | None, str | None, bool] | None:
    """Image, caption, split and label column, and whether the pictures themselves are inside; None if it has none."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    try:
        schema = read_schema(file)
    except (OSError, ArrowException):
        return None
    names = list(schema.names)
    image = image_key(names, options.image)
    caption = caption_key([name for name in names if name != image], options.caption)
    if image is None or caption is None:
        return None
    kind = str(schema.field(image).type)
    split, labels = (next((one for one in words if one in names), None) for words in (SPLIT_WORDS, LABEL_WORDS))
    return image, caption, split, labels, "binary" in kind


def _names(file: Path) -> list[str]:
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    try:
        return list(read_schema(file).names)
    except (OSError, ArrowException) as error:
        raise DataError(f"{file}: cannot be read as parquet ({error}).") from error


def _rows(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of some columns with their numbers from 1, a batch at a time. Raises `DataError` for a damaged file."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        with ParquetFile(file) as opened:
            for batch in opened.iter_batches(batch_size=BATCH, columns=[*columns]):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (OSError, ArrowException) as error:
        raise DataError(f"{file}, behind row {number}: cannot be read as parquet ({error}).") from error


def _unpack(file: Path, image: str, folder: Path) -> None:
    """Write the pictures of a column into `folder`."""
    for number, row in _rows(file, [image]):
        content = row[image].get("bytes") if isinstance(row[image], Mapping) else row[image]
        name = _inside_name(row[image], number)
        if isinstance(content, bytes) and name is not None:
            target = safe_path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _inside_name(value: Any, number: int) -> str | None:
    """What a picture inside is called: by its row and its own name; None where there is none."""
    content = value.get("bytes") if isinstance(value, Mapping) else value
    if not isinstance(content, bytes):
        return None
    own = value.get("path") if isinstance(value, Mapping) else None
    return f"{number:06d}-{own.rpartition('/')[2]}" if isinstance(own, str) and own else f"{number:06d}"


def _label_names(file: Path, column: str | None) -> list[str]:
    """The names of numbered labels, as Hugging Face notes them beside the schema; none if there are none."""
    from pyarrow.parquet import read_schema

    told = (read_schema(file).metadata or {}).get(b"huggingface")
    try:
        names = json.loads(told)["info"]["features"][column]["names"] if told and column else []
    except (ValueError, LookupError, TypeError):
        return []
    return [str(one) for one in names]


def _labels(value: Any, names: Sequence[str]) -> Cell:
    if isinstance(value, str):
        return value
    values = value if isinstance(value, list) else [value]
    return [
        names[one] if isinstance(one, int) and 0 <= one < len(names) else str(one) for one in values if one is not None
    ]
