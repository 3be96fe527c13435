"""Pictures and captions in the one space that canonical correlation analysis finds for them."""

from __future__ import annotations

from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.encoders.item_vectors import CaptionVector, PictureVector, picture_vectors
from crossgraph.layers.canonical_correlation import CanonicalCorrelation
from crossgraph.types import Batch, ImageBatch, TextBatch


class CanonicalSpace(nn.Module):
    """Unit vectors for both sides; `components` is how wide they are, at most as asked for."""

    def __init__(
        self,
        read: CaptionVector,
        *,
        picture: PictureVector,
        picture_width: int,
        components: int,
        regularisation: float,
        power: float,
    ) -> None:
        super().__init__()
        self.read, self.picture = read, picture
        self.correlate = CanonicalCorrelation(
            picture_width, read.width, components=components, regularisation=regularisation, power=power
        )
        self.components = self.correlate.components

    def fit(self, batches: Iterable[Batch]) -> None:
        """Count words, then correlate every caption with its picture; reads the batches twice."""
        self.read.count(batch.texts for batch in batches)
        self.correlate.fit(
            (picture_vectors(batch.images, which=self.picture)[batch.caption_image], self.read(batch.texts))
            for batch in batches
        )

    def place_images(self, images: ImageBatch) -> Float[Tensor, "n k"]:
        """One unit vector per picture."""
        return self.correlate.map_left(picture_vectors(images, which=self.picture))

    def place_texts(self, texts: TextBatch) -> Float[Tensor, "m k"]:
        """One unit vector per caption."""
        return self.correlate.map_right(self.read(texts))
