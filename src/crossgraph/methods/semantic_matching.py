"""Semantic matching: what each item is about, by two linear classifiers; the score of a pair is how far they agree.

Each side is classified by itself into the labels of the training set (Rasiwasia et al. 2010, SM). The score of a pair
is the inner product of the two rows of label probabilities: the probability that both drew the same label. Nothing is
learnt across media. It is hard to beat where relevance means "shares a label", and rarely printed.

    parts -> mean -------------+-> logistic regression -> probabilities p --+-> score = p q
    words -> TF-IDF, or mean state -> logistic regression -> probabilities q

One softmax where every picture has exactly one label, one sigmoid for each label otherwise. The strength of the
regularisation is chosen on pictures held out of the training set.

| module                        | class                  | status     |
|-------------------------------|------------------------|------------|
| semantic space                | LinearClassifier       | documented |
| several labels                | LinearClassifier       | ours       |
| inner product of unit vectors | SemanticMatching.embed | ours       |
| picture vector                | image_vectors          | ours       |
| caption vector                | CaptionVector          | ours       |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from crossgraph.encoders.item_vectors import CaptionVector, ImageVector, image_vectors, image_width
from crossgraph.errors import ModelError
from crossgraph.layers.linear_classifier import LinearClassifier, held_out_rows
from crossgraph.methods.contract import ClosedForm, InputSizes, MethodConfig
from crossgraph.types import Batch, Encoded, ImageBatch, Provenance, TextBatch


class SemanticMatchingConfig(MethodConfig):
    """What is classified, and how the two rows of probabilities are compared."""

    compare: Literal["product", "cosine"] = Field("product", description="inner product of probabilities, or cosine")
    costs: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
        min_length=1,
        description="values of C that are tried on the slice",
    )
    held_out: float = Field(0.1, gt=0, lt=1, description="share of the training pictures that C is chosen on")
    image: ImageVector = Field("parts", description="mean of the parts, the whole-picture vector, or both")


class SemanticMatching(ClosedForm):
    """Two classifiers, one row of label probabilities a side."""

    name: ClassVar[str] = "semantic_matching"
    config_type: ClassVar[type[MethodConfig]] = SemanticMatchingConfig
    reads_labels: ClassVar[bool] = True
    ablations: ClassVar[Mapping[str, Mapping[str, object]]] = {"cosine": {"compare": "cosine"}}
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance("semantic space", "LinearClassifier", "documented", "Rasiwasia et al. 2010 (SM)"),
        Provenance("several labels", "LinearClassifier", "ours", "one-vs-rest, all labels solved at once"),
        Provenance("inner product of unit vectors", "SemanticMatching.embed", "ours", "two slack channels"),
        Provenance("picture vector", "image_vectors", "ours", "frozen features, not SIFT words"),
        Provenance("caption vector", "CaptionVector", "ours", "TF-IDF or frozen states, not topics"),
    )

    def __init__(self, config: SemanticMatchingConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        self.config = config
        self.caption_vector = CaptionVector(vocabulary=sizes.vocabulary, state_width=sizes.state_width)
        width = image_width(config.image, part_width=sizes.part_width, whole_width=sizes.whole_width)
        self.image_classifier = LinearClassifier(width, sizes.labels)
        self.text_classifier = LinearClassifier(self.caption_vector.width, sizes.labels)
        self.register_buffer("chosen_costs", torch.zeros(2))
        self.chosen_costs: Tensor

    def fit(self, batches: Iterable[Batch]) -> None:
        """Classify pictures, then captions by the labels of their pictures. One vector an item is held in memory."""
        self.caption_vector.count(batch.texts for batch in batches)
        images, captions, labels, links = [], [], [], []
        seen = 0
        for batch in batches:
            if batch.labels is None:
                raise ModelError("semantic matching learns from labels, and the batches have none.")
            images.append(image_vectors(batch.images, which=self.config.image))
            texts = self.caption_vector(batch.texts)
            captions.append(texts.to_sparse() if self.caption_vector.reads_ids else texts)
            labels.append(batch.labels)
            links.append(batch.caption_image + seen)
            seen += len(batch.images)
        truth, link = torch.cat(labels), torch.cat(links)
        # without an order of its own the slice would be the last class of a corpus sorted by class
        held_out = held_out_rows(torch.arange(seen), share=self.config.held_out, seed=0).to(link.device)
        costs = self.config.costs
        self.chosen_costs[0] = self.image_classifier.fit(torch.cat(images), truth, held_out, costs=costs)
        self.chosen_costs[1] = self.text_classifier.fit(torch.cat(captions), truth[link], held_out[link], costs=costs)

    def encode_images(self, images: ImageBatch) -> Encoded:
        """One unit vector per picture."""
        return Encoded(self.embed(self.image_classifier(image_vectors(images, which=self.config.image)), side=0))

    def encode_texts(self, texts: TextBatch) -> Encoded:
        """One unit vector per caption."""
        return Encoded(self.embed(self.text_classifier(self.caption_vector(texts)), side=1))

    def embed(self, probabilities: Float[Tensor, "n c"], *, side: int) -> Float[Tensor, "n c2"]:
        """Probabilities as unit vectors whose cosines across media order pairs as their inner products do.

        Two more channels, one for each side, take up what is missing to length 1: they meet zeros on the other side.
        Probabilities that may sum to more than 1 are divided by the most their length can be, which changes no order.
        """
        if self.config.compare == "cosine":
            return F.pad(F.normalize(probabilities, dim=1), (0, 2))
        if not self.image_classifier.exclusive:
            probabilities = probabilities / probabilities.shape[1] ** 0.5
        slack = (1 - probabilities.square().sum(dim=1, keepdim=True)).clamp(min=0).sqrt()
        return torch.cat([probabilities, F.pad(slack, (side, 1 - side))], dim=1)
