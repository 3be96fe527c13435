"""Given features as the tables that training and encoding read: an image is one part or several, a text one word."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import Array
from crossgraph.data.features.image_features import ImageTable
from crossgraph.data.features.text_features import TextTable
from crossgraph.data.given_features import GivenFeatures
from crossgraph.data.stored_rows import StoredRows
from crossgraph.encoders.text import TextFeatures
from crossgraph.errors import DataError

FULL_BOX = np.asarray([[0, 0, 1, 1]], dtype=np.float32)


class MatrixRecords:
    """Rows of a matrix as records of images: the row is the one part, and the whole; of regions the whole is the mean.

    Nothing says where in the picture a part is, so its box is everything.
    """

    def __init__(self, matrix: Float32[np.ndarray, "n d"] | Float32[np.ndarray, "n p d"] | StoredRows) -> None:
        self._matrix = matrix

    def read(self, key: str) -> dict[str, Array]:
        """The record of row `key`."""
        parts = self._matrix[int(key)].reshape(-1, self._matrix.shape[-1])
        whole = parts if len(parts) == 1 else parts.mean(axis=0, keepdims=True)
        return {"parts": parts, "boxes": np.repeat(FULL_BOX, len(parts), axis=0), "whole": whole}


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
    rows = features.texts
    if rows is None:
        raise DataError(f"corpus {corpus.name!r} has given features of images alone; its captions are sentences.")
    row_of: dict[str, int] = {}
    for row, caption in enumerate(corpus.captions):
        first = row_of.setdefault(caption, row)
        if first != row and not np.array_equal(rows[first], rows[row]):
            raise DataError(
                f"corpus {corpus.name!r}: two texts are called {caption!r} but have other features; name them apart."
            )

    def read(caption: str) -> TextFeatures:
        row = rows[row_of[caption]]
        return TextFeatures((caption,), states=row[None], whole=row)

    return TextTable(corpus.captions, features.text_width, read, whole_width=features.text_width)


def _features_of(corpus: Corpus) -> GivenFeatures:
    if corpus.features is None:
        raise DataError(f"corpus {corpus.name!r} has pictures and sentences, no given features.")
    return corpus.features
