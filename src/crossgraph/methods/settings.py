"""Settings that several methods share; what is a method's own stands in its file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from crossgraph.encoders.item_vectors import ImageVector
from crossgraph.methods.contract import MethodConfig


class HeadedConfig(MethodConfig):
    """Settings of a method whose channels are split into heads, which must divide them."""

    width: int
    heads: int

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> HeadedConfig:
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}; choose a divisor")
        return self


class RankedConfig(HeadedConfig):
    """Settings of a method that learns to rank pairs from the words of captions and the parts of pictures."""

    word_width: int = Field(300, gt=0, description="width of a word vector: learned, or of what a GRU reads of states")
    gru_width: int = Field(256, ge=0, description="channels of the GRU; 0: none, for frozen states in context already")
    dropout: float = Field(0.3, ge=0, lt=1, description="of the frozen features, in training")
    loss: Literal["info_nce", "triplet"] = Field("info_nce", description="softmax over negatives, or the hinge")
    margin: float = Field(0.2, description="of the ranking hinge")
    region_names: bool = Field(
        False,
        description="parts are read with the names of what the image network's own classifier takes them for",
    )


class RerankerConfig(RankedConfig):
    """Settings of a method that scores pairs one by one: in training, of every query its matches and some negatives."""

    width: int = Field(256, gt=0, description="channels of parts, nodes and wholes (the papers' family uses 1024)")
    heads: int = Field(8, gt=0, description="heads that pool parts into the whole; must divide the width")
    candidates: int = Field(
        6, ge=0, description="negatives a query is trained against, half of them the hardest; 0: all"
    )
    global_weight: float = Field(1.0, ge=0, description="weight of the loss that trains the shortlist embedding")


class GraphMethodConfig(RerankerConfig):
    """Settings of a method that makes scene graphs of both sides (`encoders.graph_sides`)."""

    neighbours: int = Field(4, ge=1, description="relations of a region: to so many nearest others")
    relations: bool = Field(True, description="relation nodes on both sides; off: objects and attributes only")
    consistency: bool = Field(True, description="relations match by the objects they join, too")


class CanonicalConfig(MethodConfig):
    """Settings of a method that works in the space of canonical correlation analysis (`encoders.canonical_space`)."""

    components: int = Field(128, gt=0, description="directions of the common space, at most the narrower side's width")
    regularisation: float = Field(0.1, gt=0, description="of the covariances, in units of their mean variance")
    power: float = Field(1.0, ge=0, description="directions are scaled by correlation ** power; 0: all alike")
    image: ImageVector = Field("parts", description="mean of the parts, the whole-picture vector, or both")
    most_words: int = Field(3000, gt=1, description="words of TF-IDF, frequent first; the rest count as unknown")
