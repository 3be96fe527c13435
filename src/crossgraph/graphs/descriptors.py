"""Frozen descriptions of pictures by their texts: what says which pictures are alike before anything is learnt.

One row a picture, of unit length, from all its captions together; a picture without words has a row of zeros, and is
like no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

TOKEN = r"(?u)[^\W_]+(?:'[^\W_]+)*"
"""Letters and digits with apostrophes inside, single ones too."""

Rows: TypeAlias = Any
"""Descriptors: an array, or a sparse matrix of scipy, which has no types; one row a picture."""


def tfidf_descriptors(
    captions: Sequence[str], caption_image: Int[Tensor, " m"], *, images: int, min_count: int = 2
) -> Rows:
    """Word counts (logarithmic) times the rarity of words, `images` rows of unit length.

    A word counts if at least `min_count` pictures have it; where no word is that frequent, every word counts.
    """
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    said: list[list[str]] = [[] for _ in range(images)]
    for caption, image in zip(captions, caption_image.tolist(), strict=True):
        said[image].append(caption)
    documents = [" ".join(texts) for texts in said]
    for least in dict.fromkeys((min_count, 1)):
        vectorizer = TfidfVectorizer(token_pattern=TOKEN, min_df=least, sublinear_tf=True, dtype=np.float32)
        try:
            return csr_matrix(vectorizer.fit_transform(documents))
        except ValueError:  # no word is left
            continue
    return csr_matrix((images, 1), dtype=np.float32)


def state_descriptors(
    caption_vectors: Float[Tensor, "m w"], caption_image: Int[Tensor, " m"], *, images: int
) -> NDArray[np.float32]:
    """The mean vector of each picture's captions, less the mean of all of them, at unit length.

    Vectors of sentence encoders all point much the same way; without their common part, cosines tell texts apart.
    """
    total = caption_vectors.new_zeros(images, caption_vectors.shape[1]).index_add_(0, caption_image, caption_vectors)
    counts = torch.bincount(caption_image, minlength=images)[:, None]
    spoken = counts > 0
    means = total / counts.clamp(min=1)
    centre = means.sum(dim=0) / spoken.sum().clamp(min=1)
    found: NDArray[np.float32] = F.normalize((means - centre) * spoken, dim=1).float().numpy()
    return found


def dense(rows: Rows) -> NDArray[np.float32]:
    """The same rows as an array."""
    found: NDArray[np.float32] = rows if isinstance(rows, np.ndarray) else rows.toarray()
    return found
