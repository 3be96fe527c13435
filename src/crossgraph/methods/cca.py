"""Canonical correlation analysis: the oldest common space, learnt from pairs alone, without a label or a step.

Two linear maps under which the pictures and captions of pairs are as correlated as can be (Hotelling 1936), as a
retrieval method: "correlation matching" of Rasiwasia et al. 2010. The training set is read once or twice, a batch at a
time; what is kept are covariances.

    parts -> mean ----------+-> centre -> map -> x correlations -> unit embedding; score = cosine
    words -> TF-IDF, or mean state --^

| module                   | class                | status     |
|--------------------------|----------------------|------------|
| correlation matching     | CanonicalCorrelation | documented |
| ridge on the covariances | CanonicalCorrelation | documented |
| directions weighed       | CanonicalCorrelation | documented |
| picture vector           | image_vectors        | ours       |
| caption vector           | CaptionVector        | ours       |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from crossgraph.encoders.canonical_space import CanonicalSpace
from crossgraph.methods.contract import ClosedForm, InputSizes, MethodConfig
from crossgraph.methods.settings import CanonicalConfig
from crossgraph.types import Batch, Encoded, ImageBatch, Provenance, TextBatch


class CcaConfig(CanonicalConfig):
    """What is correlated, and how much the correlations are trusted."""


class Cca(ClosedForm):
    """Two linear maps into one space, cosine score."""

    name: ClassVar[str] = "cca"
    config_type: ClassVar[type[MethodConfig]] = CcaConfig
    ablations: ClassVar[Mapping[str, Mapping[str, object]]] = {"unweighted": {"power": 0.0}}
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance(
            "correlation matching", "CanonicalCorrelation", "documented", "Hotelling 1936; Rasiwasia et al. 2010 (CM)"
        ),
        Provenance("ridge on the covariances", "CanonicalCorrelation", "documented", "Hardoon et al. 2004"),
        Provenance(
            "directions weighed", "CanonicalCorrelation", "documented", "Gong et al. 2014, with their power free"
        ),
        Provenance("picture vector", "image_vectors", "ours", "frozen features, not SIFT words"),
        Provenance("caption vector", "CaptionVector", "ours", "TF-IDF or frozen states, not topics"),
    )

    def __init__(self, config: CcaConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        self.config = config
        self.space = CanonicalSpace(config, sizes)

    def fit(self, batches: Iterable[Batch]) -> None:
        """Count words, then correlate every caption with its picture."""
        self.space.fit(batches)

    def encode_images(self, images: ImageBatch) -> Encoded:
        """One unit vector per picture."""
        return Encoded(self.space.place_images(images))

    def encode_texts(self, texts: TextBatch) -> Encoded:
        """One unit vector per caption."""
        return Encoded(self.space.place_texts(texts))
