"""Perceptrons that pass messages along a graph between items, and are plain perceptrons without one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.layers.dropout import Dropout

SLOPE = 0.2
"""Of LeakyReLU where it is negative, as in ML-GCN (Chen 2019)."""


class ItemNorm(nn.BatchNorm1d):
    """Batch normalisation that a batch of one does not break: such an item is normalised as in evaluation."""

    def forward(self, input: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Channels of mean 0 and variance 1, scaled and shifted."""
        if self.training and len(input) > 1:
            return super().forward(input)
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class TransferableGraphConvolution(nn.Module):
    """Two graph convolutions whose weights serve without the graph: z = A W2 leaky(A W1 norm(x)), or A = I.

    What is learnt where texts join pictures is used where only pictures are known. The shortcut, A W0 norm(x), keeps
    what frozen features know already.
    """

    def __init__(self, inputs: int, width: int, *, hidden: int, dropout: float = 0.0, shortcut: bool = True) -> None:
        super().__init__()
        self.normalise = ItemNorm(inputs)
        self.drop = Dropout(dropout)
        self.first, self.second = nn.Linear(inputs, hidden), nn.Linear(hidden, width)
        self.straight = nn.Linear(inputs, width, bias=False) if shortcut else None

    def forward(self, items: Float[Tensor, "n i"], graph: Float[Tensor, "n n"] | None = None) -> Float[Tensor, "n d"]:
        """One vector per item. Row i of `graph` says what item i takes in, and of whom; None: of itself alone."""
        return self._finish(*self._begin(items), graph)

    def alone_and_together(
        self, items: Float[Tensor, "n i"], graph: Float[Tensor, "n n"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """The vectors without and with the graph; what comes before the first neighbours is computed once."""
        begun = self._begin(items)
        return self._finish(*begun, None), self._finish(*begun, graph)

    def _begin(self, items: Float[Tensor, "n i"]) -> tuple[Float[Tensor, "n h"], Float[Tensor, "n d"] | None]:
        """What items bring along: hidden channels before activation, and the shortcut."""
        items = self.drop(self.normalise(items))
        return self.first(items), None if self.straight is None else self.straight(items)

    def _finish(
        self,
        hidden: Float[Tensor, "n h"],
        straight: Float[Tensor, "n d"] | None,
        graph: Float[Tensor, "n n"] | None,
    ) -> Float[Tensor, "n d"]:
        found: Tensor = self.second(self.drop(F.leaky_relu(_spread(hidden, graph), SLOPE)))
        return _spread(found if straight is None else found + straight, graph)


class LabelGraphConvolution(nn.Module):
    """Embeddings of labels from vectors of their names: H1 = leaky(A W T1), H2 = leaky(A H1 T2), E = [H1; H2] T3."""

    def __init__(self, inputs: int, width: int, *, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, hidden, bias=False)
        self.second = nn.Linear(hidden, hidden, bias=False)
        self.join = nn.Linear(2 * hidden, width, bias=False)

    def forward(self, vectors: Float[Tensor, "c w"], graph: Float[Tensor, "c c"]) -> Float[Tensor, "c d"]:
        """One embedding per label."""
        one = F.leaky_relu(graph @ self.first(vectors), SLOPE)
        two = F.leaky_relu(graph @ self.second(one), SLOPE)
        joined: Tensor = self.join(torch.cat([one, two], dim=1))
        return joined


def _spread(items: Float[Tensor, "n d"], graph: Float[Tensor, "n n"] | None) -> Float[Tensor, "n d"]:
    return items if graph is None else graph @ items
