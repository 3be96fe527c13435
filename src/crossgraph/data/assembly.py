"""From rows of a caption file to a `Corpus`: find each picture on disk, join rows of one picture, list what is missing.

Every source with a caption file uses `CorpusBuilder`, so all of them treat a missing picture, a repeated picture and
an empty caption alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crossgraph.data.corpus import Corpus, Skipped
from crossgraph.data.images import require_file
from crossgraph.errors import DataError, ImageError

NO_SPLIT = "all"
"""The split of every picture when the source says nothing about splits."""


@dataclass
class _Image:
    path: Path
    split: str
    captions: list[str] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)


class CorpusBuilder:
    """Gathers the rows of `source`; pictures are looked for in each of `folders`, in that order."""

    def __init__(self, source: Path, folders: Sequence[Path]) -> None:
        self._source = source
        self._folders = folders
        self._images: dict[str, _Image] = {}
        self._skipped: dict[str, Skipped] = {}

    def add(
        self,
        image: str,
        captions: Iterable[str],
        *,
        where: str,
        split: str = NO_SPLIT,
        labels: Iterable[str] = (),
        aliases: Sequence[str] = (),
    ) -> None:
        """Take one row. Rows of one picture are joined; empty captions and missing pictures are left out.

        `where` ("line 7") leads error messages; `aliases` are other names the file may have. Raises `DataError` when
        a picture is in two splits.
        """
        if image in self._skipped:
            return
        if image not in self._images:
            try:
                path = self._locate((image, *aliases))
            except ImageError as error:
                self._skipped[image] = Skipped(error.path, error.reason)
                return
            self._images[image] = _Image(path, split)
        picture = self._images[image]
        if picture.split != split:
            raise DataError(
                f"{self._source}, {where}: {image!r} is in split {split!r} here and in {picture.split!r} before; "
                f"a picture belongs to one split."
            )
        picture.captions += [stripped for caption in captions if (stripped := caption.strip())]
        picture.labels.update(labels)

    def skip(self, image: str, reason: str) -> None:
        """Leave `image` out for a reason of the source's own."""
        self._skipped[image] = Skipped(self._folders[0] / image, reason)

    def build(self, name: str, *, label_names: Sequence[str] = ()) -> Corpus:
        """The corpus, pictures in the order of their first row. Raises `DataError` when no picture is left.

        `label_names` are all there are, in order, also those no picture has; by default the ones that occur, sorted.
        """
        images = list(self._images.values())
        if not images:
            raise DataError(self._nothing_found())
        label_names = label_names or sorted(set().union(*(image.labels for image in images)))
        labels = [[label in image.labels for label in label_names] for image in images]
        links = [index for index, image in enumerate(images) for _ in image.captions]
        return Corpus(
            name=name,
            image_paths=tuple(image.path for image in images),
            image_ids=tuple(self._images),
            image_splits=tuple(image.split for image in images),
            captions=tuple(caption for image in images for caption in image.captions),
            caption_image=np.asarray(links, dtype=np.int64),
            labels=np.asarray(labels, dtype=np.bool_) if label_names else None,
            label_names=tuple(label_names),
            skipped=tuple(self._skipped.values()),
        )

    def _locate(self, names: Sequence[str]) -> Path:
        first: ImageError | None = None
        for path in (folder / name for folder in self._folders for name in names):
            try:
                require_file(path)
            except ImageError as error:
                # The picture's own trouble (a link loop) is worth more than its absence from the next folder.
                first = first or error
            else:
                return path
        assert first is not None
        raise first

    def _nothing_found(self) -> str:
        if not self._skipped:
            return f"{self._source}: it names no pictures; give a file with at least one row."
        places = " or ".join(str(folder) for folder in self._folders)
        example = next(iter(self._skipped))
        return (
            f"{self._source}: none of the {len(self._skipped)} pictures it names could be used, for example "
            f"{example!r} ({self._skipped[example].reason}). Put the pictures into {places}."
        )


def text_lines(file: Path) -> Iterator[tuple[int, str]]:
    """The non-empty lines of a UTF-8 file with their numbers. Raises `DataError` for files that cannot be read."""
    try:
        with file.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                text = decoded(raw, file, number).strip()
                if text:
                    yield number, text
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error


def decoded(raw: bytes, file: Path, line: int) -> str:
    """`raw` as text, less a byte order mark. Raises `DataError` naming the line that is not UTF-8."""
    try:
        return raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}, line {line}: not UTF-8 text. Save the file as UTF-8.") from error


def json_object(file: Path, *, expected: str = "a JSON object") -> dict[str, Any]:
    """The object that a JSON file holds. Raises `DataError` if it cannot be read, is no JSON, or is something else."""
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise malformed(file, "top level", type(content).__name__, expected=expected)
    return content


def malformed(file: Path, where: str, got: object, *, expected: str) -> DataError:
    """The error for a row that cannot be understood: which, what it says (shortened), what was expected."""
    text = got if isinstance(got, str) else repr(got)
    shown = text if len(text) <= 80 else text[:77] + "..."
    return DataError(f"{file}, {where}: got {shown}; expected {expected}.")
