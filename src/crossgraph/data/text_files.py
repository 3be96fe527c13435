"""Which of the files in a folder that could hold captions nobody read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from crossgraph.data.corpus import Corpus, Skipped

_NO_CAPTIONS = re.compile(
    r"(readme|licen[sc]e|copying|notice|changelog|requirements|citation|_?stats|\d+_stats)\b", re.I
)


def unused_texts(files: Iterable[Path], used: Collection[Path]) -> tuple[Skipped, ...]:
    """Those of `files` that nobody read, less what is there for people to read."""
    return tuple(
        Skipped(file, "looks like captions, and is not used")
        for file in files
        if file not in used and not _NO_CAPTIONS.match(file.name)
    )


def with_unused(
    corpus: Corpus, texts: Iterable[Path], used: Iterable[Path], failed: Mapping[Path, str] | None = None
) -> Corpus:
    """The corpus with those of `texts`, the files of its folder that could hold captions, that were not read.

    `failed` are files that were tried, and why they could not be read.
    """
    reasons = failed or {}
    left = unused_texts(texts, frozenset(used))
    return replace(corpus, unused=tuple(Skipped(one.path, reasons.get(one.path, one.reason)) for one in left))
