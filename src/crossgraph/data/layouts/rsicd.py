"""RSICD as published *(Lu 2017)*: `dataset_rsicd.json` in Karpathy's form, and a list of pictures for each class.

    dataset_rsicd.json  RSICD_images/airport_1.jpg  txtclasses_rsicd/airport.txt (one file name a line)

The class lists are optional; without them there are no labels.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from crossgraph.data.assembly import text_lines
from crossgraph.data.corpus import Corpus
from crossgraph.data.guides import missing_from
from crossgraph.data.layouts.karpathy import open_karpathy

CAPTIONS, CLASSES = "dataset_rsicd.json", "txtclasses_rsicd"


def open_rsicd(place: Path, *, name: str | None = None) -> Corpus:
    """The corpus in a folder or its caption file. Raises `DataError` for what is missing or malformed."""
    file = place / CAPTIONS if place.is_dir() else place
    if not file.is_file():
        raise missing_from(place, "rsicd", CAPTIONS)
    images = file.parent / "RSICD_images"
    corpus = open_karpathy(file, images=images if images.is_dir() else None, name=name)
    lists = sorted((file.parent / CLASSES).rglob("*.txt"))
    if not lists:
        return corpus
    names = [one.stem for one in lists]
    row_of = {Path(image).name: row for row, image in enumerate(corpus.image_ids)}
    labels = np.zeros((len(corpus), len(names)), dtype=np.bool_)
    for column, one in enumerate(lists):
        rows = [row_of[image] for _, image in text_lines(one) if image in row_of]
        labels[rows, column] = True
    return replace(corpus, labels=labels, label_names=tuple(names))
