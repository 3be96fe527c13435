"""Labels that pictures lose without a change of their own, as where one folder more ends that folders are labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossgraph.data.layouts.class_folders import hindrance
from crossgraph.gallery.changes.moves import absolute, within
from crossgraph.gallery.changes.sources import Source, Sources
from crossgraph.gallery.tables.manifest import Manifest


@dataclass(frozen=True)
class LostLabels:
    """So many pictures of a `source` had labels and have none there any more, and why."""

    source: str
    count: int
    why: str


def labels_lost(sources: Sources, unlabelled: Sequence[Path], manifest: Manifest) -> tuple[LostLabels, ...]:
    """Of these pictures, which had labels and have none any more, how many are in each source, and why."""
    left, found = set(map(absolute, unlabelled)), list[LostLabels]()
    for one in sources.opened:
        own = left.intersection(map(absolute, one.corpus.image_paths)) if left else left
        if own:
            found.append(LostLabels(one.name or one.corpus.name, len(own), _why_unlabelled(one, manifest)))
            left -= own
    return tuple(found)


def _why_unlabelled(source: Source, manifest: Manifest) -> str:
    """Why pictures of a source have no labels that had some."""
    name, corpus = source.name or source.corpus.name, source.corpus
    whole = next((other for other in manifest.sources if other != name and within(name, other)), None)
    if whole is not None:
        return f"{name} was looked at by itself, not as a part of {whole}"
    if corpus.labels is not None:
        return f"{name} names none for them any more"
    hindered = None if corpus.captions else hindrance(corpus.image_ids)
    if hindered is None:
        return f"{name} is read as {corpus.understood.layout or 'a caption file'}, which names none"
    return f"{name} is no longer read as class folders because of {name}/{hindered}"
