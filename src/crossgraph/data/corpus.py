"""A corpus: pictures, captions, which caption belongs to which picture, optional labels, splits.

Every source (one file each in this folder) ends in a `Corpus`; nothing downstream knows where it came from.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossgraph.data.given_features import GivenFeatures
from crossgraph.errors import DataError

LABELS = "labels"
"""What the labels of a source are called where they are printed."""

DERIVED_LABELS = "derived labels (concepts from captions)"
"""What labels are called that were read off captions; nobody annotated them."""


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    path: Path
    reason: str

    def to_json(self) -> dict[str, str]:
        """The same as plain values."""
        return {"path": str(self.path), "reason": self.reason}


@dataclass(frozen=True)
class SkippedRow:
    """A row, line or entry of a caption file that was left out: `where` in it ("line 7"), and why."""

    path: Path
    where: str
    reason: str

    def to_json(self) -> dict[str, str]:
        """The same as plain values."""
        return {"path": str(self.path), "where": self.where, "reason": self.reason}


@dataclass(frozen=True)
class Understood:
    """How a source was understood, for people to check: what was found out, or told.

    `layout` is its name; `columns` say which column, key or variable was taken for what. Of a table there are
    `separator` and `encoding`. `splits` says where splits are from. `rows` are those of the caption files, `rows_read`
    those used: the rest is listed. `guesses` are names of pictures that were found under another spelling:
    (as written, as found, the difference). `notes` are whatever else was decided. `blank_captions` counts captions that
    were left out because nothing of them is seen.
    """

    layout: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    separator: str | None = None
    encoding: str | None = None
    splits: str = "none"
    rows: int = 0
    rows_read: int = 0
    guesses: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()
    blank_captions: int = 0


@dataclass(frozen=True)
class FileCounts:
    """Files of a folder that are neither pictures nor listed by name.

    Files that could hold captions, those of no interest by ending, and those that are not the user's or were excluded,
    by what they are.
    """

    texts: int = 0
    uninteresting: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def sum_of(cls, counts: Iterable[FileCounts]) -> FileCounts:
        """The counts of several folders together, the largest first."""
        every = list(counts)
        by_ending, by_kind = Counter[str](), Counter[str]()
        for one in every:
            by_ending.update(one.uninteresting)
            by_kind.update(one.left_out)
        return cls(sum(one.texts for one in every), dict(by_ending.most_common()), dict(by_kind.most_common()))


@dataclass(frozen=True)
class Corpus:
    """Pictures and their captions; immutable.

    `image_ids` are unique names inside the source (a relative path); `caption_image[j]` is the index of the
    picture that caption j describes: the only link between the two, so a picture may have any number of captions.
    `labels`, if any, is an images x labels truth table, and `label_kind` what to call them in print. Pictures of one
    `twin_group` (-1: none) show the same things arranged otherwise, and `telling[j]` says that caption j is false of
    every twin of its picture. With `features` there are no picture files, and no sentences unless the features are of
    images alone: paths and captions are mere names, and the rows of the features stand for them. `skipped` are pictures
    left out, `skipped_rows` rows of caption files, and `unused` files that look as if they belonged to the corpus but
    were not read; `understood` says how it was read. `files` counts what else is in the folder that it was made
    from, if that was looked through. Of a corpus of several sources, `sources[i]` is the place in `source_names` of
    the one that picture i is from: each has its own labels, and of others it says nothing. `scene_names` are those of
    the labels that name the whole of a picture.
    """

    name: str
    image_paths: tuple[Path, ...]
    image_ids: tuple[str, ...]
    image_splits: tuple[str, ...]
    captions: tuple[str, ...]
    caption_image: NDArray[np.int64]
    labels: NDArray[np.bool_] | None = None
    label_names: tuple[str, ...] = ()
    twin_group: NDArray[np.int64] | None = None
    telling: NDArray[np.bool_] | None = None
    features: GivenFeatures | None = None
    label_kind: str = LABELS
    skipped: tuple[Skipped, ...] = field(default=())
    skipped_rows: tuple[SkippedRow, ...] = ()
    unused: tuple[Skipped, ...] = ()
    understood: Understood = Understood()
    files: FileCounts | None = None
    sources: NDArray[np.int64] | None = None
    source_names: tuple[str, ...] = ()
    scene_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.image_paths)
        if len(self.image_ids) != n or len(self.image_splits) != n:
            raise DataError(
                f"corpus {self.name!r}: {n} image paths, {len(self.image_ids)} ids and "
                f"{len(self.image_splits)} splits; there must be one of each per image."
            )
        if len(set(self.image_ids)) != n:
            seen: set[str] = set()
            twice = next(i for i in self.image_ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
            raise DataError(f"corpus {self.name!r}: image id {twice!r} occurs twice; ids must be unique.")
        if self.caption_image.shape != (len(self.captions),):
            raise DataError(
                f"corpus {self.name!r}: {len(self.captions)} captions but {self.caption_image.shape} links to images."
            )
        if len(self.captions) and not (self.caption_image.min() >= 0 and self.caption_image.max() < n):
            raise DataError(f"corpus {self.name!r}: a caption points to an image outside 0..{n - 1}.")
        if self.labels is not None and self.labels.shape != (n, len(self.label_names)):
            raise DataError(
                f"corpus {self.name!r}: labels are {self.labels.shape}, "
                f"expected {(n, len(self.label_names))} (images x label names)."
            )
        if (self.twin_group is None) != (self.telling is None):
            raise DataError(f"corpus {self.name!r}: twin_group and telling come together or not at all.")
        for name, array, length in (
            ("twin_group", self.twin_group, n),
            ("telling", self.telling, len(self.captions)),
            ("sources", self.sources, n),
        ):
            if array is not None and array.shape != (length,):
                raise DataError(f"corpus {self.name!r}: {name} is {array.shape}, expected {(length,)}.")
        if (
            self.sources is not None
            and n
            and not (self.sources.min() >= 0 and self.sources.max() < len(self.source_names))
        ):
            raise DataError(
                f"corpus {self.name!r}: a picture is from a source outside 0..{len(self.source_names) - 1}."
            )
        if self.features is not None:
            texts = len(self.captions) if self.features.texts is None else len(self.features.texts)
            rows, expected = (len(self.features.images), texts), (n, len(self.captions))
            if rows != expected:
                raise DataError(
                    f"corpus {self.name!r}: features of {rows[0]} images and {rows[1]} texts, expected {expected}."
                )
        for array in (self.caption_image, self.labels, self.twin_group, self.telling, self.sources):
            if array is not None:
                array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.image_paths)

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits that occur, in order of first appearance."""
        return tuple(dict.fromkeys(self.image_splits))

    def split(self, name: str) -> Corpus:
        """Only the pictures of one split, with their captions. Raises `DataError` naming the splits there are."""
        rows = [i for i, s in enumerate(self.image_splits) if s == name]
        if not rows:
            raise DataError(
                f"corpus {self.name!r} has no split {name!r}; it has {', '.join(self.splits) or 'no images'}."
            )
        return self.take(rows)

    def take(self, rows: list[int]) -> Corpus:
        """Only the pictures at `rows`, in that order, with their captions in the order of the pictures."""
        by_image = self.captions_of_images()
        kept = [caption for image in rows for caption in by_image[image]]
        links = [new for new, image in enumerate(rows) for _ in by_image[image]]
        return replace(
            self,
            image_paths=tuple(self.image_paths[i] for i in rows),
            image_ids=tuple(self.image_ids[i] for i in rows),
            image_splits=tuple(self.image_splits[i] for i in rows),
            captions=tuple(self.captions[caption] for caption in kept),
            caption_image=np.asarray(links, dtype=np.int64),
            labels=None if self.labels is None else self.labels[rows],
            twin_group=None if self.twin_group is None else self.twin_group[rows],
            telling=None if self.telling is None else self.telling[kept],
            features=None if self.features is None else self.features.take(images=rows, texts=kept),
            sources=None if self.sources is None else self.sources[rows],
        )

    def of_source(self, name: str) -> Corpus:
        """Only the pictures from one source. Raises `DataError` naming those that have any here."""
        sources = [] if self.sources is None else self.sources.tolist()
        rows = [row for row, source in enumerate(sources) if self.source_names[source] == name]
        if not rows:
            there = [self.source_names[source] for source in sorted(set(sources))]
            raise DataError(
                f"corpus {self.name!r} has no pictures from source {name!r}; its sources are "
                f"{', '.join(there) or 'not told apart'}."
            )
        return self.take(rows)

    def of_sources(self, names: Collection[str]) -> NDArray[np.bool_]:
        """Which pictures are from the sources of these names; of a corpus of one source, its own name is that."""
        if self.sources is None:
            return np.full(len(self), self.name in names)
        return np.isin(self.sources, [place for place, name in enumerate(self.source_names) if name in names])

    def known_labels(self) -> NDArray[np.bool_] | None:
        """Which labels something is known of, images x labels: those that occur anywhere in a picture's source.

        None for a corpus whose sources are not told apart: all its labels are known of all its pictures.
        """
        if self.labels is None or self.sources is None:
            return None
        occur = np.zeros((len(self.source_names), len(self.label_names)), dtype=np.bool_)
        np.logical_or.at(occur, self.sources, self.labels)
        known: NDArray[np.bool_] = occur[self.sources]
        return known

    def captions_of_images(self) -> list[list[int]]:
        """For every picture, the indices of its captions, in order."""
        found: list[list[int]] = [[] for _ in self.image_paths]
        for caption, image in enumerate(self.caption_image.tolist()):
            found[image].append(caption)
        return found

    def without(self, skipped: list[Skipped]) -> Corpus:
        """The corpus less the pictures that could not be read, which are kept in `skipped`."""
        gone = {s.path for s in skipped}
        kept = self.take([i for i, path in enumerate(self.image_paths) if path not in gone])
        return replace(kept, skipped=self.skipped + tuple(skipped))

    def fingerprint(self) -> str:
        """A hash of everything but pixels and paths: equal corpora, equal fingerprint."""
        digest = hashlib.sha256()
        for group in (self.image_ids, self.image_splits, self.captions, self.label_names):
            digest.update(f"{len(group)}|".encode())
            for text in group:
                digest.update(text.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(self.caption_image.tobytes())
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels).tobytes())
        if self.sources is not None:
            digest.update("\0".join(self.source_names).encode("utf-8", "surrogateescape") + self.sources.tobytes())
        if self.scene_names:
            digest.update("\0".join(self.scene_names).encode("utf-8", "surrogateescape"))
        if self.features is not None:
            self.features.add_to(digest)
        return digest.hexdigest()[:16]
