"""Given features as the tables that training and encoding read: an image is one part, a text one word."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import Array
from crossgraph.data.features.image_features import ImageTable
from crossgraph.data.features.text_features import TextTable
from crossgraph.data.given_features import GivenFeatures
from crossgraph.encoders.text import TextFeatures
from crossgraph.errors import DataError

FULL_BOX = np.asarray([[0, 0, 1, 1]], dtype=np.float32)


class MatrixRecords:
    """Rows of a matrix as records of images: the row is the one part, its box is everything, and it is the whole."""

    def __init__(self, matrix: Float32[np.ndarray, "n d"]) -> None:
        self._matrix = matrix

    def read(self, key: str) -> dict[str, Array]:
        """The record of row `key`."""
        row = self._matrix[int(key)][None]
        return {"parts": row, "boxes": FULL_BOX, "whole": row}


def given_image_table(corpus: Corpus) -> ImageTable:
    """The images of a corpus with given features, all of them."""
    features, rows = _features_of(corpus), range(len(corpus))
    return ImageTable(
        paths=corpus.image_paths,
        kept=tuple(rows),
        keys=tuple(map(str, rows)),
        store=MatrixRecords(features.images),
        part_width=features.image_width,
        whole_width=features.image_width,
    )


def given_text_table(corpus: Corpus) -> TextTable:
    """The texts of a corpus with given features: each is one word, whose state is its row, and so is the whole."""
    features = _features_of(corpus)
    row_of: dict[str, int] = {}
    for row, caption in enumerate(corpus.captions):
        first = row_of.setdefault(caption, row)
        if first != row and not np.array_equal(features.texts[first], features.texts[row]):
            raise DataError(
                f"corpus {corpus.name!r}: two texts are called {caption!r} but have other features; name them apart."
            )

    def read(caption: str) -> TextFeatures:
        row = features.texts[row_of[caption]]
        return TextFeatures((caption,), states=row[None], whole=row)

    return TextTable(corpus.captions, features.text_width, read, whole_width=features.text_width)


def _features_of(corpus: Corpus) -> GivenFeatures:
    if corpus.features is None:
        raise DataError(f"corpus {corpus.name!r} has pictures and sentences, no given features.")
    return corpus.features
