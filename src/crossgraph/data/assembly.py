"""From rows of a caption file to a `Corpus`: find each picture on disk, join rows of one picture, list what is missing.

Every source with a caption file uses `CorpusBuilder`, so all of them treat a missing picture, a repeated picture, an
empty caption and a row that makes no sense alike.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from crossgraph.data.corpus import Corpus, Skipped, SkippedRow, Understood
from crossgraph.data.encodings import decode_text
from crossgraph.data.images import require_file
from crossgraph.data.inventory import take_inventory
from crossgraph.data.label_cells import Cell, read_labels
from crossgraph.data.names import Ambiguous, Match, NameResolver
from crossgraph.errors import DataError, ImageError
from crossgraph.words import is_blank

NO_SPLIT = "all"
"""The split of every picture when the source says nothing about splits."""

MOST_SOURCES = 20
"""More different values of `source` say where each picture is from, not which collection it belongs to."""

_SPLIT_WORDS = {
    "train": ("train", "training", "restval"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
    NO_SPLIT: (NO_SPLIT,),
}
_SPLIT_NAMES = {word: split for split, words in _SPLIT_WORDS.items() for word in words}
SPLIT_WORDS_TOLD = "; ".join(f"{', '.join(words)} mean {split}" for split, words in _SPLIT_WORDS.items() if words[1:])
"""The words for splits that are understood, for people."""
_SUGGESTIONS = 20  # near names are looked for that often: it takes time, and nobody reads more


@dataclass
class _Image:
    path: Path
    split: str
    captions: list[str] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    label_cells: list[Cell] = field(default_factory=list)
    scenes: set[str] = field(default_factory=set)
    source: str = ""


class CorpusBuilder:
    """Gathers the rows of `source`; pictures are looked for in each of `folders`, in that order.

    A picture that is in none of them under its exact name is looked for under other spellings of it.
    """

    def __init__(self, source: Path, folders: Sequence[Path]) -> None:
        self._source = source
        self._folders = folders
        self._images: dict[str, _Image] = {}
        self._ids: dict[str, str] = {}
        self._id_of_path: dict[str, str] = {}
        self._skipped: dict[str, Skipped] = {}
        self._rows = 0
        self._blank = 0
        self._skipped_rows: list[SkippedRow] = []
        self._guesses: list[tuple[str, str, str]] = []
        self._resolvers: list[tuple[Path, NameResolver]] | None = None
        self._suggested = 0

    def add(
        self,
        image: str,
        captions: Iterable[str],
        *,
        where: str,
        split: str = NO_SPLIT,
        labels: Collection[str] = (),
        label_cell: Cell = "",
        scene: str = "",
        source: str = "",
        aliases: Sequence[str] = (),
        file: Path | None = None,
        path: Path | None = None,
    ) -> None:
        """Take one row. Rows of one picture are joined; captions of which nothing is seen are left out and counted.

        `where` ("line 7" of `file`, by default of the source) is listed for a row whose picture is missing, or was in
        another split before; `aliases` are other names the picture may have, `path` is where it is, if that is known.
        `labels` are names; what a row says of them as people write it, `label_cell`, is read once all rows are known.
        `scene` is a label of the whole picture; `source` says which of several collections the row is from.
        """
        if path is not None:
            self._ids[image] = self._id_of_path.setdefault(str(path), image)
            self._images.setdefault(self._ids[image], _Image(path, split))
        known_as = self._ids.get(image)
        if known_as is None and image not in self._skipped:
            known_as = self._take_in(image, aliases, split)
        if known_as is None:
            self.reject(where, f"{image!r}: {self._skipped[image].reason}", file=file)
            return
        picture = self._images[known_as]
        if picture.split != split:
            reason = f"{image!r} is in split {split!r} here and in {picture.split!r} before"
            self.reject(where, reason, file=file)
            return
        self._rows += 1
        for caption in captions:
            if is_blank(caption):
                self._blank += 1
            else:
                picture.captions.append(caption.strip())
        if labels:
            picture.labels.update(labels)
        if label_cell and label_cell not in picture.label_cells:
            picture.label_cells.append(label_cell)
        if scene:
            picture.scenes.add(scene)
        picture.source = picture.source or source

    def count(self, rows: int) -> None:
        """Note rows that were used otherwise than by `add`."""
        self._rows += rows

    def reject(self, where: str, reason: str, *, file: Path | None = None) -> None:
        """List a row that cannot be used."""
        self._rows += 1
        self._skipped_rows.append(SkippedRow(file or self._source, where, reason))

    def skip(self, image: str, reason: str, *, where: str) -> None:
        """Leave `image` out for a reason of the source's own."""
        self._skipped.setdefault(image, Skipped(self._folders[0] / image, reason))
        self.reject(where, f"{image!r}: {reason}")

    def build(
        self,
        name: str,
        *,
        label_names: Sequence[str] = (),
        label_separator: str | None = None,
        understood: Understood = Understood(),
        tried: str = "",
    ) -> Corpus:
        """The corpus, pictures in the order of their first row. Raises `DataError` when no picture is left.

        `label_names` are all there are, in order, also those no picture has; by default the ones that occur, sorted.
        `label_separator` parts those in cells, by default what `read_labels` finds. `tried` says, for the error, how
        the source was understood and how to say it by hand.
        """
        images = list(self._images.values())
        if not images:
            raise DataError(f"{self._nothing_found()}{tried and ' ' + tried}")
        understood = replace(understood, notes=(*understood.notes, *self._read_label_cells(label_separator)))
        scenes = sorted(set().union(*(image.scenes for image in images)))
        label_names = label_names or sorted(set(scenes).union(*(image.labels for image in images)))
        labels = [[label in image.labels or label in image.scenes for label in label_names] for image in images]
        source_names = list(dict.fromkeys(image.source or name for image in images))
        told_apart = 1 < len(source_names) <= MOST_SOURCES
        links = [index for index, image in enumerate(images) for _ in image.captions]
        rows_read = self._rows - len(self._skipped_rows)
        if told_apart:
            sizes = Counter(image.source or name for image in images)
            said = ", ".join(f"{one} {sizes[one]:,}" for one in source_names)
            understood = replace(understood, notes=(*understood.notes, f"key source tells apart: {said}"))
        return Corpus(
            name=name,
            image_paths=tuple(image.path for image in images),
            image_ids=tuple(self._images),
            image_splits=tuple(image.split for image in images),
            captions=tuple(caption for image in images for caption in image.captions),
            caption_image=np.asarray(links, dtype=np.int64),
            labels=np.asarray(labels, dtype=np.bool_) if label_names else None,
            label_names=tuple(label_names),
            sources=np.asarray([source_names.index(image.source or name) for image in images]) if told_apart else None,
            source_names=tuple(source_names) if told_apart else (),
            scene_names=tuple(scenes),
            skipped=tuple(self._skipped.values()),
            skipped_rows=tuple(self._skipped_rows),
            understood=replace(
                understood,
                rows=self._rows,
                rows_read=rows_read,
                guesses=tuple(self._guesses),
                blank_captions=self._blank,
            ),
        )

    def _read_label_cells(self, separator: str | None) -> tuple[str, ...]:
        """Give the pictures the labels that their rows name; notes on how these were understood."""
        images = [image for image in self._images.values() for _ in image.label_cells]
        found, notes = read_labels(
            [cell for image in self._images.values() for cell in image.label_cells], separator=separator
        )
        for image, labels in zip(images, found, strict=True):
            image.labels.update(labels)
        return notes

    def _take_in(self, image: str, aliases: Sequence[str], split: str) -> str | None:
        """Note where a new picture is, or why it is nowhere; what it is called in the corpus."""
        try:
            path, known_as = self._locate((image, *aliases))
        except ImageError as error:
            self._skipped[image] = Skipped(error.path, error.reason)
            return None
        known_as = self._id_of_path.setdefault(str(path), known_as)
        self._ids[image] = known_as
        self._images.setdefault(known_as, _Image(path, split))
        return known_as

    def _locate(self, names: Sequence[str]) -> tuple[Path, str]:
        """Where a picture is, and what it is called in the corpus."""
        first: ImageError | None = None
        for path in (folder / name for folder in self._folders for name in names):
            try:
                require_file(path)
            except ImageError as error:
                # The picture's own trouble (a link loop) is worth more than its absence from the next folder.
                first = first or error
            else:
                return path, names[0]
        assert first is not None
        if first.reason != "no such file":
            raise first
        return self._guess(names[0], first)

    def _guess(self, image: str, missing: ImageError) -> tuple[Path, str]:
        """The picture under another spelling. Raises `ImageError` that offers the nearest names, or those that fit."""
        suggest = self._suggested < _SUGGESTIONS
        nearest: tuple[str, ...] = ()
        for folder, resolver in self._listed():
            found = resolver.find(image, suggest=suggest)
            if isinstance(found, Match):
                self._guesses.append((image, found.name, found.guess or "the folder before it"))
                return folder / found.name, found.name
            if isinstance(found, Ambiguous):
                raise ImageError(missing.path, f"no such file, and several fit: {', '.join(found.names[:3])}")
            nearest = nearest or found.nearest
        self._suggested += 1
        raise ImageError(missing.path, f"no such file{(nearest and f'; the nearest is {nearest[0]!r}') or ''}")

    def _listed(self) -> list[tuple[Path, NameResolver]]:
        """The names of all pictures there are, by folder; listed when first needed."""
        if self._resolvers is None:
            folders = [folder for folder in dict.fromkeys(self._folders) if folder.is_dir()]
            outer = [one for one in folders if not any(other != one and one.is_relative_to(other) for other in folders)]
            self._resolvers = [(one, NameResolver(names_below(one, take_inventory(one).images))) for one in outer]
        return self._resolvers

    def _nothing_found(self) -> str:
        if self._skipped:
            places = " or ".join(str(folder) for folder in self._folders)
            example, one = next(iter(self._skipped.items()))
            return (
                f"{self._source}: none of the {len(self._skipped)} pictures it names could be used, for example "
                f"{example!r} ({one.reason}). Put the pictures into {places}, or any folder in it."
            )
        if self._skipped_rows:
            first = self._skipped_rows[0]
            rows = f"none of its {self._rows} rows could be read"
            return f"{self._source}: {rows}; the first, {first.where}: {first.reason}."
        return f"{self._source}: it names no pictures; give a file with at least one row."


