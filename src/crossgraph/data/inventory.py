"""What is in a folder: every file under it is a picture to be read, a text, skipped with a reason, or counted.

The law: `images`, `texts`, `skipped`, and the counts of `uninteresting` and `left_out` together are all files there.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crossgraph.data.archives import pictures_inside
from crossgraph.data.corpus import Corpus, FileCounts, Skipped
from crossgraph.data.exclusions import IGNORE_FILE, Exclusions
from crossgraph.data.file_kinds import (
    ARCHIVE_ENDINGS,
    HEAD,
    IMAGE_ENDINGS,
    TEXT_ENDINGS,
    ending_of,
    image_format,
    is_dull,
    is_raw_ending,
    why_unread,
)
from crossgraph.data.images import file_reason, require_file
from crossgraph.errors import DataError, ImageError

HIDDEN = "hidden"
APPLE_DOUBLE = "AppleDouble ._*"

NOT_THE_USERS = frozenset(
    (
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "$recycle.bin"),
        *("system volume information", "lost+found", "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
        *(".thumbnails", ".ds_store", ".git", ".trash", ".trashes"),
    )
)
"""Files and folders that systems, not people, put among pictures, in small letters; each is counted by its name."""

MADE_HERE = (
    ("galleries", frozenset({"gallery.json", "items.lance"})),
    ("trained runs", frozenset({"manifest.json", "weights.safetensors"})),
    ("cascades", frozenset({"cascade.json", "dense"})),
    ("cascades", frozenset({"cascade.json", "rerank"})),
)
"""Folders that crossgraph writes, by what is in them; among pictures each is left out whole, and counted."""

UNNAMED = "no row of the caption file names it"


@dataclass(frozen=True)
class Inventory:
    """Every file under `folder`, in one of five heaps.

    `images` are sorted candidates: by ending, or by content where the ending says nothing. `texts` could hold captions.
    `uninteresting` counts the rest by ending, and `left_out` what is not the user's, or was excluded, by what it is.
    `unsearched` are folders, not files: those that cannot be opened, and links to folders searched already.
    """

    folder: Path
    images: tuple[Path, ...]
    texts: tuple[Path, ...]
    skipped: tuple[Skipped, ...]
    uninteresting: Mapping[str, int]
    left_out: Mapping[str, int]
    unsearched: tuple[Skipped, ...] = ()

    @property
    def counts(self) -> FileCounts:
        """The heaps that are not listed by name."""
        return FileCounts(len(self.texts), dict(self.uninteresting), dict(self.left_out))

    @property
    def listed(self) -> tuple[Skipped, ...]:
        """All that is to be listed with its reason: files and folders."""
        return tuple(sorted((*self.skipped, *self.unsearched), key=lambda one: one.path))


def take_inventory(folder: Path, *, exclude: Sequence[str] = ()) -> Inventory:
    """What is under `folder`, less what `exclude` and the files named .crossgraphignore leave out; none is decoded.

    Hidden files, and what systems put among pictures, are left out. Links to folders are followed once. Raises
    `DataError` if it is no folder, or a pattern is none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: not a folder. Give the folder that holds the pictures.")
    walk = _Walk(folder, exclude)
    walk.run()
    return walk.inventory()


def holds_images(folder: Path) -> bool:
    """Whether a picture of the user's, by its ending, is anywhere under `folder`: quicker than an inventory."""
    for _, folders, files in os.walk(folder):
        folders[:] = [one for one in folders if not_the_users(one) is None]
        if any(ending_of(file) in IMAGE_ENDINGS and not_the_users(file) is None for file in files):
            return True
    return False


def not_the_users(name: str) -> str | None:
    """What a file or folder of this name is called where it is left out; None if it is the user's."""
    if name.startswith("._"):
        return APPLE_DOUBLE
    if name.lower() in NOT_THE_USERS:
        return name.strip()
    return HIDDEN if name.startswith(".") else None


def without_excluded(corpus: Corpus, folder: Path, *, exclude: Sequence[str] = ()) -> Corpus:
    """`corpus` less the files in `folder` that patterns leave out: those of `exclude`, and of .crossgraphignore."""
    exclusions = Exclusions(folder, exclude)
    unused = tuple(one for one in corpus.unused if exclusions.source_above(one.path) is None)
    corpus = replace(corpus, unused=unused)
    if corpus.features is not None:
        return corpus
    left = [row for row, path in enumerate(corpus.image_paths) if exclusions.source_above(path) is None]
    return corpus if len(left) == len(corpus) else corpus.take(left)


def accounted(corpus: Corpus, folder: Path, *, exclude: Sequence[str] = (), found: Inventory | None = None) -> Corpus:
    """`corpus`, with all files of the folder that it is from counted or listed, also those no caption file names.

    One that was made by an inventory is as it was. `found` is the inventory of the folder, if there is one already.
    """
    if corpus.files is not None:
        return corpus
    found = found or take_inventory(folder, exclude=exclude)
    told = {one.path for one in corpus.skipped}.union(corpus.image_paths)
    unnamed = () if corpus.features is not None else found.images
    others = (*found.listed, *(Skipped(path, UNNAMED) for path in unnamed))
    added = tuple(one for one in others if one.path not in told)
    return replace(corpus, files=found.counts, skipped=(*corpus.skipped, *added))


