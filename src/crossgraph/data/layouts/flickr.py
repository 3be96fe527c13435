"""Flickr8k and Flickr30k as first published: a token file `name.jpg#0<tab>caption` and, for Flickr8k, split files."""

from __future__ import annotations

import re
from pathlib import Path

from crossgraph.data.assembly import NO_SPLIT, CorpusBuilder, numbered_lines, read_bytes, shortened
from crossgraph.data.corpus import Corpus, Understood
from crossgraph.data.encodings import decode_text, is_undecoded
from crossgraph.data.layouts.csv_captions import picture_folders

SPLIT_FILES = {"train": "*trainImages.txt", "val": "*devImages.txt", "test": "*testImages.txt"}
_ROW = re.compile(r"(?P<image>.+)#\d+(?:\t(?P<caption>.*))?")
_SNIFFED = 65_536


def open_flickr(file: Path, *, images: Path | None = None, name: str | None = None) -> Corpus:
    """The corpus in the token file; pictures lie in `images`, or else beside it or in a folder of a usual name.

    Split files (`*trainImages.txt`, `*devImages.txt`, `*testImages.txt`) are read from beside the token file; `dev` is
    called `val`. With any of them, pictures in none are listed as skipped; without, all are in one split. Lines that
    make no sense are listed. Raises `DataError` for a file without one good line.
    """
    builder = CorpusBuilder(file, [images] if images is not None else picture_folders(file.parent))
    splits = _splits(file.parent, builder)
    decoded = decode_text(read_bytes(file))
    for number, line in numbered_lines(decoded.text):
        where, row = f"line {number}", _ROW.fullmatch(line)
        if row is None or is_undecoded(line):
            fault = f"bytes that are no {decoded.encoding}" if row else f"got {shortened(line)}"
            builder.reject(where, f"{fault}; expected name.jpg#0, a tab, and the caption")
            continue
        image = row["image"]
        if splits and image not in splits:
            builder.skip(image, "in none of the split files", where=where)
            continue
        builder.add(image, [row["caption"] or ""], where=where, split=splits.get(image, NO_SPLIT))
    encoding = decoded.told
    columns = (("image", "before #"), ("caption", "behind the tab"))
    understood = Understood("flickr", columns, "tab", encoding, "split files" if splits else "none")
    return builder.build(name or file.absolute().parent.name, understood=understood)


def is_flickr(file: Path) -> bool:
    """Whether the first line of a file is that of a token file."""
    try:
        with file.open("rb") as stream:
            first = next(numbered_lines(decode_text(stream.read(_SNIFFED)).text), (1, ""))[1]
    except OSError:
        return False
    found = _ROW.fullmatch(first)
    return found is not None and found["caption"] is not None


def _splits(folder: Path, builder: CorpusBuilder) -> dict[str, str]:
    """The split of every picture that a split file in `folder` names; empty without split files."""
    splits: dict[str, str] = {}
    for split, pattern in SPLIT_FILES.items():
        for file in sorted(folder.glob(pattern)):
            for number, image in numbered_lines(decode_text(read_bytes(file)).text):
                if splits.setdefault(image, split) != split:
                    reason = f"{image!r} is in split {split!r} here and in {splits[image]!r} before"
                    builder.reject(f"line {number}", reason, file=file)
    return splits
