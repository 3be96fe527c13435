"""Vectors of labels that know of the labels they come with: two graph convolutions *(Chen 2019, ML-GCN)*."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class LabelNetwork(nn.Module):
    """`A leaky(A W T1) T2` for an adjacency A of labels and vectors W of their names."""

    def __init__(self, inputs: int, hidden: int, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def forward(self, vectors: Float[Tensor, "c w"], adjacency: Float[Tensor, "c c"]) -> Float[Tensor, "c d"]:
        """One vector per label."""
        hidden = F.leaky_relu(adjacency @ self.first(vectors), 0.2)
        spread: Tensor = adjacency @ self.second(hidden)
        return spread
