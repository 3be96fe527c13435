"""SCAN's `*_precomp` *(Lee 2018)*: region features of images that a detector gave, and their sentences in a text file.

    train_ims.npy (n x 36 x 2048)  train_caps.txt (a sentence a line)  train_ids.txt  dev_ims.npy ...  test_ims.npy ...

The sentences of an image follow each other, five of each as a rule. Where every image is repeated for each of its
sentences, as in the dev and test files of some releases, the repeats are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossgraph.data.assembly import read_bytes, split_name
from crossgraph.data.corpus import Corpus, SkippedRow, Understood
from crossgraph.data.encodings import decode_text
from crossgraph.data.given_features import GivenFeatures
from crossgraph.data.stored_rows import NpyFile, StoredRows
from crossgraph.errors import DataError
from crossgraph.words import is_blank

_FEATURES = re.compile(r"(.+)_ims\.npy")


@dataclass(frozen=True)
class _Part:
    """One split: features of images, on disk, sentences, and how many of them each image has."""

    features: StoredRows
    captions: tuple[str, ...]
    each: int


def is_precomp(folder: Path) -> bool:
    """Whether a folder holds features with their sentences."""
    return any((folder / f"{split}_caps.txt").is_file() for split in _splits(folder))


def open_precomp(folder: Path, *, name: str | None = None) -> Corpus:
    """The corpus in `folder`, split by split. Raises `DataError` for files that do not fit each other.

    An empty line is no sentence, and is listed. Features stay on disk, and are read when they are needed.
    """
    parts = {split: _part(folder, split) for split in _splits(folder)}
    if not parts:
        raise DataError(f"{folder}: no train_ims.npy with train_caps.txt beside it, or dev_ims.npy, test_ims.npy.")
    ids = [f"{split} {number}" for split, part in parts.items() for number in range(1, len(part.features) + 1)]
    starts = dict(zip(parts, np.cumsum([0, *(len(part.features) for part in parts.values())]).tolist(), strict=False))
    lines = [(split, line, text) for split, part in parts.items() for line, text in enumerate(part.captions)]
    kept = [(starts[split] + line // parts[split].each, text) for split, line, text in lines if text]
    skipped = tuple(
        SkippedRow(folder / f"{split}_caps.txt", f"line {line + 1}", "an empty line")
        for split, line, text in lines
        if not text
    )
    images = _together(folder, parts)
    columns = (
        ("image", f"*_ims.npy, {images.shape[1]} regions of {images.shape[2]}"),
        ("caption", "lines of *_caps.txt"),
    )
    notes = tuple(f"{split}: {len(part.features)} images, {part.each} sentences each" for split, part in parts.items())
    return Corpus(
        name=name or folder.absolute().name,
        image_paths=tuple(map(Path, ids)),
        image_ids=tuple(ids),
        image_splits=tuple(split_name(split) for split, part in parts.items() for _ in part.features),
        captions=tuple(text for _, text in kept),
        caption_image=np.asarray([image for image, _ in kept], dtype=np.int64),
        features=GivenFeatures(images, None, "precomp"),
        skipped_rows=skipped,
        understood=Understood(
            "precomp", columns, splits="names of the files", rows=len(lines), rows_read=len(kept), notes=notes
        ),
    )


def _together(folder: Path, parts: Mapping[str, _Part]) -> StoredRows:
    """The features of all splits, left on disk; each is read once, to see that it is finite."""
    shapes = {split: part.features.shape[1:] for split, part in parts.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"{folder}: the features of the splits are not of one shape: {shapes}.")
    for split, part in parts.items():
        for image, rows in enumerate(part.features):
            if not np.isfinite(rows).all():
                region, number = np.argwhere(~np.isfinite(rows))[0].tolist()
                raise DataError(
                    f"{folder / f'{split}_ims.npy'}: not finite at image {image + 1}, region {region + 1}, number "
                    f"{number + 1}."
                )
    files = [file for part in parts.values() for file in part.features.files]
    starts = np.cumsum([0, *(file.rows for file in files)])
    places = [start + part.features.places for start, part in zip(starts, parts.values(), strict=False)]
    return StoredRows(tuple(files), np.concatenate(places))


def _splits(folder: Path) -> list[str]:
    order = ("train", "dev", "val", "test", "testall")
    found = [matched[1] for file in folder.glob("*_ims.npy") if (matched := _FEATURES.fullmatch(file.name))]
    return sorted(found, key=lambda split: (order.index(split) if split in order else len(order), split))


def _part(folder: Path, split: str) -> _Part:
    """One split, checked."""
    file, sentences = folder / f"{split}_ims.npy", folder / f"{split}_caps.txt"
    try:
        stored = NpyFile.of(file)
    except Exception as error:  # a damaged header is evaluated, and may raise anything
        raise DataError(f"{file}: cannot be read as npy ({error}). Fetch or write it again.") from error
    if len(stored.shape) != 2:
        shape = " x ".join(map(str, (stored.rows, *stored.shape)))
        raise DataError(f"{file}: features must be images x regions x numbers; got {stored.kind} {shape}.")
    features = StoredRows((stored,), np.arange(stored.rows))
    lines = decode_text(read_bytes(sentences)).text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if not len(features) or len(lines) % len(features):
        raise DataError(
            f"{sentences}: {len(lines)} lines for {len(features)} images in {file.name}; every image must have equally "
            "many, one after the other."
        )
    each = len(lines) // len(features)
    if each == 1:
        each = _repeats(features)
        features = features.take(range(0, len(features), each))
    return _Part(features, tuple("" if is_blank(line) else line.strip() for line in lines), each)


def _repeats(features: StoredRows) -> int:
    """How often each image is repeated: 5 where every five in a row are equal, else 1."""
    if len(features) % 5 == 0 and all(
        np.array_equal(features[start], features[start + 1 + row])
        for start in range(0, len(features), 5)
        for row in range(4)
    ):
        return 5
    return 1
