"""Contrast of relaxed codes by labels, with learned class centres and one queue of earlier keys for each use."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossgraph.layers.label_queue import LabelQueue
from crossgraph.losses.parametric_contrastive import parametric_contrastive_loss


class LabelContrast(nn.Module):
    """Parametric contrast *(Cui 2021)* under several names, each with its own queue; the centres are shared.

    `random` starts the queues with random keys and labels, as the released SCAHN does.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        width: int,
        bits: int,
        labels: int,
        queue: int,
        temperature: float,
        pair_weight: float,
        random: bool = False,
    ) -> None:
        super().__init__()
        self.temperature, self.pair_weight = temperature, pair_weight
        self.centres = nn.Linear(width, labels)
        self.queues = nn.ModuleDict(
            {name: LabelQueue(queue, width=bits, labels=labels, random=random) for name in names}
        )

    def forward(
        self,
        name: str,
        features: Float[Tensor, "q d"],
        queries: Float[Tensor, "q bits"],
        keys: Float[Tensor, "k bits"],
        query_labels: Bool[Tensor, "q c"],
        key_labels: Bool[Tensor, "k c"],
    ) -> Float[Tensor, ""]:
        """The loss of queries among themselves, with keys and with the queue, which in training then takes the keys."""
        queue = self.queues[name]
        assert isinstance(queue, LabelQueue)
        old, old_labels = queue.seen()
        loss = parametric_contrastive_loss(
            queries,
            torch.cat([queries, keys, old]),
            query_labels,
            torch.cat([query_labels, key_labels, old_labels]),
            self.centres(features),
            temperature=self.temperature,
            pair_weight=self.pair_weight,
            own=len(queries),
        )
        if self.training:
            queue.push(keys, key_labels)
        return loss
