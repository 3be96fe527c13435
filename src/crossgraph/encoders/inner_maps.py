"""What comes into the trained blocks of an image network, as features that are computed once and cached."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image

from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.fingerprint import encoder_fingerprint
from crossgraph.encoders.grid import grid_boxes
from crossgraph.encoders.image import ImageEncoder, ImageFeatures
from crossgraph.errors import ModelError


class InnerMapEncoder(ImageEncoder):
    """Parts are the cells of `backbone.inner`, row by row; the whole is the network's as it is before training.

    To be asked before the first step, while the network is what `backbone.started_from` says.
    """

    def __init__(self, backbone: Backbone, *, device: str = "cpu") -> None:
        if not backbone.frozen_below:
            raise ModelError("only a network that is frozen below a block has inner maps; freeze it first.")
        self.name = f"{backbone.name}-block{backbone.frozen_below}"
        self.part_width = backbone.inner_width
        self.whole_width = backbone.whole_width // (2 if backbone.beside else 1)
        settings = {"of": backbone.started_from, "block": backbone.frozen_below}
        self.fingerprint = encoder_fingerprint("inner maps", settings)
        self.prepares, self.shorter_side = backbone.preparation, backbone.preparation.shorter_side
        self.backbone, self.device = backbone.to(device), device

    def prepare(self, image: Image.Image) -> Image.Image:
        """The picture squashed to the network's square."""
        return self.backbone.preparation.square(image)

    @torch.inference_mode()
    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        """The inner map of each picture, and the whole vector of the network."""
        if not images:
            return []
        inner = self.backbone.inner(self.backbone.preparation.pixels(images).to(self.device))
        wholes = self.backbone.whole_as_it_came(inner).to("cpu", torch.float16).numpy()
        parts = inner.flatten(2).transpose(1, 2).to("cpu", torch.float16).contiguous().numpy()
        boxes = grid_boxes((inner.shape[2],))
        return [ImageFeatures(part, boxes, whole) for part, whole in zip(parts, wholes, strict=True)]
