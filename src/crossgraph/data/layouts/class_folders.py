"""Folders whose names are labels: `cat/1.jpg`, `dog/2.jpg`, also below folders of splits (`train/cat/1.jpg`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from crossgraph.data.assembly import NO_SPLIT, split_name
from crossgraph.data.corpus import Corpus
from crossgraph.data.names import GENERIC_FOLDERS

SPLIT_FOLDERS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing"})


def with_class_folders(corpus: Corpus) -> Corpus:
    """The corpus with the names of its folders as labels, if there are two or more and every picture is in one.

    Names that say nothing (`images`, `2019`, `00000`) are no labels.
    """
    if hindrance(corpus.image_ids) is not None:
        return corpus
    parts, in_splits = _folders_of(corpus.image_ids)
    own = [folders[in_splits:] for folders in parts]
    names = sorted({folders[0] for folders in own})
    labels = np.zeros((len(corpus), len(names)), dtype=np.bool_)
    column = {name: place for place, name in enumerate(names)}
    labels[np.arange(len(corpus)), [column[folders[0]] for folders in own]] = True
    understood = replace(
        corpus.understood,
        layout="class-folders",
        columns=(("labels", "names of folders"),),
        splits="names of folders" if in_splits else "none",
    )
    splits = tuple(split_name(folders[0]) if in_splits else NO_SPLIT for folders in parts)
    return replace(corpus, labels=labels, label_names=tuple(names), image_splits=splits, understood=understood)


def hindrance(image_ids: Sequence[str]) -> str | None:
    """What keeps the folders of these pictures from being labels: a picture or a folder, and why; None: nothing does.

    >>> hindrance(["cat/1.jpg", "dog/2.jpg"])
    >>> hindrance(["cat/1.jpg", "dog/2.jpg", "dog/old/3.jpg"])
    'dog/old, a folder in such a folder'
    """
    parts, in_splits = _folders_of(image_ids)
    names = set[str]()
    for image, folders in zip(image_ids, parts, strict=True):
        own = folders[in_splits:]
        if not own:
            return f"{image}, a picture in no such folder"
        if len(own) > 1:
            return f"{'/'.join(folders)}, a folder in such a folder"
        if _says_nothing(own[0]):
            return f"{'/'.join(folders)}, a name that says nothing"
        names.add(own[0])
    return None if len(names) > 1 else f"{', '.join(sorted(names)) or 'no folder'}, the only one"


def _folders_of(image_ids: Sequence[str]) -> tuple[list[list[str]], bool]:
    """The folders that each picture is in, and whether the first of each is one of a split."""
    parts = [image.split("/")[:-1] for image in image_ids]
    return parts, all(own and own[0].lower() in SPLIT_FOLDERS for own in parts)


def _says_nothing(name: str) -> bool:
    return name.isdecimal() or name.lower() in GENERIC_FOLDERS | SPLIT_FOLDERS
