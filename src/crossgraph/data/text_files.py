"""The files in a folder that could hold captions, by their endings; and which of them nobody read."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from crossgraph.data.corpus import Corpus, Skipped

TEXT_ENDINGS = frozenset({".txt", ".caption", ".captions", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".token"})
MATRIX_ENDINGS = frozenset({".mat", ".npz", ".npy", ".h5", ".hdf5"})

_ENDINGS = tuple(TEXT_ENDINGS | MATRIX_ENDINGS)
_NO_CAPTIONS = re.compile(
    r"(readme|licen[sc]e|copying|notice|changelog|requirements|citation|_?stats|\d+_stats)\b", re.I
)


def text_files(folder: Path) -> list[str]:
    """The paths of all files under `folder` that could hold captions or features; hidden ones and links left out."""
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
                elif entry.name.lower().endswith(_ENDINGS):
                    found.append(entry.path)
    return sorted(found)


def unused_texts(files: Iterable[str], used: Collection[str]) -> tuple[Skipped, ...]:
    """Those of `files` that nobody read, less what is there for people to read."""
    return tuple(
        Skipped(Path(file), "looks like captions, and is not used")
        for file in files
        if file not in used and not _NO_CAPTIONS.match(os.path.basename(file))
    )


def with_unused(corpus: Corpus, folder: Path, used: Iterable[Path], failed: Mapping[Path, str] | None = None) -> Corpus:
    """The corpus with the files of `folder` that look like captions and were not read.

    `failed` are files that were tried, and why they could not be read.
    """
    reasons = failed or {}
    texts = unused_texts(text_files(folder), frozenset(map(str, used)))
    unused = tuple(Skipped(one.path, reasons.get(one.path, one.reason)) for one in texts)
    return replace(corpus, unused=unused)
