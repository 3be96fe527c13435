"""The files in a folder that could hold captions, by their endings; and which of them nobody read."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from crossgraph.data.corpus import Corpus, Skipped
from crossgraph.data.images import find_images

TEXT_ENDINGS = frozenset({".txt", ".caption", ".captions", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".token"})
MATRIX_ENDINGS = frozenset({".mat", ".npz", ".npy", ".h5", ".hdf5"})

_NO_CAPTIONS = re.compile(
    r"(readme|licen[sc]e|copying|notice|changelog|requirements|citation|_?stats|\d+_stats)\b", re.I
)


def text_files(folder: Path) -> list[Path]:
    """All files under `folder` that could hold captions or features, sorted; hidden ones and links left out."""
    found: list[str] = []
    folders = [str(folder)]
    while folders:
        try:
            entries = os.scandir(folders.pop())
        except OSError:
            continue  # folders that cannot be searched are listed with the pictures
        with entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif os.path.splitext(entry.name)[1].lower() in TEXT_ENDINGS | MATRIX_ENDINGS:
                    found.append(entry.path)
    return [Path(path) for path in sorted(found)]


def unused_texts(files: Iterable[Path], used: Collection[Path]) -> tuple[Skipped, ...]:
    """Those of `files` that nobody read, less what is there for people to read."""
    return tuple(
        Skipped(file, "looks like captions, and is not used")
        for file in files
        if file not in used and not _NO_CAPTIONS.match(file.name)
    )


def with_unused(corpus: Corpus, folder: Path, used: Iterable[Path], failed: Mapping[Path, str] | None = None) -> Corpus:
    """The corpus with the files of `folder` that look like captions and were not read, and pictures no row names.

    `failed` are files that were tried, and why they could not be read.
    """
    reasons = failed or {}
    texts = unused_texts(text_files(folder), frozenset(used))
    named = {*corpus.image_paths, *(one.path for one in corpus.skipped)}
    images = (path for path in find_images(folder)[0] if path not in named)
    unused = (
        *(Skipped(one.path, reasons.get(one.path, one.reason)) for one in texts),
        *(Skipped(path, "a picture that no row names") for path in images),
    )
    return replace(corpus, unused=unused)
