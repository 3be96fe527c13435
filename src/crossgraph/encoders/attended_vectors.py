"""From a picture's parts, or a sentence's words, to one vector, with attention that is learnt."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.encoders.gru import WordEncoder
from crossgraph.layers.pooling import HeadPooling, masked_mean
from crossgraph.layers.projection import ResidualProjection
from crossgraph.types import ImageBatch, TextBatch


class AttendedImage(nn.Module):
    """Parts are projected and pooled by heads; the projected whole is added."""

    def __init__(self, part_width: int, whole_width: int, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.image_proj = ResidualProjection(part_width, width, dropout=dropout)
        self.whole_proj = ResidualProjection(whole_width, width, dropout=dropout)
        self.pool = HeadPooling(width, heads=heads)

    def forward(self, images: ImageBatch) -> Float[Tensor, "n d"]:
        """One vector per picture."""
        pooled: Tensor = self.pool(self.image_proj(images.parts), images.mask) + self.whole_proj(images.whole)
        return pooled


class AttendedText(nn.Module):
    """Words are mapped and pooled by heads; their mean is added."""

    def __init__(
        self, *, vocabulary: int, state_width: int, word_width: int, width: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.width = width
        self.word_encoder = WordEncoder(
            width,
            vocabulary=vocabulary,
            state_width=state_width,
            word_width=word_width,
            dropout=dropout,
            gru_width=0,
        )
        self.pool = HeadPooling(width, heads=heads)

    def forward(self, texts: TextBatch) -> Float[Tensor, "m d"]:
        """One vector per caption."""
        words = self.word_encoder(texts)
        pooled: Tensor = self.pool(words, texts.mask) + masked_mean(words, texts.mask)
        return pooled
