"""Any Hugging Face vision model as an image network: ViT, DINO, the vision tower of CLIP, ResNet and their kin.

Patch tokens (or the last feature map) are the grid. Pictures are squashed to the square the model reads instead of
cropped, so that boxes are true of the whole picture. Of a model with a space for both pictures and texts (CLIP), the
whole vector is the picture's place in it: the cosine with a text's whole vector is the model's own score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModel

from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.names import Resolved
from crossgraph.encoders.pixels import Preparation
from crossgraph.encoders.pretrained import architecture, load_network, load_piece, one_side
from crossgraph.errors import ConfigError, ModelError


class TransformerBackbone(Backbone):
    """The vision model in a folder, by its local path or hub name."""

    def __init__(self, place: Resolved, *, size: int | None = None) -> None:
        super().__init__()
        assert place.folder is not None, "a packaged encoder that is no folder is loaded otherwise"
        network = load_network(AutoModel, place.folder, name=place.name)
        # The slower processors built on Pillow need no torchvision.
        processor: Any = load_piece(
            lambda: AutoImageProcessor.from_pretrained(place.folder, local_files_only=True, backend="pil"),
            name=place.name,
        )
        self.network, self.joint = one_side(network, "vision")
        config: Any = network.config
        self.build = architecture(getattr(config, "vision_config", config))
        self.name = str(self.build["model_type"]).replace("_", "-")
        self.preparation = preparation_of(processor, size=size, name=place.name)
        self.part_width, self.whole_width = self._measure_widths(place.name)

    def tokens(self, pixels: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d r c"], Float[Tensor, "n e"]]:
        """The square of patch tokens; as whole the joint space's vector, else the pooled output, else the CLS token."""
        read = self.network.get_image_features if self.joint else self.network
        output = read(pixel_values=pixels)
        grid, whole = split_tokens(output.last_hidden_state)
        pooled = getattr(output, "pooler_output", None)
        return grid, whole if pooled is None else pooled.flatten(1)

    def identity(self) -> Mapping[str, object]:
        """The family, and what of its build the weights do not show."""
        return {"family": "transformer", **self.build, "whole": "joint" if self.joint else "pooled"}

    @torch.inference_mode()
    def _measure_widths(self, name: str) -> tuple[int, int]:
        """Widths of parts and whole, seen by reading one grey picture; a size the model refuses shows here."""
        size = self.preparation.size
        try:
            grid, whole = self.tokens(self.preparation.pixels([Image.new("RGB", (size, size), "grey")]))
        except (ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise ConfigError(
                f"the model {name!r} cannot encode pictures of {size} x {size} pixels: {error} "
                "Leave the size out to use its own, or choose a vision model."
            ) from error
        return grid.shape[1], whole.shape[1]


def preparation_of(processor: Any, *, size: int | None, name: str) -> Preparation:
    """What an image processor does to the values of a square, as ours. Raises `ModelError` where it does more."""
    scale = float(processor.rescale_factor) if getattr(processor, "do_rescale", True) else 1.0
    normalises = getattr(processor, "do_normalize", True)
    mean, spread = (processor.image_mean, processor.image_std) if normalises else ((0.0,) * 3, (1.0,) * 3)
    red, green, blue = (float(value) / scale for value in mean)
    wide = tuple(float(value) / scale for value in spread)
    found = Preparation(size or trained_size(processor), (red, green, blue), (wide[0], wide[1], wide[2]))
    ramp = Image.fromarray(np.linspace(0, 255, found.size**2 * 3).reshape(found.size, found.size, 3).astype(np.uint8))
    theirs = processor([np.asarray(ramp)], return_tensors="pt", do_resize=False, do_center_crop=False)["pixel_values"]
    if not torch.allclose(found.pixels([ramp]), theirs, atol=1e-3):
        raise ModelError(f"the image processor of {name!r} does more than scale and shift; choose another model.")
    return found


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
