"""Any Hugging Face vision model as an image encoder: ViT, DINO, the vision tower of CLIP, ResNet and their kin.

Patch tokens (or the last feature map) are pooled to the grid of parts. Pictures are squashed to the square the
model reads instead of cropped, so that boxes are true of the whole picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModel

from crossgraph.encoders.fingerprint import encoder_fingerprint
from crossgraph.encoders.grid import grid_features, region_features
from crossgraph.encoders.image import IMAGE_ENCODERS, Boxes, ImageEncoder, ImageFeatures, squash
from crossgraph.encoders.pretrained import load_network, load_piece, pretrained_folder
from crossgraph.errors import ConfigError, ModelError


class TransformerImageEncoder(ImageEncoder):
    """A vision model by local folder or hub name (cached, or fetched when there is a network)."""

    def __init__(self, name: str, *, size: int | None = None, cells: Sequence[int] = (5,), device: str = "cpu") -> None:
        folder = pretrained_folder(name, kind="image encoder", known=IMAGE_ENCODERS)
        network = load_network(AutoModel, folder, name=name)
        self.name = name
        self.cells = tuple(cells)
        self.device = torch.device(device)
        # The slower processors built on Pillow need no torchvision.
        self.processor: Any = load_piece(
            lambda: AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil"), name=name
        )
        self.network = getattr(network, "vision_model", network).to(self.device)
        self.size = size or trained_size(self.processor)
        settings = {"size": self.size, "cells": self.cells, "processor": self.processor.to_dict()}
        self.fingerprint = encoder_fingerprint(name, settings, self.network)
        self.part_width, self.whole_width = self._measure_widths()

    def prepare(self, image: Image.Image) -> Image.Image:
        """The picture squashed to the model's square."""
        return squash(image, self.size)

    @torch.inference_mode()
    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        """Features of each picture: pooled patch tokens; as whole the model's pooled output, else its CLS token."""
        return grid_features(*self._maps(images), cells=self.cells) if images else []

    @torch.inference_mode()
    def encode_regions(self, images: Sequence[Image.Image], boxes: Sequence[Boxes]) -> list[ImageFeatures]:
        """Features of each picture: the mean of the patch tokens under each of its boxes."""
        return region_features(*self._maps(images), boxes) if images else []

    def _maps(self, images: Sequence[Image.Image]) -> tuple[Float[Tensor, "n d h w"], Float[Tensor, "n e"]]:
        """The square of patch tokens, and the whole: the model's pooled output, else its CLS token."""
        squares = [np.asarray(self.prepare(image)) for image in images]
        inputs = self.processor(squares, return_tensors="pt", do_resize=False, do_center_crop=False)
        output = self.network(pixel_values=inputs["pixel_values"].to(self.device))
        grid, whole = split_tokens(output.last_hidden_state)
        pooled = getattr(output, "pooler_output", None)
        return grid, whole if pooled is None else pooled.flatten(1)

    def _measure_widths(self) -> tuple[int, int]:
        """Widths of parts and whole, seen by encoding one grey picture; a size the model refuses shows here."""
        try:
            seen = self.encode([Image.new("RGB", (self.size, self.size), "grey")])[0]
        except (ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise ConfigError(
                f"the model {self.name!r} cannot encode pictures of {self.size} x {self.size} pixels: {error} "
                "Leave the size out to use its own, or choose a vision model."
            ) from error
        return seen.parts.shape[1], seen.whole.shape[0]


def trained_size(processor: Any) -> int:
    """The side in pixels of the square a model's processor makes: its crop if it crops, else its resize."""
    cropped = getattr(processor, "do_center_crop", False) and getattr(processor, "crop_size", None)
    size = dict(cropped or getattr(processor, "size", None) or {})
    side = size.get("height") or size.get("shortest_edge")
    if not side:
        raise ConfigError(f"the image processor names no picture size (got {size}); pass size=..., in pixels.")
    return int(side)


def split_tokens(hidden: Float[Tensor, ...]) -> tuple[Float[Tensor, "n d h w"], Float[Tensor, "n d"]]:
    """The square grid of patch tokens, and a vector for the whole: the CLS token, else the average.

    Tokens that exceed the largest square come first (CLS, registers) and are not part of the grid.
    A feature map (n, d, h, w) is a grid already.
    """
    if hidden.ndim == 4:
        return hidden, hidden.mean(dim=(2, 3))
    if hidden.ndim != 3:
        raise ModelError(f"expected tokens (n, p, d) or a feature map (n, d, h, w), got {tuple(hidden.shape)}.")
    side = math.isqrt(hidden.shape[1])
    extra = hidden.shape[1] - side * side
    grid = hidden[:, extra:].transpose(1, 2).reshape(hidden.shape[0], -1, side, side)
    return grid, hidden[:, 0] if extra else hidden.mean(dim=1)
