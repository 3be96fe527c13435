"""Pictures and captions in the one space that canonical correlation analysis finds for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.encoders.item_vectors import CaptionVector, ImageVector, image_vectors, image_width
from crossgraph.encoders.widths import ItemWidths
from crossgraph.layers.canonical_correlation import CanonicalCorrelation
from crossgraph.types import Batch, ImageBatch, TextBatch


@runtime_checkable
class CanonicalSettings(Protocol):
    """The settings of a method that its space has to know."""

    @property
    def components(self) -> int: ...

    @property
    def regularisation(self) -> float: ...

    @property
    def power(self) -> float: ...

    @property
    def image(self) -> ImageVector: ...

    @property
    def most_words(self) -> int: ...


class CanonicalSpace(nn.Module):
    """Unit vectors for both sides; `components` is how wide they are, at most as asked for."""

    def __init__(self, settings: CanonicalSettings, sizes: ItemWidths) -> None:
        super().__init__()
        self.caption_vector = CaptionVector(
            vocabulary=sizes.vocabulary, state_width=sizes.state_width, most_words=settings.most_words
        )
        self.image = settings.image
        self.correlate = CanonicalCorrelation(
            image_width(self.image, part_width=sizes.part_width, whole_width=sizes.whole_width),
            self.caption_vector.width,
            components=settings.components,
            regularisation=settings.regularisation,
            power=settings.power,
        )
        self.components = self.correlate.components

    def fit(self, batches: Iterable[Batch]) -> None:
        """Count words, then correlate every caption with its picture; reads the batches twice."""
        self.caption_vector.count(batch.texts for batch in batches)
        self.correlate.fit(
            (image_vectors(batch.images, which=self.image)[batch.caption_image], self.caption_vector(batch.texts))
            for batch in batches
        )

    def place_images(self, images: ImageBatch) -> Float[Tensor, "n k"]:
        """One unit vector per picture."""
        return self.correlate.map_left(image_vectors(images, which=self.image))

    def place_texts(self, texts: TextBatch) -> Float[Tensor, "m k"]:
        """One unit vector per caption."""
        return self.correlate.map_right(self.caption_vector(texts))
