"""Feature maps of any resolution become a fixed number of parts with boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from crossgraph.encoders.image import Boxes, ImageFeatures, Window


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


def pool_regions(grid: Float[Tensor, "d h w"], boxes: Float[Tensor, "p 4"]) -> Float[Tensor, "p d"]:
    """One vector per box: the mean of the map under it, every cell counted by how much of it the box covers.

    A box without area is read at its point; the answer for the whole picture is the map's mean.
    """
    rows, columns = (_covered(boxes[:, (axis, axis + 2)], grid.shape[2 - axis]) for axis in (1, 0))
    return torch.einsum("ph,pw,dhw->pd", rows, columns, grid)


def _covered(edges: Float[Tensor, "p 2"], cells: int) -> Float[Tensor, "p c"]:
    """The share that each of `cells` equal stretches of [0, 1] has in the stretch between two edges; rows sum to 1."""
    starts = torch.arange(cells, dtype=edges.dtype, device=edges.device)
    # a thousandth of a cell at least, so that a line or a point has a place too
    low = (edges[:, :1] * cells).clamp(0, cells - 1e-3)
    high = torch.maximum(edges[:, 1:] * cells, low + 1e-3)
    covered = (torch.minimum(high, starts + 1) - torch.maximum(low, starts)).clamp(min=0)
    return covered / covered.sum(dim=1, keepdim=True)


def placed(boxes: Boxes, window: Window) -> Boxes:
    """Boxes within a window of a picture, as boxes of the picture."""
    left, top, right, bottom = window
    corner, extent = np.array([left, top] * 2), np.array([right - left, bottom - top] * 2)
    moved: Boxes = (corner + boxes * extent).astype(np.float32)
    return moved


def seen_in(boxes: Boxes, window: Window) -> Boxes:
    """Boxes of a picture, as boxes within a window of it; what lies outside is moved to its margin."""
    left, top, right, bottom = window
    corner, extent = np.array([left, top] * 2), np.array([right - left, bottom - top] * 2)
    inside: Boxes = ((boxes - corner) / extent).clip(0, 1).astype(np.float32)
    return inside


def region_features(
    grid: Float[Tensor, "n d h w"],
    whole: Float[Tensor, "n e"],
    boxes: Sequence[Boxes],
    *,
    windows: Sequence[Window],
) -> list[ImageFeatures]:
    """The features of `n` pictures whose parts are the boxes supplied for each, in half precision.

    `windows` say what of each picture the feature maps show; a box outside is read at the nearest margin.
    """
    wholes = whole.to("cpu", torch.float16).numpy()
    parts = [
        pool_regions(one, torch.from_numpy(seen_in(own, window)).to(one))
        for one, own, window in zip(grid, boxes, windows, strict=True)
    ]
    return [
        ImageFeatures(part.to("cpu", torch.float16).numpy(), own, vector)
        for part, own, vector in zip(parts, boxes, wholes, strict=True)
    ]


def grid_features(
    grid: Float[Tensor, "n d h w"], whole: Float[Tensor, "n e"], *, cells: Sequence[int], windows: Sequence[Window]
) -> list[ImageFeatures]:
    """The features of `n` pictures from their feature maps and whole vectors, in half precision.

    `windows` say what of each picture its map shows; boxes are of the whole picture.
    """
    parts = pool_grid(grid, cells).to("cpu", torch.float16).numpy()
    wholes = whole.to("cpu", torch.float16).numpy()
    boxes = grid_boxes(cells)
    return [
        ImageFeatures(part, placed(boxes, window), vector)
        for part, vector, window in zip(parts, wholes, windows, strict=True)
    ]
