"""Folders whose names are labels: `cat/1.jpg`, `dog/2.jpg`, also below folders of splits (`train/cat/1.jpg`)."""

from __future__ import annotations

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
    if any("/" not in image for image in corpus.image_ids):
        return corpus
    parts = [image.split("/")[:-1] for image in corpus.image_ids]
    in_splits = all(own and own[0].lower() in SPLIT_FOLDERS for own in parts)
    own = [folders[in_splits:] for folders in parts]
    names = sorted({folders[0] for folders in own if folders})
    if any(len(folders) != 1 for folders in own) or len(names) < 2 or any(map(_says_nothing, names)):
        return corpus
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


def _says_nothing(name: str) -> bool:
    return name.isdecimal() or name.lower() in GENERIC_FOLDERS | SPLIT_FOLDERS
