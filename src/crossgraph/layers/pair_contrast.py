"""Contrast of relaxed codes by pairs: one learned temperature, and one queue of earlier keys for each use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crossgraph.layers.label_queue import PairQueue
from crossgraph.losses.own_and_like import own_and_like_loss


@dataclass(frozen=True)
class Coded:
    """Codes of one medium to be compared by products, whose picture each is of, and a vector of its labels.

    Items whose label vectors have a larger cosine are more alike; a vector of zeros is like nothing.
    """

    codes: Float[Tensor, "n bits"]
    pictures: Int[Tensor, " n"]
    labels: Float[Tensor, "n c"]


class PairContrast(nn.Module):
    """Contrast under several names, each with its own queue; the temperature is shared, and stays above .01."""

    def __init__(
        self, names: Sequence[str], *, bits: int, labels: int, queue: int, temperature: float, share: float
    ) -> None:
        super().__init__()
        self.share = share
        self.scale = nn.Parameter(torch.tensor(1 / temperature).log())
        self.queues = nn.ModuleDict({name: PairQueue(queue, width=bits, labels=labels) for name in names})

    @property
    def inverse_temperature(self) -> Tensor:
        """What products are multiplied by: learned, below 100."""
        return self.scale.exp().clamp(max=100.0)

    def forward(self, name: str, queries: Coded, keys: Coded, *, within: bool) -> Float[Tensor, ""]:
        """The loss of queries with keys and with the queue, which in training then takes the keys.

        `within` one medium, `keys` are the queries: none is compared with itself.
        """
        queue = self.queues[name]
        assert isinstance(queue, PairQueue)
        old = Coded(*queue.seen())
        codes = torch.cat([keys.codes, old.codes])
        own = queries.pictures[:, None] == torch.cat([keys.pictures, old.pictures])
        loss = own_and_like_loss(
            queries.codes @ codes.T * self.inverse_temperature,
            own,
            likeness(queries.labels, torch.cat([keys.labels, old.labels])),
            share=self.share,
            itself=_diagonal(own) if within else None,
        )
        if self.training:
            queue.push(keys.codes, keys.pictures, keys.labels)
        return loss


def likeness(some: Float[Tensor, "q c"], others: Float[Tensor, "k c"]) -> Float[Tensor, "q k"]:
    """The cosines of label vectors, at least 0; 0 for items without labels."""
    return (F.normalize(some, dim=1) @ F.normalize(others, dim=1).T).clamp(min=0)


def _diagonal(own: Bool[Tensor, "q k"]) -> Bool[Tensor, "q k"]:
    return torch.eye(*own.shape, dtype=torch.bool, device=own.device)
