"""A pretrained model with a space for pictures and texts as it is: CLIP, SigLIP, ALIGN and their kin, without training.

The whole vector of a picture and that of a sentence are their places in the model's own space; the score is their
cosine, which ranks as the model's logits do. Nothing is learnt: a run says which model it is and how that makes logits.

    picture -> the model's picture tower -> unit embedding; score = cosine
    sentence -> the model's text tower --^

| module       | class          | status     |
|--------------|----------------|------------|
| common space | ImageBatch.whole, TextBatch.whole | documented |
| logits       | Pretrained.logits_of | documented |
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from crossgraph.errors import ConfigError, ModelError
from crossgraph.methods.contract import ClosedForm, InputSizes, MethodConfig
from crossgraph.types import Batch, Encoded, ImageBatch, Provenance, TextBatch


class PretrainedConfig(MethodConfig):
    """How logits are made of cosines; which model it is, `images.encoder` says."""

    scale: float | None = Field(None, gt=0, description="of cosines in logits; none: the model's own")
    bias: float | None = Field(None, description="added to logits; none: the model's own")


class Pretrained(ClosedForm):
    """The cosine of two whole vectors of one model."""

    name: ClassVar[str] = "pretrained"
    config_type: ClassVar[type[MethodConfig]] = PretrainedConfig
    one_model: ClassVar[bool] = True
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance(
            "common space",
            "ImageBatch.whole, TextBatch.whole",
            "documented",
            "Radford et al. 2021 (CLIP); Jia et al. 2021 (ALIGN); Zhai et al. 2023 (SigLIP)",
        ),
        Provenance("logits", "Pretrained.logits_of", "documented", "scale x cosine (CLIP, ALIGN), + bias (SigLIP)"),
    )

    def __init__(self, config: PretrainedConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        self.config = config
        if sizes.whole_width != sizes.text_whole_width:
            raise ConfigError(
                f"pretrained compares whole vectors of one model, and pictures have {sizes.whole_width} numbers, texts "
                f"{sizes.text_whole_width}; name one model with a space for both in images.encoder."
            )
        self.register_buffer("logits", torch.tensor([config.scale or 1.0, config.bias or 0.0]))
        self.register_buffer("towers", torch.zeros(32, dtype=torch.uint8))
        self.logits: Tensor
        self.towers: Tensor

    def take(self, images: str, texts: str, logits: tuple[float, float]) -> None:
        """Keep which two towers these are, by fingerprint, and how their model makes logits, unless settings say.

        Runs are told apart by their weights, and this one has no others.
        """
        digest = hashlib.sha256(f"{images} {texts}".encode()).digest()
        self.towers.copy_(torch.tensor(list(digest), dtype=torch.uint8))
        scale, bias = logits
        scale = scale if self.config.scale is None else self.config.scale
        bias = bias if self.config.bias is None else self.config.bias
        self.logits.copy_(torch.tensor([scale, bias]))

    def logits_of(self, cosines: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The model's own logits; of SigLIP their sigmoid is a probability, of CLIP their softmax over choices."""
        return self.logits[0] * cosines + self.logits[1]

    def fit(self, batches: Iterable[Batch]) -> None:
        """Learn nothing."""

    def encode_images(self, images: ImageBatch) -> Encoded:
        """One unit vector per picture."""
        return Encoded(F.normalize(images.whole, dim=1))

    def encode_texts(self, texts: TextBatch) -> Encoded:
        """One unit vector per caption."""
        if texts.whole is None:
            raise ModelError("this method reads whole vectors, which the texts lack; encode them as in training.")
        return Encoded(F.normalize(texts.whole, dim=1))
