"""`matrices-demo`: given features of the shape of the Wikipedia set, drawn on the spot, to try commands without a file.

2,173 training and 693 test pairs of ten classes, 128 numbers an image and ten a text. Both sides of a pair are noisy
views of one hidden vector, which lies near the centre of its class: texts tell classes well, images less so, and a
pair has a little more in common than its class.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from crossgraph.data.corpus import Corpus
from crossgraph.data.given_features import GivenFeatures, text_names
from crossgraph.data.shares import hold_out
from crossgraph.errors import DataError

TRAIN_PAIRS, TEST_PAIRS, CLASSES, IMAGE_WIDTH, TEXT_WIDTH, HIDDEN_WIDTH = 2173, 693, 10, 128, 10, 24
VALIDATION_SHARE = 0.1
_SPEC = re.compile(r"matrices-demo(?::(\d{1,9}))?")


def open_matrices_demo(spec: str, *, name: str | None = None) -> Corpus:
    """The corpus that "matrices-demo" or "matrices-demo:SEED" asks for."""
    asked = _SPEC.fullmatch(spec)
    if asked is None:
        raise DataError(f"cannot understand {spec!r}: write matrices-demo or matrices-demo:SEED, a whole number.")
    corpus = draw_matrices(int(asked[1] or 0))
    return corpus if name is None else replace(corpus, name=name)


def draw_matrices(seed: int = 0, *, train: int = TRAIN_PAIRS, test: int = TEST_PAIRS) -> Corpus:
    """So many pairs; a tenth of the training pairs is the `val` split. Equal arguments give equal corpora."""
    rng = np.random.default_rng((seed, 0))
    pairs = train + test
    centres = rng.normal(size=(CLASSES, HIDDEN_WIDTH))
    see, read = rng.normal(size=(HIDDEN_WIDTH, IMAGE_WIDTH)), rng.normal(size=(HIDDEN_WIDTH, TEXT_WIDTH))
    classes = rng.integers(CLASSES, size=pairs)
    hidden = centres[classes] + 0.7 * rng.normal(size=(pairs, HIDDEN_WIDTH))
    images = _histogram(hidden @ see / HIDDEN_WIDTH**0.5 + 2.0 * rng.normal(size=(pairs, IMAGE_WIDTH)))
    texts = _histogram(hidden @ read / HIDDEN_WIDTH**0.5 + 0.5 * rng.normal(size=(pairs, TEXT_WIDTH)))
    rows = texts.astype(np.float32)
    features = GivenFeatures(images.astype(np.float32), rows, f"matrices-demo:{seed}")
    ids = tuple(f"pair {number}" for number in range(1, pairs + 1))
    splits = hold_out(ids, ["train"] * train + ["test"] * test, val=VALIDATION_SHARE, seed=seed)
    return Corpus(
        name=features.kind,
        image_paths=tuple(map(Path, ids)),
        image_ids=ids,
        image_splits=tuple(splits),
        captions=text_names(rows),
        caption_image=np.arange(pairs),
        labels=np.eye(CLASSES, dtype=np.bool_)[classes],
        label_names=tuple(f"class {number}" for number in range(1, CLASSES + 1)),
        features=features,
    )


def _histogram(values: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """Rows that are positive and sum to 1, as word counts and topic shares do."""
    grown = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))
