"""Signs of random projections of a canonical space: what hashing gets without learning one bit.

Random hyperplanes turn an angle into a chance of different bits, angle / pi (Charikar 2002). For bits of pictures and
captions to be comparable, both must lie in one space first: that of canonical correlation analysis (`cca`), which needs
pairs but no labels. The hyperplanes are the same for both sides, drawn once from the run's seed.

| module             | class                | status     |
|--------------------|----------------------|------------|
| random hyperplanes | RandomProjection     | documented |
| common space       | CanonicalCorrelation | documented |
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from crossgraph.encoders.canonical_space import CanonicalSpace
from crossgraph.layers.hash_head import encoded_code
from crossgraph.methods.contract import ClosedForm, InputSizes, MethodConfig
from crossgraph.methods.settings import CanonicalConfig
from crossgraph.types import Batch, Encoded, ImageBatch, Provenance, TextBatch


class RandomProjectionConfig(CanonicalConfig):
    """How many bits, and the space they are taken of (as in `cca`)."""

    bits: int = Field(64, gt=0, multiple_of=8, description="length of the code; papers report 16, 32, 64 and 128")


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
        self.space = CanonicalSpace(config, sizes)
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
