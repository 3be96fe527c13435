"""A backbone that is trained no more, as the image encoder whose features are computed once and cached."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.fast_tokens import FastTokens
from crossgraph.encoders.fingerprint import encoder_fingerprint, weights_of
from crossgraph.encoders.grid import grid_features, region_features
from crossgraph.encoders.image import Boxes, ImageEncoder, ImageFeatures, Window


class BackboneEncoder(ImageEncoder):
    """Features of `backbone`, which it takes over: frozen and fused, so give a copy of one that trains on."""

    def __init__(self, backbone: Backbone, *, cells: Sequence[int] = (5,), device: str = "cpu") -> None:
        self.name, self.cells, self.device = backbone.name, tuple(cells), torch.device(device)
        self.part_width, self.whole_width = backbone.part_width, backbone.whole_width
        self.fingerprint = backbone_fingerprint(backbone, cells=cells)
        self.joint = backbone.joint
        self._network = backbone.started_from or (backbone.network_fingerprint() if backbone.blocks else "")
        self.prepares, self.shorter_side = backbone.preparation, backbone.preparation.shorter_side
        self.backbone = backbone.eval().requires_grad_(False)
        self.backbone.fuse()
        self.backbone.to(self.device)
        self._fast_tokens = FastTokens(self.backbone)

    def look_within(self, other: ImageEncoder) -> bool:
        """Take features out of those of `other` from now on, if that runs this network beside its own."""
        if not isinstance(other, BackboneEncoder) or not other.backbone.beside or self.backbone.frozen_below:
            return False
        if (other._network, other.cells) != (self._network, self.cells):
            return False
        self.within = other
        return True

    def prepare(self, image: Image.Image) -> Image.Image:
        """The network's square of the picture."""
        return self.backbone.preparation.square(image)

    @torch.inference_mode()
    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        """Features of each picture: cells of the pooled grids row by row, and the network's vector for the whole."""
        if not images:
            return []
        squares = [self.prepare(image) for image in images]
        return grid_features(*self._tokens(squares), cells=self.cells, windows=self._windows(squares))

    @torch.inference_mode()
    def encode_regions(self, images: Sequence[Image.Image], boxes: Sequence[Boxes]) -> list[ImageFeatures]:
        """Features of each picture: the mean of the grid under each of its boxes."""
        if not images:
            return []
        squares = [self.prepare(image) for image in images]
        return region_features(*self._tokens(squares), boxes, windows=self._windows(squares))

    def _tokens(self, squares: Sequence[Image.Image]) -> tuple[Float[Tensor, "n d r c"], Float[Tensor, "n e"]]:
        return self._fast_tokens(self.backbone.preparation.pixels(squares).to(self.device))

    def _windows(self, squares: Sequence[Image.Image]) -> list[Window]:
        return [self.backbone.preparation.window(square) for square in squares]


def backbone_fingerprint(backbone: Backbone, *, cells: Sequence[int]) -> str:
    """What manifests and the feature cache know the features of a backbone by; to be asked before it is fused."""
    settings = {**backbone.identity(), "cells": list(cells), "pixels": backbone.preparation.describe()}
    if backbone.frozen_below:
        settings |= {"started_from": backbone.started_from, "from_block": backbone.frozen_below}
    if backbone.beside:
        settings["beside"] = True
    return encoder_fingerprint("image", settings, weights_of(backbone))
