"""A method that reads wholes is explained by what is taken out of the picture and the sentence themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from jaxtyping import Float16
from PIL import Image

from crossgraph.encoders.image import ImageEncoder, ImageFeatures
from crossgraph.encoders.text import TextEncoder, TextFeatures
from crossgraph.training.occluded_inputs import explain_by_inputs
from crossgraph.types import ImageBatch
from tests.methods.synthetic_items import draw_captions, draw_images, image_batch, small_method, text_batch

BOXES = np.array([[0, 0, 1, 1]], np.float32)
QUARTERS = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.0, 1.0, 0.5], [0.0, 0.5, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0]])


def drawn(told: str, width: int) -> Float16[np.ndarray, " width"]:
    """Numbers that hang on every letter of `told`."""
    return np.random.default_rng(list(told.encode())).standard_normal(width).astype(np.float16)


class Eye(ImageEncoder):
    """The whole of a picture is drawn by what it shows."""

    def __init__(self, width: int) -> None:
        self.name, self.fingerprint, self.part_width, self.whole_width = "eye", "0", 1, width

    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        wholes = [drawn(image.resize((4, 4)).tobytes().hex(), self.whole_width) for image in images]
        return [ImageFeatures(np.zeros((1, 1), np.float16), BOXES, whole) for whole in wholes]


class Ear(TextEncoder):
    """The whole of a text is drawn by its letters."""

    name, fingerprint, vocabulary_size, state_width, whole_width, max_words = "ear", "0", 0, 1, 4, 40

    def encode(self, captions: Sequence[str]) -> list[TextFeatures]:
        return [TextFeatures(("w",), whole=drawn(caption, self.whole_width)) for caption in captions]

    def describe(self) -> dict[str, object]:
        return {}


@torch.no_grad()
def test_regions_of_a_method_that_reads_wholes_are_told_apart() -> None:
    method = small_method("scahn", fine_grained=False)
    one = draw_images(1)[0]
    images = image_batch([one])
    width = images.whole.shape[1]
    quarters = ImageBatch(
        images.parts[:, :1].expand(1, 4, -1), torch.ones(1, 4, dtype=torch.bool), QUARTERS[None], images.whole
    )
    texts = text_batch(draw_captions(1))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    found = explain_by_inputs(
        method,
        quarters,
        texts,
        picture=picture,
        sentence=" ".join(texts.words[0]),
        image_encoder=Eye(width),
        text_encoder=Ear(),
    )
    sums = found.weights.sum(dim=0)
    assert found.weights.shape == (4, len(texts.words[0]))
    assert all(total == pytest.approx(1, abs=1e-5) or total == 0 for total in sums.tolist())
    assert float(found.weights.std(dim=0).max()) > 0.01, "regions differ"
    assert not method.explain(quarters, texts).weights.any(), "of features alone nothing is seen"
