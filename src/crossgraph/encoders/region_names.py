"""What an image network takes each part of a picture for, in words: beside the part's features, for methods to read.

    part -> classifier that came with the network -> share of every class -> mean text vector of the classes' names

The convex combination of embeddings of class names is ConSE *(Norouzi 2014)*, here of every part rather than of the
picture. The classifier is no part of the method: it comes with the network's package, and is loaded when a picture is
first read. The vectors of the names are kept with the method's weights, so that nobody needs the names again.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.encoders.widths import ItemWidths
from crossgraph.errors import ConfigError
from crossgraph.layers.projection import ResidualProjection

LENGTH = 3.0
"""How long the vector of a part would be that is of one class for sure; the features beside it are some 20 long."""


class RegionNames(nn.Module):
    """The mean text vector of what parts are taken for, by the classifier of the encoder called `source`."""

    vectors: Tensor

    def __init__(self, source: str, *, classes: int, width: int) -> None:
        super().__init__()
        self.source = source
        self.register_buffer("vectors", torch.zeros(classes, width))

    def learn(self, vectors: Float[Tensor, "k w"]) -> None:
        """Take in the text vectors of the names of the classes; what all have in common is taken off."""
        self.vectors.copy_(F.normalize(vectors - vectors.mean(dim=0), dim=1))

    @torch.no_grad()
    def forward(self, parts: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows w"]:
        """One vector per part; no gradient reaches the parts."""
        weight, bias = (value.to(parts) for value in classifier_of(self.source))
        return LENGTH * F.linear(parts, weight, bias).softmax(dim=-1) @ self.vectors


class NamedProjection(nn.Module):
    """`ResidualProjection` of parts with the names of what they are taken for beside them."""

    def __init__(self, sizes: ItemWidths, width: int, *, dropout: float) -> None:
        super().__init__()
        if not sizes.classifier:
            raise ConfigError(
                "model.region_names wants an image network that came with a classifier and is not trained here "
                "(efficientnet-lite0|1|2); choose one in images.encoder, or set model.region_names=false."
            )
        self.names = RegionNames(sizes.classifier, classes=sizes.classes, width=sizes.class_width)
        self.project = ResidualProjection(sizes.part_width + sizes.class_width, width, dropout=dropout)

    def forward(self, parts: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows w"]:
        """One vector of the new width per part."""
        projected: Tensor = self.project(torch.cat([parts, self.names(parts)], dim=-1))
        return projected


def part_projection(sizes: ItemWidths, width: int, *, dropout: float, named: bool) -> nn.Module:
    """From the features of parts to a method's channels; `named`: with the names of what they are taken for."""
    if named:
        return NamedProjection(sizes, width, dropout=dropout)
    return ResidualProjection(sizes.part_width, width, dropout=dropout)


def learn_names(method: nn.Module, vectors: Float[Tensor, "k w"]) -> None:
    """Give every `RegionNames` of a method the text vectors of the names of its classes."""
    for module in method.modules():
        if isinstance(module, RegionNames):
            module.learn(vectors)


@lru_cache(maxsize=4)
def classifier_of(source: str) -> tuple[Float[Tensor, "k d"], Float[Tensor, " k"]]:
    """The classifier that came with an encoder: a weight and a bias per class, on the features of a part.

    Raises `MissingExtraError` where its weights are not installed.
    """
    # Imported here because the network takes a second to load, and sentences are read without it.
    from crossgraph.encoders.efficientnet import load_efficientnet
    from crossgraph.encoders.image import IMAGE_ENCODERS

    layer = load_efficientnet(source, size=IMAGE_ENCODERS[source])._fc
    return layer.weight.detach().clone(), layer.bias.detach().clone()
