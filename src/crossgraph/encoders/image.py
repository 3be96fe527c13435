"""What every image encoder is: a frozen network that turns a picture into parts with boxes and one whole vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from jaxtyping import Float16, Float32
from PIL import Image

from crossgraph.errors import ConfigError

IMAGE_ENCODERS: Mapping[str, int] = MappingProxyType(
    {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}
)
"""The encoders whose weights install as packages, and the picture side in pixels each was trained at."""


Boxes = Float32[np.ndarray, "p 4"]
"""Regions of one picture: x1, y1, x2, y2 in [0, 1]."""

Window: TypeAlias = tuple[float, float, float, float]
"""What of a picture a network sees: x1, y1, x2, y2 in [0, 1]."""

WHOLE: Window = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class ImageFeatures:
    """One picture after an encoder: part vectors, their boxes (x1, y1, x2, y2 in [0, 1]), one whole vector."""

    parts: Float16[np.ndarray, "p d"]
    boxes: Boxes
    whole: Float16[np.ndarray, " w"]


class ImageEncoder(ABC):
    """A frozen image network. Methods train on top of its outputs, so they are computed once and cached.

    `fingerprint` is a hash of the settings and the weights: equal fingerprints, equal features. `name` is a short word
    for people and for names of folders, never the path of a model.
    """

    name: str
    part_width: int
    whole_width: int
    fingerprint: str
    boxes_of: Callable[[Path], Boxes | None] | None = None
    """A detector's boxes for a picture file, where it has any: what `encode_regions` is called with."""
    shorter_side: int | None = None
    """The shorter side in pixels at which a picture may be read where that is faster; None: all of its pixels."""
    prepares: Hashable | None = None
    """What `prepare` does: encoders for which this is equal, and not None, prepare alike."""
    within: ImageEncoder | None = None
    """An encoder that runs this network beside its own, and is wanted too: its vectors end with those of this one."""
    joint: bool = False
    """True where the whole vector lies in a space that the same model has for texts (`TextEncoder.logits`)."""

    @abstractmethod
    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        """Features of each picture, in order; none depends on its batch companions (to float tolerance)."""

    def encode_regions(self, images: Sequence[Image.Image], boxes: Sequence[Boxes]) -> list[ImageFeatures]:
        """Features of each picture, with these boxes as its parts. Raises `ConfigError` where an encoder cannot."""
        raise ConfigError(f"{self.name} cannot encode supplied regions; leave out images.regions.")

    def look_within(self, other: ImageEncoder) -> bool:
        """Take features out of those of `other` from now on, if that runs this network too; whether it does."""
        return False

    def prepare(self, image: Image.Image) -> Image.Image:
        """The picture at the size the network reads, so that large originals need not be kept in memory.

        `encode` takes prepared and unprepared pictures alike. By default the picture as it is.
        """
        return image


def squash(image: Image.Image, side: int, *, resampling: Image.Resampling = Image.Resampling.BICUBIC) -> Image.Image:
    """The whole picture as an RGB square: squashed, not cropped, so that boxes cover all of it."""
    square = image.convert("RGB")
    return square if square.size == (side, side) else square.resize((side, side), resampling)