class _Walk:
    """One search through a folder; the heaps grow on the way."""

    def __init__(self, folder: Path, exclude: Sequence[str]) -> None:
        self._folder = folder
        self._exclusions = Exclusions(folder, exclude)
        self._images: list[str] = []
        self._texts: list[str] = []
        self._skipped: list[Skipped] = []
        self._unsearched: list[Skipped] = []
        self._uninteresting: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._folders: list[str] = [str(folder)]
        self._links: list[str] = []

    def run(self) -> None:
        searched: set[tuple[int, int]] = set()
        while self._folders or self._links:
            # Links wait until every real folder has been searched, so a picture keeps its real path.
            current = self._folders.pop() if self._folders else self._links.pop(0)
            try:
                status = os.stat(current)
                if (status.st_dev, status.st_ino) in searched:
                    self._unsearched.append(Skipped(Path(current), "a link to a folder that is searched already"))
                    continue
                searched.add((status.st_dev, status.st_ino))
                entries = sorted(os.scandir(current), key=lambda entry: entry.name)
            except OSError as error:
                self._unsearched.append(Skipped(Path(current), file_reason(error)))
                continue
            if current != str(self._folder) and (made := _made_here(entries)) is not None:
                self._left_out[made] += sum(len(files) for _, _, files in os.walk(current))
                continue
            has_file = any(entry.name == IGNORE_FILE and _is_file(entry) for entry in entries)
            patterns = self._exclusions.enter(current, has_file=has_file)
            for entry in entries:
                self._sort(entry, patterns)

    def inventory(self) -> Inventory:
        """What was found."""
        return Inventory(
            self._folder,
            images=_in_order(self._images),
            texts=_in_order(self._texts),
            skipped=tuple(sorted(self._skipped, key=lambda one: one.path)),
            uninteresting=dict(self._uninteresting.most_common()),
            left_out=dict(self._left_out.most_common()),
            unsearched=tuple(sorted(self._unsearched, key=lambda one: one.path)),
        )

    def _sort(self, entry: os.DirEntry[str], patterns: bool) -> None:
        is_folder = _is_folder(entry)
        reason = not_the_users(entry.name)
        if reason is None and patterns:
            reason = self._exclusions.source(entry.path, is_folder=is_folder)
        if reason is not None:
            if count := _files_in(entry, is_folder=is_folder):
                self._left_out[reason] += count
        elif is_folder:
            (self._links if entry.is_symlink() else self._folders).append(entry.path)
        else:
            self._sort_file(entry)

    def _sort_file(self, entry: os.DirEntry[str]) -> None:
        ending = ending_of(entry.name)
        if not _is_file(entry):
            self._skip(entry.path, _why_no_file(entry.path))
        elif ending in IMAGE_ENDINGS:
            self._images.append(entry.path)
        elif ending in TEXT_ENDINGS:
            self._texts.append(entry.path)
        elif is_dull(ending):
            self._uninteresting[ending] += 1
        elif ending in ARCHIVE_ENDINGS:
            self._skip_or_count(entry.path, pictures_inside(Path(entry.path), ending), ending)
        else:
            self._sort_by_content(entry.path, ending)

    def _sort_by_content(self, path: str, ending: str) -> None:
        try:
            with open(path, "rb", buffering=0) as file:
                head = file.read(HEAD)
        except OSError as error:
            self._skip(path, file_reason(error))
            return
        found = image_format(head)
        if found is not None and not (found == "TIFF" and is_raw_ending(ending)):
            self._images.append(path)
        else:
            self._skip_or_count(path, why_unread(head, ending), ending)

    def _skip_or_count(self, path: str, reason: str | None, ending: str) -> None:
        if reason is None:
            self._uninteresting[ending] += 1
        else:
            self._skip(path, reason)

    def _skip(self, path: str, reason: str) -> None:
        self._skipped.append(Skipped(Path(path), reason))


def _in_order(paths: list[str]) -> tuple[Path, ...]:
    return tuple(map(Path, sorted(paths, key=lambda path: path.split(os.sep))))


def _made_here(entries: Sequence[os.DirEntry[str]]) -> str | None:
    """What crossgraph made of the folder with these entries; None where it made nothing."""
    names = {entry.name for entry in entries}
    return next((what for what, known in MADE_HERE if known <= names), None)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _why_no_file(path: str) -> str:
    try:
        require_file(Path(path))
    except ImageError as error:
        return "a link to a file that is not there" if error.reason == "no such file" else error.reason
    return "it changed while it was looked at"


def _files_in(entry: os.DirEntry[str], *, is_folder: bool) -> int:
    """How many files are left out with this one; links to folders are not followed."""
    if not is_folder:
        return 1
    if entry.is_symlink():
        return 0
    return sum(len(files) for _, _, files in os.walk(entry.path))
