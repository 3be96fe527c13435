"""A folder of pictures, each with its captions in a text file of the same name (`photo.jpg`, `photo.txt`), or none.

A text file holds one caption per non-empty line. Pictures without a text file have no captions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossgraph.data.assembly import NO_SPLIT, text_lines
from crossgraph.data.corpus import Corpus
from crossgraph.data.inventory import Inventory, take_inventory
from crossgraph.errors import DataError


def open_sidecar(folder: Path, *, name: str | None = None, exclude: Sequence[str] = ()) -> Corpus:
    """The pictures under `folder`, sorted by path, with the captions beside them. Raises `DataError` if there are none.

    Two pictures of one name and different extensions share their text file. `exclude` are patterns of gitignore.
    """
    found = take_inventory(folder, exclude=exclude)
    paths = found.images
    if not paths:
        raise DataError(f"{folder}: no pictures in it{_what_else(found)}. Give a folder that holds some.")
    captions = [_captions(path.with_suffix(".txt")) for path in paths]
    return Corpus(
        name=name or folder.absolute().name,
        image_paths=paths,
        image_ids=tuple(path.relative_to(folder).as_posix() for path in paths),
        image_splits=(NO_SPLIT,) * len(paths),
        captions=tuple(caption for texts in captions for caption in texts),
        caption_image=np.repeat(np.arange(len(paths)), [len(texts) for texts in captions]).astype(np.int64),
        skipped=found.listed,
        files=found.counts,
    )


def _captions(file: Path) -> list[str]:
    return [text for _, text in text_lines(file)] if file.is_file() else []


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
