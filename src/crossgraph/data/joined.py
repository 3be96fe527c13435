"""Several corpora as one: every picture keeps its captions, split and labels, and says which source it is from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crossgraph.data.assembly import NO_SPLIT
from crossgraph.data.corpus import LABELS, Corpus, FileCounts, Understood
from crossgraph.data.splits import TRAIN, drawn_splits, rule_for, undivided
from crossgraph.errors import DataError
from crossgraph.progress import Progress, Silent

Item = TypeVar("Item")


def join_corpora(corpora: Sequence[Corpus], *, progress: Progress = Silent()) -> Corpus:
    """One corpus of all pictures of `corpora`, in order; of one corpus alone, that corpus as it is.

    Its `sources` are the corpora, or those that a corpus tells apart itself; equal names are numbered ("photos",
    "photos-2"). Ids get the name of their corpus before them ("photos/a.jpg") where two would be equal. Labels of equal
    names are one label; `known_labels` says which tell something of a picture. A corpus without a `val` has a tenth
    held out, by the rule it would have alone, so that nothing is trained on that `evaluate` would draw from it later;
    one with too few pictures with captions is trained on whole, and `progress` hears of either. Raises `DataError` for
    no corpora, and for given features, which no one network makes.
    """
    if not corpora:
        raise DataError("no data to join; give at least one corpus.")
    if len(corpora) == 1:
        return corpora[0]
    for corpus in corpora:
        if corpus.features is not None:
            raise DataError(f"corpus {corpus.name!r} has given features, which fit no other corpus; train on it alone.")
    names = _numbered([corpus.name for corpus in corpora])
    parts = [_divided(corpus, progress) for corpus in corpora]
    ids = [part.image_ids for part in parts]
    if len(set(chain(*ids))) < sum(map(len, ids)):
        ids = [tuple(f"{name}/{one}" for one in part) for name, part in zip(names, ids, strict=True)]
    starts = np.cumsum([0, *map(len, parts)])
    label_names = tuple(dict.fromkeys(chain.from_iterable(part.label_names for part in parts)))
    sources, source_names = _sources(parts, names)
    twins = any(part.twin_group is not None for part in parts)
    kinds = {part.label_kind for part in parts if part.labels is not None}
    return Corpus(
        name="+".join(names),
        image_paths=_all(part.image_paths for part in parts),
        image_ids=_all(ids),
        image_splits=_all(part.image_splits for part in parts),
        captions=_all(part.captions for part in parts),
        caption_image=np.concatenate([part.caption_image + start for part, start in zip(parts, starts, strict=False)]),
        labels=np.concatenate([_widened(part, label_names) for part in parts]) if label_names else None,
        label_names=label_names,
        label_kind=kinds.pop() if len(kinds) == 1 else LABELS,
        twin_group=_twins(parts) if twins else None,
        telling=np.concatenate([_telling(part) for part in parts]) if twins else None,
        skipped=_all(part.skipped for part in parts),
        skipped_rows=_all(part.skipped_rows for part in parts),
        unused=_all(part.unused for part in parts),
        understood=_understood(parts, names),
        files=FileCounts.sum_of(part.files for part in parts if part.files is not None),
        sources=sources,
        source_names=source_names,
        scene_names=tuple(dict.fromkeys(chain.from_iterable(part.scene_names for part in parts))),
    )


def _all(groups: Iterable[tuple[Item, ...]]) -> tuple[Item, ...]:
    return tuple(chain.from_iterable(groups))


def _numbered(names: Sequence[str]) -> list[str]:
    """The names, the second and further ones of a kind with their number."""
    met: Counter[str] = Counter()
    given: list[str] = []
    for name in names:
        met[name] += 1
        while (own := name if met[name] == 1 else f"{name}-{met[name]}") in given:
            met[name] += 1
        given.append(own)
    return given


def _divided(corpus: Corpus, progress: Progress) -> Corpus:
    """The corpus with a `train` and, where its source names no `val`, one drawn as if it were alone."""
    of = undivided(corpus)
    if of is None:
        return corpus
    try:
        rule = rule_for(corpus)
    except DataError:
        progress.note("nothing held out", corpus=corpus.name, why="too few pictures with captions")
        splits = tuple(TRAIN if split == NO_SPLIT else split for split in corpus.image_splits)
        return replace(corpus, image_splits=splits)
    if rule is not None:
        progress.note("held out", corpus=corpus.name, rule=rule.text())
    return drawn_splits(corpus, rule)


def _sources(parts: Sequence[Corpus], names: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Which source every picture is from, and their names: of corpora, or of what a corpus tells apart itself."""
    own = [(name,) if part.sources is None else part.source_names for part, name in zip(parts, names, strict=True)]
    starts = np.cumsum([0, *map(len, own)])
    rows = [np.zeros(len(part), np.int64) if part.sources is None else part.sources for part in parts]
    joined = np.concatenate([one + start for one, start in zip(rows, starts, strict=False)])
    return joined, tuple(_numbered(_all(own)))


def _widened(part: Corpus, names: Sequence[str]) -> NDArray[np.bool_]:
    """The labels of a corpus among the `names` of all."""
    wide = np.zeros((len(part), len(names)), dtype=np.bool_)
    if part.labels is not None:
        wide[:, [names.index(name) for name in part.label_names]] = part.labels
    return wide


def _twins(parts: Sequence[Corpus]) -> NDArray[np.int64]:
    """The groups of twins, numbered on from corpus to corpus."""
    found: list[NDArray[np.int64]] = []
    start = 0
    for part in parts:
        groups = np.full(len(part), -1, np.int64) if part.twin_group is None else part.twin_group
        found.append(np.where(groups < 0, groups, groups + start))
        start = max(start, int(found[-1].max(initial=-1)) + 1)
    return np.concatenate(found)


def _telling(part: Corpus) -> NDArray[np.bool_]:
    return np.zeros(len(part.captions), np.bool_) if part.telling is None else part.telling


def _understood(parts: Sequence[Corpus], names: Sequence[str]) -> Understood:
    """What was understood of each, one note a corpus; counts are sums."""
    each = [part.understood for part in parts]
    return Understood(
        layout="joined",
        splits="; ".join(f"{name}: {one.splits}" for name, one in zip(names, each, strict=True)),
        rows=sum(one.rows for one in each),
        rows_read=sum(one.rows_read for one in each),
        guesses=_all(one.guesses for one in each),
        blank_captions=sum(one.blank_captions for one in each),
        notes=_all(tuple(f"{name}: {note}" for note in one.notes) for name, one in zip(names, each, strict=True)),
    )
