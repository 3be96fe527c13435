"""Two graphs of one pair as plain lists, for the slow versions of scene-graph scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from crossgraph.layers.node_matching import LateInteraction
from crossgraph.methods.contract import Method
from crossgraph.types import ATTRIBUTE, RELATION, Encoded
from tests.methods.synthetic_items import Caption, SourceImage, image_batch, text_batch


@dataclass(frozen=True)
class PlainNode:
    vector: Tensor
    is_relation: bool
    is_attribute: bool
    ends: tuple[int, int]


def plain_nodes(encoded: Encoded) -> list[PlainNode]:
    """The real nodes of the only row."""
    return [
        PlainNode(encoded.parts[0, i], kind == RELATION, kind == ATTRIBUTE, tuple(encoded.nodes.ends[0, i].tolist()))
        for i in encoded.mask[0].nonzero()[:, 0].tolist()
        for kind in [int(encoded.nodes.kinds[0, i])]
    ]


def encoded_pair(method: Method, image: SourceImage, caption: Caption) -> tuple[Encoded, Encoded]:
    """Picture and caption, each encoded on its own."""
    return method.encode_images(image_batch([image])), method.encode_texts(text_batch([caption]))


def softmax(values: Sequence[float]) -> list[float]:
    exponentials = [math.exp(value - max(values)) for value in values]
    return [value / sum(exponentials) for value in exponentials]


def cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other) / max(float(one.norm() * other.norm()), 1e-6)


def importances(late: LateInteraction, words: Sequence[PlainNode]) -> list[float]:
    return softmax([float(late.importance(word.vector)) for word in words]) if words else []


def combined(late: LateInteraction, image: Encoded, text: Encoded, found: Sequence[float]) -> float:
    weights = importances(late, plain_nodes(text))
    told = sum(weight * value for weight, value in zip(weights, found, strict=True))
    return float(late.share[0]) * float(image.embedding[0] @ text.embedding[0]) + float(late.share[1]) * told


@torch.no_grad()
def likenesses(late: LateInteraction, image: Encoded, text: Encoded) -> list[list[float]]:
    """How like picture node i is to text node j, as [i][j]: cosine, and what relations and attributes hang on."""
    regions, words = plain_nodes(image), plain_nodes(text)
    like = [[float(region.vector @ word.vector) for word in words] for region in regions]
    joined = [row.copy() for row in like]
    for i, region in enumerate(regions):
        for j, word in enumerate(words):
            hangs = region.is_relation if word.is_relation else word.is_attribute and not region.is_relation
            if late.consistency_weight is not None and hangs:
                ends = zip(region.ends, word.ends, strict=True)
                joined[i][j] += float(late.consistency_weight) * sum(like[a][b] for a, b in ends) / 2
    return joined


def best_found(late: LateInteraction, image: Encoded, text: Encoded) -> list[float]:
    """The likeness of every text node's best match of its kind."""
    regions, like = plain_nodes(image), likenesses(late, image, text)
    return [
        max((like[i][j] for i, r in enumerate(regions) if r.is_relation == word.is_relation), default=0.0)
        for j, word in enumerate(plain_nodes(text))
    ]


Shaken = TypeVar("Shaken", bound=Method)


def shaken(method: Shaken) -> Shaken:
    """The method away from its tame beginnings: gates, shares and maps."""
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return method
