"""Feature maps of any resolution become a fixed number of parts with boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from crossgraph.encoders.image import ImageFeatures


def pool_grid(grid: Float[Tensor, "n d h w"], cells: Sequence[int]) -> Float[Tensor, "n p d"]:
    """One vector per cell, row by row: average pooling to each grid of `cells`, one grid after the other.

    Where a side does not divide the map evenly neighbouring cells share a row or column of it.
    """
    return torch.cat([F.adaptive_avg_pool2d(grid, side).flatten(2) for side in cells], dim=2).transpose(1, 2)


def grid_boxes(cells: Sequence[int]) -> Float32[np.ndarray, "p 4"]:
    """The boxes of those cells in the same order: x1, y1, x2, y2 in [0, 1]."""
    boxes = [
        (column / side, row / side, (column + 1) / side, (row + 1) / side)
        for side in cells
        for row in range(side)
        for column in range(side)
    ]
    return np.asarray(boxes, dtype=np.float32)


def grid_features(
    grid: Float[Tensor, "n d h w"], whole: Float[Tensor, "n e"], *, cells: Sequence[int]
) -> list[ImageFeatures]:
    """The features of `n` pictures from their feature maps and whole vectors, in half precision."""
    parts = pool_grid(grid, cells).to("cpu", torch.float16).numpy()
    wholes = whole.to("cpu", torch.float16).numpy()
    boxes = grid_boxes(cells)
    return [ImageFeatures(part, boxes, vector) for part, vector in zip(parts, wholes, strict=True)]
