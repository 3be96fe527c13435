"""What every image network is before it is frozen: pixels in, a grid of tokens and one whole vector out, trainable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.encoders.grid import grid_boxes, placed, pool_grid
from crossgraph.encoders.image import Window
from crossgraph.encoders.pixels import Preparation
from crossgraph.types import ImageBatch


class Backbone(nn.Module, ABC):
    """An image network whose every weight can be trained; it chooses no device and draws nothing at random.

    `name` is a short word for people and for names of folders; what the network is, `identity` says together with its
    weights. With `frozen_statistics` batch normalisation keeps the statistics it came with, in training too: those of
    a few dozen pictures are worse than those of ImageNet.
    """

    name: str
    part_width: int
    whole_width: int
    preparation: Preparation
    frozen_statistics: bool = True
    joint: bool = False
    """True where the vector for the whole lies in a space that the same model has for texts."""

    @abstractmethod
    def tokens(self, pixels: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d r c"], Float[Tensor, "n e"]]:
        """The grid of `r` x `c` tokens over each picture and the vector for its whole, with gradients."""

    @abstractmethod
    def identity(self) -> Mapping[str, object]:
        """What besides weights and preparation decides the outputs: plain JSON of our own."""

    def fuse(self) -> None:
        """Rewrite the network in place into a faster one with the same outputs, which cannot be trained any more."""

    def forward(self, pixels: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d r c"], Float[Tensor, "n e"]]:
        """The same as `tokens`."""
        return self.tokens(pixels)

    def image_batch(
        self, pixels: Float[Tensor, "n 3 h w"], *, cells: Sequence[int], windows: Sequence[Window]
    ) -> ImageBatch:
        """The pictures as a method reads them, parts being the cells of the grids; gradients reach the network.

        `windows` say what of each picture its pixels show.
        """
        grid, whole = self.tokens(pixels)
        parts, own = pool_grid(grid, cells), grid_boxes(cells)
        boxes = np.array([placed(own, window) for window in windows], np.float32).reshape(-1, *own.shape)
        mask = torch.ones(parts.shape[:2], dtype=torch.bool, device=grid.device)
        return ImageBatch(parts.float(), mask, torch.from_numpy(boxes).to(grid.device), whole.float())

    def train(self, mode: bool = True) -> Backbone:
        """Training mode on or off; frozen statistics stay in evaluation mode."""
        super().train(mode)
        if self.frozen_statistics:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self
