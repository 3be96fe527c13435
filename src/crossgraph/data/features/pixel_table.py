"""Pictures as what an image network that is being trained makes of them now: read, decoded and run at every reading."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from crossgraph.data.features.blocks import read_in_blocks
from crossgraph.data.features.image_features import TURNS, VIEWS
from crossgraph.data.images import read_image
from crossgraph.encoders.backbone import Backbone
from crossgraph.types import ImageBatch

BLOCK = 32
"""So many pictures at once where no gradient is asked for."""


@dataclass(frozen=True)
class PixelTable:
    """The pictures at `paths`, which must be readable, with an `ImageTable`'s rows; gradients reach `backbone`."""

    paths: tuple[Path, ...]
    backbone: Backbone
    cells: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def pixels(
        self, indices: Sequence[int], *, mirrored: Sequence[bool] = (), turns: Sequence[int] = ()
    ) -> Float[Tensor, "n 3 h w"]:
        """The pictures at `indices` as the network reads them.

        Each is turned by its number of quarters, counter-clockwise; then those marked `mirrored` have left and right
        swapped.
        """
        count = len(indices)
        return self.backbone.preparation.pixels(
            self._squares(indices, mirrored or [False] * count, turns or [0] * count)
        )

    def _squares(self, indices: Sequence[int], mirrored: Sequence[bool], turns: Sequence[int]) -> list[Image.Image]:
        preparation = self.backbone.preparation

        def read(index: int, mirror: bool, quarters: int) -> Image.Image:
            square = preparation.square(read_image(self.paths[index], shorter_side=preparation.shorter_side))
            return VIEWS["mirror" if mirror else "plain"](VIEWS[TURNS[quarters]](square))

        with ThreadPoolExecutor() as pool:
            return list(pool.map(read, indices, mirrored, turns))

    def rows(self, indices: Sequence[int], *, mirrored: Sequence[bool] = (), turns: Sequence[int] = ()) -> ImageBatch:
        """The features of the pictures at `indices`, on the network's device."""
        return read_in_blocks(self._rows, indices, mirrored, turns, block=BLOCK)

    def _rows(self, indices: Sequence[int], mirrored: Sequence[bool], turns: Sequence[int]) -> ImageBatch:
        device, preparation = next(self.backbone.parameters()).device, self.backbone.preparation
        squares = self._squares(indices, mirrored, turns)
        windows = [preparation.window(square) for square in squares]
        return self.backbone.image_batch(preparation.pixels(squares).to(device), cells=self.cells, windows=windows)
