"""Any Hugging Face vision model as an image network: ViT, DINO, the vision tower of CLIP, ResNet and their kin.

Patch tokens (or the last feature map) are the grid. Pictures are squashed to the square the model reads instead of
cropped, so that boxes are true of the whole picture. Of a model with a space for both pictures and texts (CLIP), the
whole vector is the picture's place in it: the cosine with a text's whole vector is the model's own score. Such a model
gets its pictures as its own processor makes them, cut where that cuts, and boxes say where in the picture the cut lies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
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
        if self.joint:
            self.preparation = own_preparation(processor, size=size, name=place.name)
        else:
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
    found = _scaling_of(processor, size=size or trained_size(processor))
    ramp = Image.fromarray(np.linspace(0, 255, found.size**2 * 3).reshape(found.size, found.size, 3).astype(np.uint8))
    theirs = processor([np.asarray(ramp)], return_tensors="pt", do_resize=False, do_center_crop=False)["pixel_values"]
    if not torch.allclose(found.pixels([ramp]), theirs, atol=1e-3):
        raise ModelError(f"the image processor of {name!r} does more than scale and shift; choose another model.")
    return found


def own_preparation(processor: Any, *, size: int | None, name: str) -> Preparation:
    """All that an image processor does to a picture, as ours: how it resizes, cuts and scales.

    With a `size` the square has that side and what it is cut from grows with it. Raises `ModelError` for a processor
    that makes no squares of one size, or does anything else besides.
    """
    resized, cropped = (dict(getattr(processor, which, None) or {}) for which in ("size", "crop_size"))
    side = resized.get("height") or resized.get("shortest_edge")
    cut = cropped.get("height") if getattr(processor, "do_center_crop", False) else side
    keeps_shape = not resized.get("height")
    if not side or not cut or cut > side or (keeps_shape and not getattr(processor, "do_center_crop", False)):
        raise ModelError(
            f"the image processor of {name!r} does not make squares of one size, and pictures of any shape (NaFlex) "
            "are not read; choose a model of fixed resolution."
        )
    found = replace(
        _scaling_of(processor, size=int(cut)),
        cropped_from=int(side) if keeps_shape or cut != side else None,
        keeps_shape=keeps_shape,
        resample=Image.Resampling(getattr(processor, "resample", None) or Image.Resampling.BILINEAR).name.lower(),
    )
    _require_alike(found, processor, name=name)
    if size is None:
        return found
    before = None if found.cropped_from is None else round(found.cropped_from * size / found.size)
    return replace(found, size=size, cropped_from=before)


def _scaling_of(processor: Any, *, size: int) -> Preparation:
    """What an image processor does to values, and squares of `size`."""
    scale = float(processor.rescale_factor) if getattr(processor, "do_rescale", True) else 1.0
    normalises = getattr(processor, "do_normalize", True)
    mean, spread = (processor.image_mean, processor.image_std) if normalises else ((0.0,) * 3, (1.0,) * 3)
    if getattr(processor, "rescale_offset", False):  # of EfficientNet: values are rescaled to begin at -1
        mean = [1.0 + value for value in mean]
    if getattr(processor, "include_top", False):  # of EfficientNet: divided by the deviation once more
        spread = [value * more for value, more in zip(spread, processor.image_std, strict=True)]
    red, green, blue = (float(value) / scale for value in mean)
    wide = tuple(float(value) / scale for value in spread)
    return Preparation(size, (red, green, blue), (wide[0], wide[1], wide[2]))


def _require_alike(found: Preparation, processor: Any, *, name: str) -> None:
    """Raise `ModelError` where an image processor makes something else of wide and tall pictures than `found` does."""
    long, short = found.size + found.size // 2 + 3, found.size // 2 + 5
    ramp = np.linspace(0, 255, long * short * 3).astype(np.uint8)
    odd = [Image.fromarray(ramp.reshape(*shape, 3)) for shape in ((short, long), (long, short))]
    theirs = [processor([image], return_tensors="np")["pixel_values"][0] for image in odd]
    pairs = zip(found.pixels(odd).numpy(), theirs, strict=True)
    if any(ours.shape != other.shape or not np.allclose(ours, other, atol=1e-3) for ours, other in pairs):
        raise ModelError(
            f"the image processor of {name!r} does more than resize, cut the middle, scale and shift; choose another "
            "model."
        )


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
