"""SCAN's `*_precomp` *(Lee 2018)*: region features of images that a detector gave, and their sentences in a text file.

    train_ims.npy (n x 36 x 2048)  train_caps.txt (a sentence a line)  train_ids.txt  dev_ims.npy ...  test_ims.npy ...

The sentences of an image follow each other, five of each as a rule. Where every image is repeated for each of its
sentences, as in the dev and test files of some releases, the repeats are dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from crossgraph.data.assembly import read_bytes, split_name
from crossgraph.data.corpus import Corpus, SkippedRow, Understood
from crossgraph.data.encodings import decode_text
from crossgraph.data.given_features import GivenFeatures
from crossgraph.errors import DataError

_FEATURES = re.compile(r"(.+)_ims\.npy")


@dataclass(frozen=True)
class _Part:
    """One split: features a unique image, sentences, and how many of them an image has."""

    features: Float32[np.ndarray, "n p d"]
    captions: tuple[str, ...]
    each: int
    empty: tuple[int, ...]


def is_precomp(folder: Path) -> bool:
    """Whether a folder holds features with their sentences."""
    return any((folder / f"{split}_caps.txt").is_file() for split in _splits(folder))


def open_precomp(folder: Path, *, name: str | None = None) -> Corpus:
    """The corpus in `folder`, split by split. Raises `DataError` for files that do not fit each other.

    An empty line is no sentence, and is listed.
    """
    parts = {split: _part(folder, split) for split in _splits(folder)}
    if not parts:
        raise DataError(f"{folder}: no train_ims.npy with train_caps.txt beside it, or dev_ims.npy, test_ims.npy.")
    shapes = {split: part.features.shape[1:] for split, part in parts.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"{folder}: the features of the splits are not of one shape: {shapes}.")
    ids: list[str] = []
    splits: list[str] = []
    captions: list[str] = []
    links: list[int] = []
    skipped: list[SkippedRow] = []
    for split, part in parts.items():
        for line, caption in enumerate(part.captions):
            if line in part.empty:
                skipped.append(SkippedRow(folder / f"{split}_caps.txt", f"line {line + 1}", "an empty line"))
                continue
            captions.append(caption)
            links.append(len(ids) + line // part.each)
        ids += [f"{split} {number}" for number in range(1, len(part.features) + 1)]
        splits += [split_name(split)] * len(part.features)
    count, width = next(iter(shapes.values()))
    columns = (("image", f"*_ims.npy, {count} regions of {width}"), ("caption", "lines of *_caps.txt"))
    rows = len(captions) + len(skipped)
    return Corpus(
        name=name or folder.absolute().name,
        image_paths=tuple(map(Path, ids)),
        image_ids=tuple(ids),
        image_splits=tuple(splits),
        captions=tuple(captions),
        caption_image=np.asarray(links, dtype=np.int64),
        features=GivenFeatures(np.concatenate([part.features for part in parts.values()]), None, "precomp"),
        skipped_rows=tuple(skipped),
        understood=Understood(
            "precomp", columns, splits="names of the files", rows=rows, rows_read=len(captions), notes=_notes(parts)
        ),
    )


def _splits(folder: Path) -> list[str]:
    order = ("train", "dev", "val", "test", "testall")
    found = [matched[1] for file in folder.glob("*_ims.npy") if (matched := _FEATURES.fullmatch(file.name))]
    return sorted(found, key=lambda split: (order.index(split) if split in order else len(order), split))


def _part(folder: Path, split: str) -> _Part:
    """One split, checked."""
    file, sentences = folder / f"{split}_ims.npy", folder / f"{split}_caps.txt"
    try:
        features = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header is evaluated, and may raise anything
        raise DataError(f"{file}: cannot be read as npy ({error}). Fetch or write it again.") from error
    if features.ndim != 3 or not np.issubdtype(features.dtype, np.floating):
        shape = " x ".join(map(str, features.shape))
        raise DataError(f"{file}: features must be images x regions x numbers; got {features.dtype} {shape}.")
    lines = decode_text(read_bytes(sentences)).text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if not len(features) or len(lines) % len(features):
        raise DataError(
            f"{sentences}: {len(lines)} lines for {len(features)} images in {file.name}; every image must have equally "
            "many, one after the other."
        )
    each = len(lines) // len(features)
    if each == 1:
        each = _repeats(features)
        features = features[::each]
    array = np.ascontiguousarray(features, dtype=np.float32)
    if not np.isfinite(array).all():
        image, region, number = np.argwhere(~np.isfinite(array))[0].tolist()
        raise DataError(f"{file}: not finite at image {image + 1}, region {region + 1}, number {number + 1}.")
    empty = tuple(number for number, line in enumerate(lines) if not line.strip())
    return _Part(array, tuple(line.strip() for line in lines), each, empty)


def _repeats(features: np.ndarray) -> int:
    """How often each image is repeated: 5 where every five in a row are equal, else 1."""
    if len(features) % 5 == 0 and all(
        np.array_equal(features[start], features[start + 1 : start + 5][row])
        for start in range(0, len(features), 5)
        for row in range(4)
    ):
        return 5
    return 1


def _notes(parts: dict[str, _Part]) -> tuple[str, ...]:
    return tuple(f"{split}: {len(part.features)} images, {part.each} sentences each" for split, part in parts.items())
