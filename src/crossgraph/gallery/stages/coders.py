"""Codes by a trained hashing run; those of planes are in `codes.py`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from crossgraph.data.corpus import Skipped
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.errors import ModelError
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.types import Encoded


class ModelCoder:
    """The codes that another model than the one searched with gives: a hashing run in a cascade."""

    def __init__(self, model: SearchModel) -> None:
        self._model = model

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels that the codes were learned from."""
        return self._model.label_names

    @cached_property
    def bits(self) -> int:
        """How many bits its codes have."""
        return self._model.encode_raw_texts(["a picture"]).embedding.shape[1]

    def codes_of_texts(
        self, sentences: Sequence[str], vectors: Float[np.ndarray, "n d"]
    ) -> UInt8[np.ndarray, "n bytes"]:
        """The codes of `sentences`, whatever their `vectors`."""
        return _code(self._model.encode_raw_texts(sentences))

    def codes_of_images(
        self, paths: Sequence[Path], vectors: Float[np.ndarray, "n d"], *, reader: ImageReader = PLAIN
    ) -> tuple[UInt8[np.ndarray, "k bytes"], tuple[int, ...], tuple[Skipped, ...]]:
        """The codes of the pictures at `paths` that could be read, which those are, and the others."""
        images = self._model.encode_image_files(paths, reader=reader)
        return _code(images.encoded), images.kept, images.skipped

    def codes_of_vectors(self, vectors: Float[np.ndarray, "n d"]) -> None:
        """None: its codes are learned of pictures and sentences."""
        return None


def _code(encoded: Encoded) -> UInt8[np.ndarray, "n bytes"]:
    """The codes of a hashing method's encodings. Raises `ModelError` where there are none."""
    if encoded.code is None:
        raise ModelError(
            "the model for codes gives none: it is no hashing method. Give a run of one, itq:64 or random:64."
        )
    return encoded.code.cpu().numpy()
