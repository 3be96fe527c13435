"""A folder of pictures, each with its captions in a text file of its name, or none.

`photo.txt`, `photo.caption` or `photo.jpg.txt` beside `photo.jpg`; the first of them that is there counts. It holds one
caption per non-empty line. Pictures without a text file have no captions.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from crossgraph.data.assembly import NO_SPLIT, names_below, numbered_lines, read_bytes
from crossgraph.data.corpus import Corpus, SkippedRow, Understood
from crossgraph.data.encodings import Decoded, decode_text, is_undecoded
from crossgraph.data.inventory import Inventory
from crossgraph.data.layouts.class_folders import with_class_folders
from crossgraph.data.unused import unused_texts
from crossgraph.errors import DataError
from crossgraph.words import is_blank

SIDECARS = ("{stem}.txt", "{stem}.caption", "{name}.txt", "{name}.caption")
"""Where the captions of a picture may be, in that order: by its path without its ending, or with it."""


def open_sidecar(found: Inventory, *, name: str | None = None) -> Corpus:
    """The pictures of a folder that was looked through, with the captions beside them.

    Two pictures of one name and different extensions share their text file. Lines that are no text are listed. Without
    any captions, the names of folders may be labels. Raises `DataError` if there are no pictures.
    """
    folder = found.folder
    if not found.images:
        raise DataError(f"{folder}: no pictures in it{_what_else(found)}. Give a folder that holds some.")
    captions, read, rows, encodings = _sidecars(found)
    lines = sum(map(len, read.values()))
    blank = sum(is_blank(caption) for own in read.values() for caption in own)
    captions = [[caption for caption in own if not is_blank(caption)] for own in captions]
    endings = ", ".join(sorted({os.path.splitext(file)[1] for file in read}))
    corpus = Corpus(
        name=name or folder.absolute().name,
        image_paths=found.images,
        image_ids=tuple(names_below(folder, found.images)),
        image_splits=(NO_SPLIT,) * len(found.images),
        captions=tuple(caption for own in captions for caption in own),
        caption_image=np.repeat(np.arange(len(found.images)), [len(own) for own in captions]).astype(np.int64),
        skipped=found.listed,
        skipped_rows=tuple(rows),
        unused=unused_texts((text for text in found.texts if str(text) not in read), ()),
        understood=Understood(
            "folder",
            (("caption", f"lines of {endings} beside the picture"),) if read else (),
            encoding=", ".join(sorted(encodings)) or None,
            rows=lines + len(rows),
            rows_read=lines,
            blank_captions=blank,
        ),
        files=found.counts,
    )
    return corpus if corpus.captions else with_class_folders(corpus)


def _sidecars(found: Inventory) -> tuple[list[list[str]], dict[str, list[str]], list[SkippedRow], set[str]]:
    """The captions of each picture and by file, the lines that are none, and the encodings."""
    beside = frozenset(map(str, found.texts))
    captions: list[list[str]] = []
    rows: list[SkippedRow] = []
    encodings: set[str] = set()
    read: dict[str, list[str]] = {}
    for path in map(str, found.images):
        file = _beside(path, beside)
        if file is not None and file not in read:
            read[file] = _captions(Path(file), rows, encodings)
        captions.append([] if file is None else read[file])
    return captions, read, rows, encodings


def _beside(path: str, texts: Collection[str]) -> str | None:
    """The text file of a picture, if it has one."""
    if not texts:
        return None
    stem = os.path.splitext(path)[0]
    return next((file for form in SIDECARS if (file := form.format(stem=stem, name=path)) in texts), None)


def _captions(file: Path, rows: list[SkippedRow], encodings: set[str]) -> list[str]:
    """The captions in a text file; lines that are none go to `rows`, the encoding to `encodings`."""
    try:
        decoded = decode_text(read_bytes(file))
    except DataError as error:
        rows.append(SkippedRow(file, "the file", str(error).removeprefix(f"{file}: ")))
        return []
    encodings |= {decoded.told}
    return list(_good_lines(file, decoded, rows))


def _good_lines(file: Path, decoded: Decoded, rows: list[SkippedRow]) -> Iterable[str]:
    for number, line in numbered_lines(decoded.text):
        if is_undecoded(line) or "\0" in line:
            rows.append(SkippedRow(file, f"line {number}", f"bytes that are no {decoded.encoding} text"))
        else:
            yield line


def _what_else(found: Inventory) -> str:
    """What is in a folder without pictures, that its owner may see what was taken for what."""
    counts = found.counts
    said = (
        [f"{len(found.listed)} skipped ({found.listed[0].path.name}: {found.listed[0].reason})"] if found.listed else []
    )
    said += [f"{counts.texts} texts"] if counts.texts else []
    for what, by_name in (("of no interest", counts.uninteresting), ("left out", counts.left_out)):
        if by_name:
            said.append(f"{sum(by_name.values())} {what} ({', '.join(f'{name} {n}' for name, n in by_name.items())})")
    return f", but {', '.join(said)}" if said else ""
