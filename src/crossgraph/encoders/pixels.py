"""From pictures to what an image network reads: a square, as numbers scaled the way the network was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from crossgraph.encoders.image import squash


@dataclass(frozen=True)
class Preparation:
    """How a network wants its pictures: squares of `size` pixels, (value - mean) / spread for values of 0 to 255."""

    size: int
    mean: tuple[float, float, float]
    spread: tuple[float, float, float]

    def square(self, image: Image.Image) -> Image.Image:
        """The whole picture squashed to the network's square."""
        return squash(image, self.size)

    def pixels(self, images: Sequence[Image.Image]) -> Float[Tensor, "n 3 h w"]:
        """The pictures as one tensor, ready for the network; squared first where they are not."""
        squares = [torch.from_numpy(np.array(self.square(image))) for image in images]
        values = torch.stack(squares) if squares else torch.zeros(0, self.size, self.size, 3)
        return ((values.float() - torch.tensor(self.mean)) / torch.tensor(self.spread)).permute(0, 3, 1, 2)

    def describe(self) -> dict[str, object]:
        """All that decides the numbers, as plain JSON."""
        return {"shape": "squash", "resample": "bicubic", **asdict(self)}
