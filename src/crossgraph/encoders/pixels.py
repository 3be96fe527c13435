"""From pictures to what an image network reads: a square, as numbers scaled the way the network was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from crossgraph.encoders.image import WHOLE, Window, squash

SEEN = "crossgraph: seen"
"""Where in `Image.info` a square says what it shows of which picture; copies and mirrored ones keep it."""


@dataclass(frozen=True)
class Preparation:
    """How a network wants its pictures: squares of `size` pixels, (value - mean) / spread for values of 0 to 255.

    A picture is squashed to the square or, where `cropped_from` is set, resized to that side (the shorter one if
    `keeps_shape`, else both) and cut from the middle, so that its margins are not seen.
    """

    size: int
    mean: tuple[float, float, float]
    spread: tuple[float, float, float]
    cropped_from: int | None = None
    keeps_shape: bool = False
    resample: str = "bicubic"

    @property
    def shorter_side(self) -> int:
        """The shorter side in pixels at which a picture may be read where that is faster: twice what is made of it.

        Of a photo of 12 million pixels, read at a quarter of its sides, features turn by 2 degrees.
        """
        return 2 * (self.cropped_from or self.size)

    def square(self, image: Image.Image) -> Image.Image:
        """The network's square of a picture; a square that this made already stays as it is."""
        resampling = Image.Resampling[self.resample.upper()]
        if self.cropped_from is None:
            return squash(image, self.size, resampling=resampling)
        if self._made(image):
            return image
        width, height = self._resized(*image.size, side=self.cropped_from)
        left, top = (width - self.size) // 2, (height - self.size) // 2
        right, bottom = left + self.size, top + self.size
        square = image.convert("RGB").resize((width, height), resampling).crop((left, top, right, bottom))
        square.info[SEEN] = (self, (left / width, top / height, right / width, bottom / height))
        return square

    def window(self, square: Image.Image) -> Window:
        """What of its picture a square of `square` shows; of a mirrored one to a pixel, as the middle is rounded."""
        return square.info[SEEN][1] if self._made(square) else WHOLE

    def pixels(self, images: Sequence[Image.Image]) -> Float[Tensor, "n 3 h w"]:
        """The pictures as one tensor, ready for the network; squared first where they are not."""
        squares = [torch.from_numpy(np.array(self.square(image))) for image in images]
        values = torch.stack(squares) if squares else torch.zeros(0, self.size, self.size, 3)
        return ((values.float() - torch.tensor(self.mean)) / torch.tensor(self.spread)).permute(0, 3, 1, 2)

    def describe(self) -> dict[str, object]:
        """All that decides the numbers, as plain JSON."""
        shape = "squash"
        if self.cropped_from is not None:
            shape = f"middle of {'shorter side' if self.keeps_shape else 'both sides'} {self.cropped_from}"
        return {
            "shape": shape,
            "resample": self.resample,
            "size": self.size,
            "mean": self.mean,
            "spread": self.spread,
        }

    def _made(self, image: Image.Image) -> bool:
        seen = image.info.get(SEEN)
        return isinstance(seen, tuple) and seen[0] == self

    def _resized(self, width: int, height: int, *, side: int) -> tuple[int, int]:
        """Width and height before the cut."""
        if not self.keeps_shape:
            return side, side
        if width <= height:
            return side, int(side * height / width)
        return int(side * width / height), side
