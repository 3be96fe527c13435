"""Picture features without a network: the mean colours of a grid of cells."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from crossgraph.encoders.image import ImageEncoder, ImageFeatures

CELLS = 3


class ColourEncoder(ImageEncoder):
    """Nine cells of three colours each."""

    name, part_width, whole_width = "colours", 3, 3

    def __init__(self, fingerprint: str = "colours-1") -> None:
        self.fingerprint = fingerprint

    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        edges = np.linspace(0, 1, CELLS + 1, dtype=np.float32)
        boxes = np.array([(edges[x], edges[y], edges[x + 1], edges[y + 1]) for y in range(CELLS) for x in range(CELLS)])
        features = []
        for image in images:
            small = image.convert("RGB").resize((CELLS, CELLS), Image.Resampling.BOX)
            cells = (np.asarray(small, dtype=np.float32).reshape(-1, 3) / 255 - 0.5).astype(np.float16)
            features.append(ImageFeatures(cells, boxes, cells.mean(axis=0)))
        return features


def encode_by_colour(patch: pytest.MonkeyPatch) -> None:
    """Let runs be trained with, and loaded with, the colours of their pictures in the place of a network."""
    for module in ("crossgraph.training.prepare", "crossgraph.training.model"):
        patch.setattr(f"{module}.build_encoder", lambda *_: ColourEncoder())
