"""Signs of random projections of a canonical space: what hashing gets without learning one bit.

Random hyperplanes turn an angle into a chance of different bits, angle / pi (Charikar 2002). For bits of pictures and
captions to be comparable, both must lie in one space first: that of canonical correlation analysis (`cca`), which needs
pairs but no labels. The hyperplanes are the same for both sides, drawn once from the run's seed.

| module                       | class                | status                                  |
|------------------------------|----------------------|-----------------------------------------|
| random hyperplanes           | RandomProjection     | documented (Charikar 2002)              |
| common space                 | CanonicalCorrelation | documented (Hotelling 1936); the pairing of the two is ours |
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from crossgraph.encoders.canonical_space import CanonicalSpace
from crossgraph.encoders.item_vectors import ImageVector
from crossgraph.layers.hash_head import encoded_code
from crossgraph.methods.contract import ClosedForm, InputSizes, MethodConfig
from crossgraph.types import Batch, Encoded, ImageBatch, Provenance, TextBatch


class RandomProjectionConfig(MethodConfig):
    """How many bits, and the space they are taken of (as in `cca`)."""

    bits: int = Field(64, gt=0, multiple_of=8, description="length of the code; papers report 16, 32, 64 and 128")
    components: int = Field(128, gt=0, description="directions of the common space, at most the narrower side's width")
    regularisation: float = Field(0.1, gt=0, description="of the covariances, in units of their mean variance")
    power: float = Field(1.0, ge=0, description="directions are scaled by correlation ** power; 0: all alike")
    image: ImageVector = Field("parts", description="mean of the parts, the whole-picture vector, or both")
    most_words: int = Field(3000, gt=1, description="words of TF-IDF, frequent first; the rest count as unknown")


class RandomProjection(ClosedForm):
    """On which side of random hyperplanes an item lies, one bit for each."""

    name: ClassVar[str] = "random_projection"
    config_type: ClassVar[type[MethodConfig]] = RandomProjectionConfig
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance("random hyperplanes", "RandomProjection", "documented", "Charikar 2002"),
        Provenance("common space", "CanonicalCorrelation", "documented", "Hotelling 1936; hyperplanes in it are ours"),
    )

    def __init__(self, config: RandomProjectionConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        self.config = config
        self.space = CanonicalSpace(
            **sizes.of_items(),
            most_words=config.most_words,
            image=config.image,
            components=config.components,
            regularisation=config.regularisation,
            power=config.power,
        )
        self.register_buffer("hyperplanes", torch.randn(self.space.components, config.bits))
        self.hyperplanes: Tensor

    def fit(self, batches: Iterable[Batch]) -> None:
        """Count words, then correlate every caption with its picture; the hyperplanes stay as they were drawn."""
        self.space.fit(batches)

    def encode_images(self, images: ImageBatch) -> Encoded:
        """One packed code per picture."""
        vectors = self.space.place_images(images)
        return encoded_code(vectors @ self.hyperplanes)

    def encode_texts(self, texts: TextBatch) -> Encoded:
        """One packed code per caption."""
        return encoded_code(self.space.place_texts(texts) @ self.hyperplanes)
