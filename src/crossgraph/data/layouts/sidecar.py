"""A folder of pictures, each with its captions in a text file of the same name (`photo.jpg`, `photo.txt`), or none.

A text file holds one caption per non-empty line. Pictures without a text file have no captions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossgraph.data.assembly import NO_SPLIT, text_lines
from crossgraph.data.corpus import Corpus
from crossgraph.data.images import find_images
from crossgraph.errors import DataError


def open_sidecar(folder: Path, *, name: str | None = None) -> Corpus:
    """The pictures under `folder`, sorted by path, with the captions beside them. Raises `DataError` if there are none.

    Two pictures of one name and different extensions share their text file.
    """
    paths, skipped = find_images(folder)
    if not paths:
        raise DataError(
            f"{folder}: no pictures in it. Give a folder that holds JPEG, PNG, WebP, GIF, BMP or TIFF files."
        )
    captions = [_captions(path.with_suffix(".txt")) for path in paths]
    return Corpus(
        name=name or folder.absolute().name,
        image_paths=tuple(paths),
        image_ids=tuple(path.relative_to(folder).as_posix() for path in paths),
        image_splits=(NO_SPLIT,) * len(paths),
        captions=tuple(caption for texts in captions for caption in texts),
        caption_image=np.repeat(np.arange(len(paths)), [len(texts) for texts in captions]).astype(np.int64),
        skipped=tuple(skipped),
    )


def _captions(file: Path) -> list[str]:
    return [text for _, text in text_lines(file)] if file.is_file() else []
