"""Drawn pictures and captions of the published sizes, as the encoders would give them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import InputSizes, Method
from crossgraph.types import ATTRIBUTE, OBJECT, RELATION, ImageBatch, NodeBatch, TextBatch, TextGraphs

REGIONS, SHORTEST, LONGEST = 36, 8, 17
PART_WIDTH, STATE_WIDTH = 1280, 384
SIZES = InputSizes(part_width=PART_WIDTH, whole_width=PART_WIDTH, state_width=STATE_WIDTH)


def drawn_images(count: int, generator: torch.Generator) -> ImageBatch:
    """Pictures of 36 regions in a grid, alike in part."""
    parts = torch.randn(count, REGIONS, PART_WIDTH, generator=generator) + torch.randn(PART_WIDTH, generator=generator)
    side = torch.arange(6) / 6
    corners = torch.cartesian_prod(side, side)
    boxes = torch.cat([corners, corners + 1 / 6], dim=1).expand(count, -1, -1)
    return ImageBatch(parts, torch.ones(count, REGIONS, dtype=torch.bool), boxes.contiguous(), parts.mean(dim=1))


def drawn_texts(count: int, generator: torch.Generator) -> TextBatch:
    """Captions of 8 to 17 words, with graphs of 2 to 4 objects, 1 to 3 relations and 1 or 2 attributes."""
    lengths = SHORTEST + torch.arange(count) % (LONGEST - SHORTEST + 1)
    mask = torch.arange(LONGEST) < lengths[:, None]
    states = torch.randn(count, LONGEST, STATE_WIDTH, generator=generator)
    states = (states + torch.randn(STATE_WIDTH, generator=generator)) * mask[..., None]
    words = tuple(tuple("w" for _ in range(length)) for length in lengths.tolist())
    return TextBatch(mask, words, states=states, graphs=_graphs(count, generator), whole=None)


def _graphs(count: int, generator: torch.Generator) -> TextGraphs:
    kinds, ends = torch.zeros(count, 9, dtype=torch.long), torch.zeros(count, 9, 2, dtype=torch.long)
    mask, words = torch.zeros(count, 9, dtype=torch.bool), torch.zeros(count, 9, LONGEST, dtype=torch.bool)

    def number(least: int, most: int) -> int:
        return int(torch.randint(least, most + 1, (1,), generator=generator))

    for row in range(count):
        objects = number(2, 4)
        nodes = [(OBJECT, (place, place)) for place in range(objects)]
        nodes += [(RELATION, (number(0, objects - 1), number(0, objects - 1))) for _ in range(number(1, 3))]
        nodes += [(ATTRIBUTE, (owner := number(0, objects - 1), owner)) for _ in range(number(1, 2))]
        for place, (kind, both) in enumerate(nodes):
            kinds[row, place], mask[row, place] = kind, True
            ends[row, place] = torch.tensor(both)
            words[row, place, number(0, SHORTEST - 1)] = True
    return TextGraphs(NodeBatch(kinds, ends, mask), words)


def drawn_method(name: str, **settings: object) -> Method:
    """A method with the weights it starts with, its gates and biases shaken so that nothing is 0 or alike."""
    torch.manual_seed(0)
    method = build_method(name, settings, SIZES).eval()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return method


def units(*shape: int, generator: torch.Generator) -> Tensor:
    """Unit vectors that lean one way."""
    return F.normalize(torch.randn(shape, generator=generator) + torch.randn(shape[-1], generator=generator), dim=-1)
