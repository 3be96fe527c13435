"""What a sync looks at: folders and caption files, opened as corpora, also when a folder has become empty."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crossgraph.data.corpus import Corpus
from crossgraph.data.inventory import accounted, take_inventory
from crossgraph.data.places import exists, is_far, placed
from crossgraph.data.probes import require_open
from crossgraph.data.sources import open_corpus, place_of
from crossgraph.data.tars import shards
from crossgraph.errors import DataError, GalleryError
from crossgraph.gallery.changes.moves import absolute, near_paths, within
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.storage.interface import Storage


@dataclass(frozen=True)
class Source:
    """One source, opened: its absolute path, its pictures, and the folders in which they can be found gone.

    The name is empty for a corpus that is no place, as one that is drawn. `exclude` are the patterns of what was left
    out of it.
    """

    name: str
    corpus: Corpus
    roots: tuple[Path, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sources:
    """What a sync looks at: the sources it `opened`, and those that are `lost`, of which some were named (`absent`).

    A lost one is not there, or an empty folder: its disk is not connected, or it was moved or removed. With
    `allow_empty` those that were named have lost their pictures for certain.
    """

    opened: tuple[Source, ...]
    lost: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    allow_empty: bool = False

    @property
    def corpora(self) -> list[Corpus]:
        """The corpora of those opened."""
        return [one.corpus for one in self.opened]

    @property
    def names(self) -> list[str]:
        """The places of those opened, to be remembered."""
        return [one.name for one in self.opened if one.name]

    @property
    def roots(self) -> list[Path]:
        """The folders in which pictures can be found gone."""
        absent = [placed(name) for name in self.absent if self.allow_empty]
        return absent + [root for one in self.opened for root in one.roots]

    @property
    def emptied(self) -> str | None:
        """One of those opened that has no picture, if that is not allowed."""
        return next((one.name for one in self.opened if not len(one.corpus) and not self.allow_empty), None)


def open_sources(
    names: Sequence[Path | str],
    *,
    gallery: Storage | Path,
    manifest: Manifest,
    allow_empty: bool = False,
    exclude: Sequence[str] | None = None,
) -> Sources:
    """The sources of these names, or all that the gallery remembers, opened, less the files that patterns leave out.

    A link to a remembered folder, or to what is in one, is taken for that.
    `exclude` are those patterns, by default what the gallery remembers of each source.

    Raises `GalleryError` if there is none, or one is not there that the gallery does not know, or that is looked at
    unnamed; `DataError` as corpora do.
    """
    if not names and not manifest.sources:
        raise GalleryError(f"{gallery} remembers no folders yet. Name one: crossgraph sync {gallery} FOLDER.")
    paths = list(dict.fromkeys(_as_known(absolute(name), manifest) for name in names or manifest.sources))
    absent = tuple(path for path in paths if not exists(path))
    for path in absent:
        if path not in (*manifest.sources, *manifest.roots):
            raise GalleryError(f"{path}: no such folder or file.{near_paths(path, manifest.sources)}")
        if not names:
            raise GalleryError(not_there(path, gallery))
    opened = tuple(
        open_source(path, manifest.excludes.get(path, ()) if exclude is None else exclude)
        for path in paths
        if path not in absent
    )
    lost = tuple(path for path in (*manifest.sources, *absent) if path not in paths or path in absent)
    return Sources(opened, tuple(dict.fromkeys(path for path in lost if _is_lost(path))), absent, allow_empty)


def source_to_index(source: Path | str | Corpus, exclude: Sequence[str] | None, manifest: Manifest) -> Source:
    """What is to be added, of which no picture can be found gone; `exclude` as in `open_sources`."""
    if isinstance(source, Corpus):
        return Source("", source)
    place = place_of(source)
    if place is None:
        return Source("", open_corpus(source, exclude=exclude or ()))
    name = _as_known(absolute(place), manifest)
    known = manifest.excludes.get(name, ())
    return replace(open_source(name, known if exclude is None else exclude, allow_empty=False), roots=())


def not_there(path: str, gallery: Storage | Path) -> str:
    """What to say of a remembered source that is not there."""
    return (
        f"{path} is not there, so nothing was changed. If its disk is not connected, connect it. If it was moved or "
        f"renamed: crossgraph gallery move {gallery} {path} NEW. To keep its pictures and look at it no longer: "
        f"crossgraph sync {gallery} --forget {path}. To remove them: crossgraph sync {gallery} {path} --allow-empty."
    )


def _as_known(path: str, manifest: Manifest) -> str:
    """The place at `path` by the name under which the gallery looks at it: of a link, that of what it leads to."""
    if is_far(path) or not os.path.exists(path) or any(within(path, source) for source in manifest.sources):
        return path
    real = os.path.realpath(path)
    for source in manifest.sources:
        if not is_far(source) and within(real, there := os.path.realpath(source)):
            return os.path.normpath(os.path.join(source, os.path.relpath(real, there)))
    return path


def _is_lost(path: str) -> bool:
    """Whether nothing is at `path`, or an empty folder, as where a disk is not connected."""
    try:
        return not exists(path) or (os.path.isdir(path) and not os.listdir(path))
    except OSError:
        return False


def open_source(place: str, exclude: Sequence[str] = (), *, allow_empty: bool = True) -> Source:
    """The source at this absolute path, also, with `allow_empty`, when no picture is in it.

    Raises `DataError` if it cannot be read.
    """
    path, patterns = placed(place), tuple(pattern for pattern in exclude if pattern.strip())
    require_open(path)
    try:
        corpus = open_corpus(path, exclude=patterns)
    except DataError:
        if not allow_empty or not path.is_dir():
            raise
        found = take_inventory(path, exclude=patterns)
        if found.images:
            raise
        corpus = Corpus(path.name, (), (), (), (), np.empty(0, np.int64), skipped=found.listed, files=found.counts)
    if path.is_dir():
        corpus = accounted(corpus, path, exclude=patterns)
    is_folder = path.is_dir() or (is_far(path) and shards(path) == [path])
    roots = {path if is_folder else path.parent}
    if len(corpus):
        roots.add(placed(os.path.commonpath([image.absolute().parent for image in corpus.image_paths])))
    return Source(place, corpus, tuple(sorted(roots)), patterns)
