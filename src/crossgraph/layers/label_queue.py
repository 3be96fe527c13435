"""The keys of earlier batches with what is known of their items, for contrast with more than the batch."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class LabelQueue(nn.Module):
    """The last `size` keys that were pushed, oldest overwritten first; buffers, so they are saved with the weights.

    With `random` it starts full of random keys with random labels, as the released SCAHN does; otherwise it starts
    empty, and empty places are never seen.
    """

    keys: Tensor
    labels: Tensor
    filled: Tensor
    place: Tensor

    def __init__(self, size: int, *, width: int, labels: int, random: bool = False) -> None:
        super().__init__()
        self.register_buffer("keys", torch.randn(size, width) if random else torch.zeros(size, width))
        drawn = torch.rand(size, labels) < 0.5 if random else torch.zeros(size, labels, dtype=torch.bool)
        self.register_buffer("labels", drawn)
        self.register_buffer("filled", torch.full((size,), random))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    def seen(self) -> tuple[Float[Tensor, "k d"], Bool[Tensor, "k c"]]:
        """The keys that are there and their labels; copies, so that a push does not change them."""
        return self.keys[self.filled], self.labels[self.filled]

    @torch.no_grad()
    def push(self, keys: Float[Tensor, "b d"], labels: Bool[Tensor, "b c"]) -> None:
        """Take in the keys of a batch; of more than the queue holds, the last."""
        size = len(self.keys)
        if size == 0:
            return
        keys, labels = keys[-size:], labels[-size:]
        places = (self.place + torch.arange(len(keys), device=keys.device)) % size
        self.keys[places], self.labels[places], self.filled[places] = keys.detach(), labels, True
        self.place.copy_((self.place + len(keys)) % size)


class PairQueue(nn.Module):
    """The last `size` keys that were pushed, with their pictures and vectors of their labels; starts empty."""

    keys: Tensor
    pictures: Tensor
    labels: Tensor
    pushed: Tensor

    def __init__(self, size: int, *, width: int, labels: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(size, width))
        self.register_buffer("pictures", torch.zeros(size, dtype=torch.long))
        self.register_buffer("labels", torch.zeros(size, labels))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.long))

    def seen(self) -> tuple[Float[Tensor, "k d"], Int[Tensor, " k"], Float[Tensor, "k c"]]:
        """Keys, pictures and label vectors that are there; copies, so that a push does not change them."""
        there = torch.arange(len(self.keys), device=self.keys.device) < self.pushed
        return self.keys[there], self.pictures[there], self.labels[there]

    @torch.no_grad()
    def push(self, keys: Float[Tensor, "b d"], pictures: Int[Tensor, " b"], labels: Float[Tensor, "b c"]) -> None:
        """Take in the keys of a batch, the oldest overwritten first; of more than the queue holds, the last."""
        size = len(self.keys)
        if size == 0:
            return
        keys, pictures, labels = keys[-size:].detach(), pictures[-size:], labels[-size:]
        places = (self.pushed + torch.arange(len(keys), device=keys.device)) % size
        self.keys[places], self.pictures[places], self.labels[places] = keys, pictures, labels
        self.pushed.add_(len(keys))
