"""Random pictures and captions of various lengths, and batches of any of them, padded as far as wished."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import InputSizes, Method
from crossgraph.types import Batch, ImageBatch, TextBatch

PART_WIDTH, WHOLE_WIDTH, STATE_WIDTH, VOCABULARY = 10, 7, 9, 20
SIZES = {
    "ids": InputSizes(part_width=PART_WIDTH, whole_width=WHOLE_WIDTH, vocabulary=VOCABULARY),
    "states": InputSizes(part_width=PART_WIDTH, whole_width=WHOLE_WIDTH, state_width=STATE_WIDTH),
}
SMALL: dict[str, dict[str, object]] = {
    "dual_encoder": {"width": 16, "heads": 4, "word_width": 12, "gru_width": 16, "dropout": 0.1},
    "kidrr": {
        "width": 16,
        "similarity_width": 8,
        "word_width": 12,
        "gru_width": 12,
        "dropout": 0.1,
        "levels": ("global", "local", "global_local", "region"),
        "top": 3,
        "candidates": 0,
    },
}
"""Settings that make a method quick; a method without an entry is only narrowed."""


@dataclass(frozen=True)
class Picture:
    parts: Tensor
    boxes: Tensor
    whole: Tensor


@dataclass(frozen=True)
class Caption:
    ids: Tensor
    states: Tensor


def small_method(name: str, inputs: str = "ids", **changes: object) -> Method:
    """An untrained method of tiny width, in evaluation mode."""
    settings = {**SMALL.get(name, {"width": 16}), **changes}
    return build_method(name, settings, SIZES[inputs]).eval()


def draw_pictures(count: int, *, seed: int = 0, most: int = 6) -> list[Picture]:
    """Pictures of 1 to `most` regions."""
    rng = torch.Generator().manual_seed(seed)
    pictures = []
    for _ in range(count):
        regions = int(torch.randint(1, most + 1, (1,), generator=rng))
        corners = torch.rand(regions, 2, generator=rng) / 2
        pictures.append(
            Picture(
                torch.randn(regions, PART_WIDTH, generator=rng),
                torch.cat([corners, corners + 0.5 * torch.rand(regions, 2, generator=rng)], dim=1),
                torch.randn(WHOLE_WIDTH, generator=rng),
            )
        )
    return pictures


def draw_captions(count: int, *, seed: int = 0, most: int = 5) -> list[Caption]:
    """Captions of 1 to `most` words."""
    rng = torch.Generator().manual_seed(seed + 1000)
    captions = []
    for _ in range(count):
        words = int(torch.randint(1, most + 1, (1,), generator=rng))
        ids = torch.randint(1, VOCABULARY, (words,), generator=rng)
        captions.append(Caption(ids, torch.randn(words, STATE_WIDTH, generator=rng)))
    return captions


def image_batch(pictures: Sequence[Picture], *, padding: int = 0, filler: float = 0.0) -> ImageBatch:
    """Padded `padding` regions beyond the longest, with `filler` in every padded feature."""
    longest = max(len(picture.parts) for picture in pictures) + padding
    parts = torch.full((len(pictures), longest, PART_WIDTH), filler)
    boxes = torch.full((len(pictures), longest, 4), filler)
    mask = torch.zeros(len(pictures), longest, dtype=torch.bool)
    for row, picture in enumerate(pictures):
        real = len(picture.parts)
        parts[row, :real], boxes[row, :real], mask[row, :real] = picture.parts, picture.boxes, True
    return ImageBatch(parts, mask, boxes, torch.stack([picture.whole for picture in pictures]))


def text_batch(captions: Sequence[Caption], inputs: str = "ids", *, padding: int = 0) -> TextBatch:
    """Padded `padding` words beyond the longest."""
    longest = max(len(caption.ids) for caption in captions) + padding
    ids = torch.zeros(len(captions), longest, dtype=torch.long)
    states = torch.zeros(len(captions), longest, STATE_WIDTH)
    mask = torch.zeros(len(captions), longest, dtype=torch.bool)
    for row, caption in enumerate(captions):
        real = len(caption.ids)
        ids[row, :real], states[row, :real], mask[row, :real] = caption.ids, caption.states, True
    words = tuple(tuple(f"w{number}" for number in caption.ids.tolist()) for caption in captions)
    return TextBatch(mask, words, ids=ids) if inputs == "ids" else TextBatch(mask, words, states=states)


def training_batch(inputs: str = "ids", *, images: int = 5, captions: int = 8, seed: int = 0) -> Batch:
    """A batch in which some pictures have several captions."""
    return Batch(
        image_batch(draw_pictures(images, seed=seed)),
        text_batch(draw_captions(captions, seed=seed), inputs),
        torch.arange(captions) % images,
        hardness=0.5,
    )
