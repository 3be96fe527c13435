"""A table of captions: a picture and a caption a row, with a header of any usual words or none, in any usual encoding.

`captions.csv`, Kaggle's `captions.txt` (Flickr8k) and `results.csv` (Flickr30k), open_clip's TSV, Hugging Face's
`flickr_annotations_30k.csv`. A picture has as many rows as captions; an empty caption names a picture without one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from pydantic import Field

from crossgraph.data.assembly import NO_SPLIT, CorpusBuilder, read_bytes, shortened, split_name
from crossgraph.data.columns import Columns, captions_in, columns_of
from crossgraph.data.corpus import Corpus, Understood
from crossgraph.data.encodings import Decoded, decode_text, is_undecoded
from crossgraph.data.file_kinds import IMAGE_ENDINGS
from crossgraph.data.label_cells import is_flag
from crossgraph.data.names import GENERIC_FOLDERS
from crossgraph.data.options import SourceOptions
from crossgraph.data.tables import SEPARATORS, TableRow, table_rows
from crossgraph.errors import DataError

_SEEN = 20  # rows that are looked at to find out what a table is
_SNIFFED = 65_536  # bytes of a file that are
_NAMED = 20  # columns that a note names


class TableOptions(SourceOptions):
    """What is told of a table; the rest is found out."""

    separator: str | None = Field(None, description="comma, tab, semicolon, bar, or the letter itself")
    encoding: str | None = Field(None, description="utf-8, utf-16, windows-1252, gb18030 or any other Python knows")
    image: str | None = Field(None, description="the column that names the picture, or its number from 1")
    caption: str | None = Field(None, description="the column of the caption, or its number")
    split: str | None = Field(None, description="the column of the split, or its number")
    labels: str | None = Field(None, description="the column of labels, or its number")
    label_separator: str | None = Field(
        None, description="what parts labels in a field, as separator; default: | and ;"
    )
    images: str | None = Field(None, description="the folder that the pictures are in")


def open_csv(file: Path, *, name: str | None = None, options: TableOptions = TableOptions()) -> Corpus:
    """The corpus in `file`, pictures in the order of their first row; rows that make no sense are listed.

    Raises `DataError` for a file without one good row, saying how it was read and how to say it by hand.
    """
    builder = CorpusBuilder(file, picture_folders(file.parent, options.images))
    understood = read_table(builder, file, options)
    told = replace(understood, layout="csv")
    parting = None if options.label_separator is None else _separator(options.label_separator)
    tried = _advice(file, understood)
    return builder.build(name or file.absolute().parent.name, label_separator=parting, understood=told, tried=tried)


def is_table(file: Path) -> bool:
    """Whether the head of a file is that of a caption table."""
    try:
        with file.open("rb") as stream:
            text = decode_text(stream.read(_SNIFFED)).text
    except OSError:
        return False
    return _form(text, TableOptions(), _names_picture(file.parent)) is not None


def picture_folders(folder: Path, told: str | None = None) -> list[Path]:
    """Where the pictures of a caption file in `folder` are looked for by their exact names."""
    if told is not None:
        return [folder / Path(told).expanduser()]
    below = sorted(name for name in os.listdir(folder) if _is_of_pictures(name))
    return [folder, *(folder / name for name in below if (folder / name).is_dir())]


def read_table(
    builder: CorpusBuilder, file: Path, options: TableOptions, *, prefix: str = "", split: str | None = None
) -> Understood:
    """Give the rows of a table to `builder`: pictures as `prefix` and their name, in `split` if the table has none.

    Raises `DataError` for a table of which no column is known.
    """
    decoded = decode_text(read_bytes(file), options.encoding)
    form = _form(decoded.text, options, _names_picture(file.parent))
    if form is None:
        raise DataError(f"{file}: {_not_understood(decoded)} {_by_hand(file)}")
    separator, columns = form
    rows = table_rows(decoded.text, separator, starts_row=_row_start(separator))
    if columns.header:
        next(rows)
    flags = set(columns.unread)  # columns of nothing but 0 and 1, as far as is known
    for row in rows:
        fields = _add_row(builder, row, columns, decoded, file=file, prefix=prefix, split=split or NO_SPLIT)
        if fields is not None:
            flags = {place for place in flags if is_flag(fields[place])}
    where = f"column {dict(columns.told())['split']}" if columns.split is not None else "none"
    notes = _unread_notes(columns, flags)
    return Understood("", columns.told(), SEPARATORS.get(separator, separator), decoded.told, where, notes=notes)


def _unread_notes(columns: Columns, flags: Collection[int]) -> tuple[str, ...]:
    """Which columns nobody reads, and which of these seem to say of a label each whether it is there."""
    if not columns.unread:
        return ()
    notes = [f"columns that are not read: {_listed(columns, columns.unread)}"]
    if flags:
        notes.append(
            f"columns of nothing but 0 and 1 are no labels here: {_listed(columns, sorted(flags))}; if they are meant "
            "to be, write the names of those with 1 into one column named labels, | between them"
        )
    return tuple(notes)


def _listed(columns: Columns, places: Sequence[int]) -> str:
    names = ", ".join(columns.names[place].strip() for place in places[:_NAMED])
    return names if len(places) <= _NAMED else f"{names} and {len(places) - _NAMED:,} more"


def _add_row(
    builder: CorpusBuilder, row: TableRow, columns: Columns, decoded: Decoded, *, file: Path, prefix: str, split: str
) -> Sequence[str] | None:
    """Give a row to `builder`, or list it; its fields if it was read."""
    fields, fault = _fields(row, columns, decoded)
    where = f"line {row.line}"
    if fault is not None:
        builder.reject(where, f"{fault}: {shortened(row.text.encode('utf-8', 'replace').decode())}", file=file)
        return None
    captions = [fields[place] for place in columns.captions]
    if any(text.startswith("[") for text in captions):
        names = columns.names
        captions = [text for place in columns.captions for text in captions_in(fields[place], names[place])]
    builder.add(
        prefix + fields[columns.image].strip(),
        captions,
        where=where,
        split=split if columns.split is None else split_name(fields[columns.split]),
        label_cell="" if columns.labels is None else fields[columns.labels],
        file=file,
    )
    return fields


def _fields(row: TableRow, columns: Columns, decoded: Decoded) -> tuple[Sequence[str], str | None]:
    """The fields of a row, as many as there are columns; or what is wrong with it."""
    fields: Sequence[str] = row.fields
    width = len(columns.names)
    if row.fault is not None:
        return fields, row.fault
    if len(fields) > width and columns.captions[-1] == width - 1:
        # A separator in a caption that nobody quoted, in the last column: all that is left is the caption.
        fields = [*fields[: width - 1], row.rest(width - 1)]
    if len(fields) != width:
        return fields, f"{len(fields)} fields in the place of {width}"
    if decoded.has_faults and (is_undecoded(row.text) or "\0" in row.text):
        return fields, f"bytes that are no {decoded.encoding}"
    return fields, None if fields[columns.image].strip() else "it names no picture"


def _form(text: str, options: TableOptions, names_picture: Callable[[str], bool]) -> tuple[str, Columns] | None:
    """The separator and the columns of a table; None for what is none."""
    told = {key: getattr(options, key) for key in ("image", "caption", "split", "labels")}
    candidates = [_separator(options.separator)] if options.separator else list(SEPARATORS)
    heads = {separator: _head(text, separator) for separator in candidates}
    for separator, rows in heads.items():
        columns = columns_of(rows[0].fields, told) if rows and rows[0].fault is None else None
        if columns is not None and not names_picture(rows[0].fields[columns.image]):
            return separator, columns
    for separator, rows in heads.items():
        image = int(told["image"] or 1) - 1 if (told["image"] or "1").isdecimal() else 0
        caption = int(told["caption"] or 2) - 1 if (told["caption"] or "2").isdecimal() else 1
        usable = [row for row in rows if row.fault is None and len(row.fields) > max(image, caption, 0)]
        if image >= 0 <= caption != image and any(names_picture(row.fields[image]) for row in usable):
            width = len(usable[0].fields) if options.caption else 2
            return separator, Columns(("",) * max(width, image + 1), image, (caption,), header=False)
    return None


def _head(text: str, separator: str) -> list[TableRow]:
    """The first rows of a table, as far as they can be told from its first letters."""
    rows = table_rows(text[:_SNIFFED], separator)
    return list(islice(rows, _SEEN))


def _names_picture(folder: Path) -> Callable[[str], bool]:
    """Whether a field is the name of a picture: by its ending, or because there is such a file."""

    def names_picture(field: str) -> bool:
        name = field.strip()
        if Path(name).suffix.lower() in IMAGE_ENDINGS:
            return True
        try:
            return name not in ("", ".", "..") and (folder / name).is_file()
        except (OSError, ValueError):
            return False

    return names_picture


def _row_start(separator: str) -> Callable[[str], bool]:
    """Whether a line begins as a row does: with the name of a picture and a separator."""

    def starts_row(line: str) -> bool:
        first, sign, _ = line.partition(separator)
        return bool(sign) and Path(first.strip().strip('"')).suffix.lower() in IMAGE_ENDINGS

    return starts_row


def _is_of_pictures(name: str) -> bool:
    return name.lower() in GENERIC_FOLDERS or name.lower().startswith("flick")


def _separator(told: str) -> str:
    named = {name: letter for letter, name in SEPARATORS.items()} | {"pipe": "|", "\\t": "\t"}
    separator = named.get(told.lower(), told)
    if len(separator) != 1:
        raise DataError(f"separator={told}: give one letter, or one of {', '.join(SEPARATORS.values())}.")
    return separator


def _not_understood(decoded: Decoded) -> str:
    first = next((line for line in decoded.text.splitlines() if line.strip()), "nothing")
    return (
        f"no caption table as {decoded.encoding} text with {', '.join(SEPARATORS.values())} between fields: line 1 is "
        f"{shortened(first)!r}, which names no column of pictures and one of captions (image,caption), and the first "
        "column has no names of pictures."
    )


def _advice(file: Path, understood: Understood) -> str:
    columns = ", ".join(f"{what} = {name}" for what, name in understood.columns)
    return f"It was read as {understood.encoding}, {understood.separator} between fields, {columns}. {_by_hand(file)}"


def _by_hand(file: Path) -> str:
    return (
        f"To say it by hand: csv:{file}?separator=tab&encoding=windows-1252&image=COLUMN&caption=COLUMN&images=FOLDER."
    )
