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
from crossgraph.data.feature_cache import Records
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
    turned: tuple[Records, ...] = ()
    """Maps of the pictures turned by one, two and three quarters, under the keys of `inner`, of those that may turn."""

    def __len__(self) -> int:
        return len(self.inner)

    def maps(
        self,
        indices: Sequence[int],
        *,
        mirrored: Sequence[bool] = (),
        turns: Sequence[int] = (),
        crop: Crop | None = None,
    ) -> Float[Tensor, "n d r c"]:
        """The maps at `indices`, cropped alike.

        They are of the pictures turned by `turns`; then those marked `mirrored` have left and right swapped.
        """
        stores = (self.inner.store, *self.turned)
        quarters = turns or [0] * len(indices)
        found = np.stack(
            [stores[turn].read(self.inner.keys[index])["parts"] for index, turn in zip(indices, quarters, strict=True)]
        )
        side = round(found.shape[1] ** 0.5)
        found = found.reshape(len(found), side, side, -1)
        for row, mirror in enumerate(mirrored):
            if mirror:
                found[row] = found[row, :, ::-1].copy()
        if crop is not None and crop.side < side:
            top, left = (int(share * (side - crop.side + 1)) for share in (crop.top, crop.left))
            found = found[:, top : top + crop.side, left : left + crop.side]
        return torch.from_numpy(np.ascontiguousarray(found)).float().permute(0, 3, 1, 2)

    def rows(
        self,
        indices: Sequence[int],
        *,
        mirrored: Sequence[bool] = (),
        turns: Sequence[int] = (),
        crop: Crop | None = None,
    ) -> ImageBatch:
        """The features of the pictures at `indices`, on the network's device."""

        def read(some: Sequence[int], flips: Sequence[bool], quarters: Sequence[int]) -> ImageBatch:
            maps = self.maps(some, mirrored=flips, turns=quarters, crop=crop)
            maps = maps.to(next(self.backbone.parameters()).device)
            return batch_of_tokens(*self.backbone.tokens_from(maps), cells=self.cells)

        return read_in_blocks(read, indices, mirrored, turns, block=BLOCK)

    def classes(self, indices: Sequence[int]) -> Float[Tensor, "n k"]:
        """What the network took the pictures at `indices` for before it was trained."""
        wholes = [self.inner.store.read(self.inner.keys[index])["whole"] for index in indices]
        return self.backbone.classify(torch.from_numpy(np.concatenate(wholes)).float())
