"""What every image network is before it is frozen: pixels in, a grid of tokens and one whole vector out, trainable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.encoders.grid import grid_boxes, pool_grid
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

    def image_batch(self, pixels: Float[Tensor, "n 3 h w"], *, cells: Sequence[int]) -> ImageBatch:
        """The pictures as a method reads them, parts being the cells of the grids; gradients reach the network."""
        grid, whole = self.tokens(pixels)
        parts, boxes = pool_grid(grid, cells), torch.from_numpy(grid_boxes(cells)).to(grid.device)
        mask = torch.ones(parts.shape[:2], dtype=torch.bool, device=grid.device)
        return ImageBatch(parts.float(), mask, boxes.expand(len(parts), -1, -1), whole.float())

    def train(self, mode: bool = True) -> Backbone:
        """Training mode on or off; frozen statistics stay in evaluation mode."""
        super().train(mode)
        if self.frozen_statistics:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self
