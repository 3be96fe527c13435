"""DCMH-style hashing: two networks whose codes make the label similarity of pairs likely.

Jiang & Li: *Deep Cross-Modal Hashing*, CVPR 2017. A picture and a caption are alike when they share a label; their
codes f, g should make that likely: P(alike) = sigmoid(f g / 2). Both stay near one binary code of the pair,
sign(f + g), and every bit splits the items evenly. The paper fine-tunes a CNN and alternates over the whole training
set; here both networks read frozen features, and codes and networks move together, a batch at a time.

    parts -> mean -> MLP -> f --+-> signs -> packed code; score = cosine of codes
    words -> bag, or mean state -> MLP -> g

| module                             | class                      | status     |
|------------------------------------|----------------------------|------------|
| picture network                    | Tower                      | ours       |
| caption network                    | Tower                      | documented |
| pairwise likelihood                | losses.pairwise_likelihood | documented |
| balanced pairs                     | losses.pairwise_likelihood | documented |
| quantisation to a code of the pair | Dcmh.losses                | documented |
| bit balance                        | Dcmh.losses                | documented |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from crossgraph.encoders.item_vectors import CaptionVector, ImageVector, image_vectors, image_width
from crossgraph.errors import ModelError
from crossgraph.layers.dropout import Dropout
from crossgraph.layers.hash_head import encoded_code
from crossgraph.layers.shared_rows import by_row
from crossgraph.losses.pairwise_likelihood import pairwise_likelihood
from crossgraph.methods.contract import CosineMethod, InputSizes, MethodConfig
from crossgraph.types import Batch, Encoded, ImageBatch, Provenance, TextBatch


class DcmhConfig(MethodConfig):
    """Sizes and weights of the losses."""

    bits: int = Field(64, gt=0, multiple_of=8, description="length of the code; papers report 16, 32, 64 and 128")
    width: int = Field(512, gt=0, description="channels of the hidden layers")
    dropout: float = Field(0.3, ge=0, lt=1, description="of the frozen features, in training")
    quantisation: float = Field(0.1, ge=0, description="weight of the distance to the common code, mean over bits")
    balanced_pairs: bool = Field(True, description="alike pairs weigh as much as the others; off: as published")
    balance: float = Field(0.1, ge=0, description="weight of bit balance")
    image: ImageVector = Field("parts", description="mean of the parts, the whole-picture vector, or both")


class Tower(nn.Module):
    """From the vector of an item to `bits` real numbers, whose signs are its code."""

    def __init__(self, inner: int, config: DcmhConfig, *, normed: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inner) if normed else nn.Identity()
        self.dropout = Dropout(config.dropout)
        self.hidden, self.code = nn.Linear(inner, config.width), nn.Linear(config.width, config.bits)

    def forward(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n bits"]:
        """One row of real numbers per item, not bounded."""
        values: Tensor = self.code(F.relu(self.hidden(self.dropout(self.norm(vectors)))))
        return values


class Dcmh(CosineMethod):
    """Two networks, one binary code a side, Hamming distance as score."""

    name: ClassVar[str] = "dcmh"
    config_type: ClassVar[type[MethodConfig]] = DcmhConfig
    reads_labels: ClassVar[bool] = True
    ablations: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "unbalanced-pairs": {"balanced_pairs": False},
        "no-quantisation": {"quantisation": 0.0},
        "no-balance": {"balance": 0.0},
    }
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance("picture network", "Tower", "ours", "frozen features in the place of a tuned CNN-F"),
        Provenance("caption network", "Tower", "documented", "DCMH (Jiang & Li 2017): bag of words, one hidden layer"),
        Provenance("pairwise likelihood", "losses.pairwise_likelihood", "documented", "DCMH (Jiang & Li 2017)"),
        Provenance("balanced pairs", "losses.pairwise_likelihood", "documented", "HashNet (Cao 2017), not DCMH"),
        Provenance(
            "quantisation to a code of the pair", "Dcmh.losses", "documented", "DCMH; of a batch, not alternating"
        ),
        Provenance("bit balance", "Dcmh.losses", "documented", "DCMH (Jiang & Li 2017); of a batch"),
    )

    def __init__(self, config: DcmhConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        self.config = config
        self.caption_vector = CaptionVector(vocabulary=sizes.vocabulary, state_width=sizes.state_width)
        width = image_width(config.image, part_width=sizes.part_width, whole_width=sizes.whole_width)
        self.image_network = Tower(width, config, normed=True)
        self.text_network = Tower(self.caption_vector.width, config, normed=not self.caption_vector.reads_ids)

    def encode_images(self, images: ImageBatch) -> Encoded:
        """One packed code per picture."""
        return encoded_code(self._image_values(images))

    def encode_texts(self, texts: TextBatch) -> Encoded:
        """One packed code per caption."""
        return encoded_code(self._text_values(texts))

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Float[Tensor, ""]]:
        """Likelihood of label similarity, distance to the common code of each pair, and bit balance."""
        images, texts = self._image_values(batch.images), self._text_values(batch.texts)
        own = images[batch.caption_image]
        common = torch.where(own + texts >= 0, 1.0, -1.0).detach()
        return {
            "likelihood": pairwise_likelihood(images, texts, alike(batch), balanced=self.config.balanced_pairs),
            "quantisation": self.config.quantisation
            * ((own - common).square().mean() + (texts - common).square().mean()),
            "balance": self.config.balance * (images.mean(dim=0).square().mean() + texts.mean(dim=0).square().mean()),
        }

    @by_row
    def _image_values(self, images: ImageBatch) -> Float[Tensor, "n bits"]:
        values: Tensor = self.image_network(image_vectors(images, which=self.config.image))
        return values

    @by_row
    def _text_values(self, texts: TextBatch) -> Float[Tensor, "m bits"]:
        values: Tensor = self.text_network(self.caption_vector(texts))
        return values


def alike(batch: Batch) -> Bool[Tensor, "n m"]:
    """Which pictures and captions share a label; a picture's own captions count even where it has none."""
    if batch.labels is None:
        raise ModelError("this method learns from labels, and the batch has none.")
    labels = batch.labels.float()
    own = batch.caption_image == torch.arange(len(labels), device=labels.device)[:, None]
    return (labels @ labels[batch.caption_image].T > 0) | own
