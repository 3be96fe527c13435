"""Pictures as what an image network that is being trained makes of its own frozen, cached inner maps.

Crops and mirrors of the maps are augmentation that costs no decoding, and what lies below them no computing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crossgraph.data.batches import Crop
from crossgraph.data.features.blocks import read_in_blocks
from crossgraph.data.features.image_features import ImageTable
from crossgraph.encoders.backbone import Backbone, batch_of_tokens
from crossgraph.types import ImageBatch

BLOCK = 64
"""So many pictures at once where no gradient is asked for."""


@dataclass(frozen=True)
class InnerTable:
    """The pictures of `inner`, whose parts are the cells of square maps that come into `backbone`'s trained blocks.

    Its rows are those of an `ImageTable`; gradients reach `backbone`.
    """

    inner: ImageTable
    backbone: Backbone
    cells: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.inner)

    def maps(
        self, indices: Sequence[int], *, mirrored: Sequence[bool] = (), crop: Crop | None = None
    ) -> Float[Tensor, "n d r c"]:
        """The maps at `indices`, cropped alike; those marked `mirrored` with left and right swapped."""
        found = np.stack([self.inner.store.read(self.inner.keys[index])["parts"] for index in indices])
        side = round(found.shape[1] ** 0.5)
        found = found.reshape(len(found), side, side, -1)
        for row, mirror in enumerate(mirrored):
            if mirror:
                found[row] = found[row, :, ::-1].copy()
        if crop is not None and crop.side < side:
            top, left = (int(share * (side - crop.side + 1)) for share in (crop.top, crop.left))
            found = found[:, top : top + crop.side, left : left + crop.side]
        return torch.from_numpy(np.ascontiguousarray(found)).float().permute(0, 3, 1, 2)

    def rows(self, indices: Sequence[int], *, mirrored: Sequence[bool] = (), crop: Crop | None = None) -> ImageBatch:
        """The features of the pictures at `indices`, on the network's device."""

        def read(some: Sequence[int], flips: Sequence[bool]) -> ImageBatch:
            maps = self.maps(some, mirrored=flips, crop=crop).to(next(self.backbone.parameters()).device)
            return batch_of_tokens(*self.backbone.tokens_from(maps), cells=self.cells)

        return read_in_blocks(read, indices, mirrored, block=BLOCK)

    def classes(self, indices: Sequence[int]) -> Float[Tensor, "n k"]:
        """What the network took the pictures at `indices` for before it was trained."""
        wholes = [self.inner.store.read(self.inner.keys[index])["whole"] for index in indices]
        return self.backbone.classify(torch.from_numpy(np.concatenate(wholes)).float())
