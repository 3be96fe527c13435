"""From frozen features to a method's own channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.layers.dropout import Dropout


class ResidualProjection(nn.Module):
    """A linear map plus a two-layer perceptron beside it (Chen 2021), after layer normalisation and dropout."""

    def __init__(self, inputs: int, width: int, *, hidden: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.normalise = nn.LayerNorm(inputs)
        self.drop = Dropout(dropout)
        self.straight = nn.Linear(inputs, width)
        hidden = hidden or max(width // 2, 1)
        self.bent = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), Dropout(dropout), nn.Linear(hidden, width))

    def forward(self, features: Float[Tensor, "*rows i"]) -> Float[Tensor, "*rows d"]:
        """One vector of the new width per input vector."""
        features = self.drop(self.normalise(features))
        first, activate, drop, second = self.bent
        assert isinstance(first, nn.Linear)
        assert isinstance(self.straight.bias, Tensor)
        assert isinstance(first.bias, Tensor)
        # both maps of the wide features as one: backwards, what comes to these is one product
        weights, biases = (
            torch.cat(both) for both in ((self.straight.weight, first.weight), (self.straight.bias, first.bias))
        )
        straight, hidden = torch.split(
            F.linear(features, weights, biases), [self.straight.out_features, first.out_features], dim=-1
        )
        projected: Tensor = straight + second(drop(activate(hidden)))
        return projected