def names_below(folder: Path, paths: Iterable[Path]) -> list[str]:
    """Paths under `folder` as names from there."""
    start = len(str(folder / "x")) - 1
    return [str(path)[start:] for path in paths]


def split_name(written: str) -> str:
    """A split as it is called here, by a word in any case (`_SPLIT_WORDS`); nothing is the split of all.

    Any other word is a split of its own: `eval` is the validation split of some and the test split of others.
    """
    return _SPLIT_NAMES.get(written.strip().lower(), written.strip()) or NO_SPLIT


def read_bytes(file: Path) -> bytes:
    """All of a file. Raises `DataError` if it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error


def text_lines(file: Path) -> Iterator[tuple[int, str]]:
    """The non-empty lines of a UTF-8 file with their numbers. Raises `DataError` for files that cannot be read."""
    try:
        with file.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                text = _line(raw, file, number).strip()
                if text:
                    yield number, text
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}).") from error


def _line(raw: bytes, file: Path, number: int) -> str:
    try:
        return raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}, line {number}: not UTF-8 text. Save the file as UTF-8.") from error


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """The non-empty lines of a text with their numbers, less white space at their ends."""
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        if stripped := line.strip():
            yield number, stripped


def json_content(file: Path, *, expected: str = "JSON") -> Any:
    """What a JSON file holds. Raises `DataError` if it cannot be read, or is no JSON."""
    raw = read_bytes(file)
    try:
        return json.loads(decode_text(raw).text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not JSON ({error}). Expected {expected}.") from error


def json_object(file: Path, *, expected: str = "a JSON object") -> dict[str, Any]:
    """The object that a JSON file holds. Raises `DataError` if it cannot be read, is no JSON, or is something else."""
    content = json_content(file, expected=expected)
    if not isinstance(content, dict):
        raise malformed(file, "top level", type(content).__name__, expected=expected)
    return content


def shortened(got: object) -> str:
    """What a row says, on one line of 80 letters at most."""
    text = " ".join((got if isinstance(got, str) else repr(got)).split())
    return text if len(text) <= 80 else text[:77] + "..."


def malformed(file: Path, where: str, got: object, *, expected: str) -> DataError:
    """The error for a row that cannot be understood: which, what it says (shortened), what was expected."""
    return DataError(f"{file}, {where}: got {shortened(got)}; expected {expected}.")
