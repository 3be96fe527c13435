"""Files in a folder that could hold captions and that nobody read: they are named, as pictures are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from crossgraph.data.corpus import Corpus, Skipped
from crossgraph.data.inventory import Inventory, accounted, without_excluded

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
    corpus: Corpus,
    found: Inventory,
    used: Iterable[Path],
    *,
    failed: Mapping[Path, str] | None = None,
    exclude: Sequence[str] = (),
) -> Corpus:
    """The corpus with the files of its folder that look like captions and were not read, and all others accounted for.

    `found` is what is in the folder less what the patterns of `exclude` leave out, which the corpus loses too. `failed`
    are files that were tried, and why they could not be read.
    """
    reasons = failed or {}
    texts = unused_texts(found.texts, frozenset(used))
    unused = tuple(Skipped(one.path, reasons.get(one.path, one.reason)) for one in texts)
    corpus = without_excluded(replace(corpus, unused=unused), found.folder, exclude=exclude)
    return accounted(corpus, found.folder, found=found)
