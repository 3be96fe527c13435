"""Flickr8k and Flickr30k as first published: a token file `name.jpg#0<tab>caption` and, for Flickr8k, split files."""

from __future__ import annotations

import re
from pathlib import Path

from crossgraph.data.assembly import NO_SPLIT, CorpusBuilder, malformed, text_lines
from crossgraph.data.corpus import Corpus
from crossgraph.errors import DataError

_SPLIT_FILES = {"train": "*trainImages.txt", "val": "*devImages.txt", "test": "*testImages.txt"}
_IMAGE_FOLDERS = ("", "images", "Flicker8k_Dataset", "Flickr8k_Dataset", "flickr30k-images")
_ROW = re.compile(r"(?P<image>.+)#\d+(?:\t(?P<caption>.*))?")


def open_flickr(file: Path, *, images: Path | None = None, name: str | None = None) -> Corpus:
    """The corpus in the token file; pictures lie in `images`, or else beside it or in a folder of a usual name.

    Split files (`*trainImages.txt`, `*devImages.txt`, `*testImages.txt`) are read from beside the token file; `dev` is
    called `val`. With any of them, pictures in none are listed as skipped; without, all are in one split. Raises
    `DataError` naming the first malformed line.
    """
    folders = [images] if images is not None else [file.parent / folder for folder in _IMAGE_FOLDERS]
    builder = CorpusBuilder(file, folders)
    splits = _splits(file.parent)
    for number, line in text_lines(file):
        row = _ROW.fullmatch(line)
        if row is None:
            raise malformed(file, f"line {number}", line, expected="name.jpg#0, a tab, and the caption")
        image = row["image"]
        if splits and image not in splits:
            builder.skip(image, "in none of the split files")
            continue
        builder.add(image, [row["caption"] or ""], where=f"line {number}", split=splits.get(image, NO_SPLIT))
    return builder.build(name or file.absolute().parent.name)


def _splits(folder: Path) -> dict[str, str]:
    """The split of every picture that a split file in `folder` names; empty without split files."""
    splits: dict[str, str] = {}
    for split, pattern in _SPLIT_FILES.items():
        for file in sorted(folder.glob(pattern)):
            for number, image in text_lines(file):
                if splits.setdefault(image, split) != split:
                    raise DataError(
                        f"{file}, line {number}: {image!r} is in split {split!r} here and in {splits[image]!r} before; "
                        f"a picture belongs to one split."
                    )
    return splits
