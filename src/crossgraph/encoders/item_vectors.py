"""One vector for a whole picture and one for a whole caption, with nothing to learn by gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.errors import ConfigError, ModelError
from crossgraph.layers.pooling import masked_mean
from crossgraph.types import ImageBatch, TextBatch
from crossgraph.words import UNKNOWN

ImageVector = Literal["parts", "whole", "both"]
"""Which frozen features stand for a picture: the mean of its parts, its whole-picture vector, or both in a row."""


def image_width(which: ImageVector, *, part_width: int, whole_width: int) -> int:
    """How wide `image_vectors` are."""
    return {"parts": part_width, "whole": whole_width, "both": part_width + whole_width}[which]


def image_vectors(images: ImageBatch, *, which: ImageVector) -> Float[Tensor, "n d"]:
    """One vector per picture; the mean of parts is over real parts."""
    if which == "whole":
        return images.whole
    mean = masked_mean(images.parts, images.mask)
    return mean if which == "parts" else torch.cat([mean, images.whole], dim=1)


class CaptionVector(nn.Module):
    """Captions as vectors: TF-IDF of their words where they come as ids, the mean of their frozen states otherwise.

    Words are weighed by ln((1 + captions) / (1 + captions with the word)) + 1, and vectors have length 1, as
    scikit-learn's are. Until `count` has seen the training captions all words weigh alike. Ids are ordered by
    frequency, so that `most_words` keeps the frequent ones; the rest count as unknown.
    """

    def __init__(self, *, vocabulary: int, state_width: int, most_words: int | None = None) -> None:
        super().__init__()
        if (vocabulary > 0) == (state_width > 0):
            raise ConfigError(
                f"a caption is either ids or states: give vocabulary or state_width, got {vocabulary} and "
                f"{state_width}."
            )
        self.reads_ids = vocabulary > 0
        self.width = min(vocabulary, most_words or vocabulary) if self.reads_ids else state_width
        self.register_buffer("rarity", torch.ones(self.width if self.reads_ids else 0))
        self.rarity: Tensor

    def count(self, captions: Iterable[TextBatch]) -> None:
        """Learn how rare each word is; frozen states need none of it."""
        if not self.reads_ids:
            return
        found = torch.zeros(self.width, dtype=torch.float64)
        total = 0
        for texts in captions:
            found += (self._counts(texts) > 0).sum(dim=0).double().cpu()
            total += len(texts)
        self.rarity.copy_(torch.log((1 + total) / (1 + found)) + 1)

    def forward(self, texts: TextBatch) -> Float[Tensor, "m d"]:
        """One vector per caption; zero for a caption without words."""
        if self.reads_ids:
            return F.normalize(self._counts(texts) * self.rarity, dim=1)
        if texts.states is None:
            raise ModelError("this method reads word states, which the texts lack; encode them as in training.")
        return masked_mean(texts.states, texts.mask)

    def _counts(self, texts: TextBatch) -> Float[Tensor, "m d"]:
        """How often each word occurs in each caption."""
        if texts.ids is None:
            raise ModelError("this method reads word ids, which the texts lack; encode them as in training.")
        known = texts.ids.masked_fill(texts.ids >= self.width, UNKNOWN)
        counts = torch.zeros(len(texts), self.width, device=known.device)
        return counts.scatter_add_(1, known, texts.mask.to(counts.dtype))
