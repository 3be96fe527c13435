"""What a sync looks at: folders and caption files, opened as corpora, also when a folder has become empty."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossgraph.data.corpus import Corpus
from crossgraph.data.images import find_images
from crossgraph.data.sources import open_corpus
from crossgraph.errors import DataError, GalleryError


@dataclass(frozen=True)
class Source:
    """One source, opened: its absolute path, its pictures, and the folders in which they can be found gone."""

    name: str
    corpus: Corpus
    roots: tuple[Path, ...]


def open_sources(names: Sequence[Path | str], *, gallery: Path) -> list[Source]:
    """Every source, opened. Raises `GalleryError` if there is none or one is not there, `DataError` as corpora do."""
    if not names:
        raise GalleryError(f"{gallery} remembers no folders yet. Name one: crossgraph sync {gallery} FOLDER.")
    return [_open(Path(os.path.abspath(Path(name).expanduser())), gallery) for name in names]


def _open(path: Path, gallery: Path) -> Source:
    if not path.exists():
        raise GalleryError(
            f"{path} is not there, so nothing was changed. Connect its disk, or have the gallery forget it: "
            f"crossgraph sync {gallery} --forget {path}."
        )
    try:
        corpus = open_corpus(path)
    except DataError:
        images, skipped = find_images(path) if path.is_dir() else ([path], [])
        if images:
            raise
        corpus = Corpus(path.name, (), (), (), (), np.empty(0, np.int64), skipped=tuple(skipped))
    roots = {path if path.is_dir() else path.parent}
    if len(corpus):
        roots.add(Path(os.path.commonpath([image.absolute().parent for image in corpus.image_paths])))
    return Source(str(path), corpus, tuple(sorted(roots)))
