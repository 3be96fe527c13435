"""What is in a corpus, and what is wrong with it, before any work is put into it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crossgraph.data.corpus import Corpus, FileCounts, Skipped, SkippedRow, Understood
from crossgraph.data.given_features import row_key
from crossgraph.data.images import image_bytes_digest, read_image
from crossgraph.data.inventory import accounted
from crossgraph.data.sources import folder_of, open_corpus
from crossgraph.errors import ImageError
from crossgraph.progress import Progress, Silent


@dataclass(frozen=True)
class CorpusReport:
    """Counts over the pictures that can be read, and every file that cannot, with its reason.

    `source` is the layout it was read as; `splits` and `labels` count pictures, and `label_kind` is what to call the
    labels. `features` are kind and widths of given features, where there are no picture files; equal rows of theirs
    count as equal pictures. `captions_per_image` is least, mean and most. `duplicate_captions` counts the
    captions that repeat an earlier one; `duplicate_images` groups the ids of pictures whose files are equal, and
    `duplicate_splits` names the split of each of them.
    `understood` is how the source was read; `skipped_rows` and `unused` are rows and files that were not.
    `files` counts what else is in the folder.
    """

    name: str
    source: str
    images: int
    captions: int
    captions_per_image: tuple[int, float, int]
    splits: Mapping[str, int]
    labels: Mapping[str, int]
    label_kind: str
    features: Mapping[str, Any] | None
    duplicate_captions: int
    duplicate_images: tuple[tuple[str, ...], ...]
    duplicate_splits: tuple[tuple[str, ...], ...]
    images_without_captions: int
    unreadable: tuple[Skipped, ...]
    understood: Understood
    skipped_rows: tuple[SkippedRow, ...]
    unused: tuple[Skipped, ...]
    files: FileCounts | None = None

    def to_json(self) -> dict[str, Any]:
        """The same as plain dicts, lists, strings and numbers."""
        low, mean, high = self.captions_per_image
        return {
            "name": self.name,
            "source": self.source,
            "images": self.images,
            "captions": self.captions,
            "captions_per_image": {"min": low, "mean": mean, "max": high},
            "splits": dict(self.splits),
            "labels": dict(self.labels),
            "label_kind": self.label_kind,
            "features": None if self.features is None else dict(self.features),
            "duplicate_captions": self.duplicate_captions,
            "duplicate_images": [list(group) for group in self.duplicate_images],
            "duplicate_splits": [list(group) for group in self.duplicate_splits],
            "images_without_captions": self.images_without_captions,
            "files": None if self.files is None else asdict(self.files),
            "unreadable": [one.to_json() for one in self.unreadable],
            "understood": asdict(self.understood) | {"columns": dict(self.understood.columns)},
            "skipped_rows": [one.to_json() for one in self.skipped_rows],
            "unused": [one.to_json() for one in self.unused],
        }


def check_corpus(
    spec: str | Path,
    *,
    relabel: Callable[[Corpus], Corpus] | None = None,
    exclude: Sequence[str] = (),
    progress: Progress = Silent(),
) -> CorpusReport:
    """Open `spec` as `open_corpus` does and decode every picture once; `relabel` may put other labels in.

    Raises `DataError` only when the source itself cannot be opened, saying of a known layout what is missing and where
    its official source is; pictures never raise.
    """
    corpus = open_corpus(spec, exclude=exclude, progress=progress)
    if (folder := folder_of(spec)) is not None:
        corpus = accounted(corpus, folder, exclude=exclude)
    if relabel is not None:
        corpus = relabel(corpus)
    source = corpus.understood.layout
    if corpus.features is not None:
        rows = zip(corpus.image_paths, corpus.features.images, strict=True)
        return _report(corpus, {path: row_key(row) for path, row in rows}, source=source)
    digests: dict[Path, str] = {}
    broken: list[Skipped] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress.task("decoding pictures", len(corpus)) as task:
        outcomes = pool.map(_try_image, corpus.image_paths)
        for path, outcome in zip(corpus.image_paths, outcomes, strict=True):
            if isinstance(outcome, Skipped):
                broken.append(outcome)
            else:
                digests[path] = outcome
            task.advance()
    return _report(corpus.without(broken), digests, source=source)


def _try_image(path: Path) -> str | Skipped:
    try:
        read_image(path)
        return image_bytes_digest(path)
    except ImageError as error:
        return Skipped(path, error.reason)


def _report(corpus: Corpus, digests: Mapping[Path, str], *, source: str) -> CorpusReport:
    per_image = [len(captions) for captions in corpus.captions_of_images()]
    same: dict[str, list[int]] = defaultdict(list)
    for row, path in enumerate(corpus.image_paths):
        same[digests[path]].append(row)
    groups = [group for group in same.values() if len(group) > 1]
    truth = () if corpus.labels is None else corpus.labels.sum(axis=0).tolist()
    return CorpusReport(
        name=corpus.name,
        source=source,
        images=len(corpus),
        captions=len(corpus.captions),
        captions_per_image=(min(per_image), sum(per_image) / len(per_image), max(per_image))
        if per_image
        else (0, 0.0, 0),
        splits=dict(Counter(corpus.image_splits)),
        labels=dict(zip(corpus.label_names, truth, strict=True)),
        label_kind=corpus.label_kind,
        features=None if corpus.features is None else corpus.features.describe(),
        duplicate_captions=len(corpus.captions) - len(set(corpus.captions)),
        duplicate_images=tuple(tuple(corpus.image_ids[row] for row in group) for group in groups),
        duplicate_splits=tuple(tuple(corpus.image_splits[row] for row in group) for group in groups),
        images_without_captions=per_image.count(0),
        unreadable=corpus.skipped,
        understood=corpus.understood,
        skipped_rows=corpus.skipped_rows,
        unused=corpus.unused,
        files=corpus.files,
    )
