"""Embeddings of earlier steps as further negatives, by slowly following weights *(He 2020, MoCo)*."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crossgraph.losses.ranking import RankingLoss


class KeyQueue(nn.Module):
    """The last `size` keys that were pushed, with the picture of each, a row of the training set; starts empty.

    Keys are kept as they were when they were pushed, detached. The buffers are no weights: a checkpoint of training has
    them, a finished run has not.
    """

    keys: Tensor
    rows: Tensor
    pushed: Tensor

    def __init__(self, size: int, *, width: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(size, width), persistent=False)
        self.register_buffer("rows", torch.zeros(size, dtype=torch.long), persistent=False)
        self.register_buffer("pushed", torch.zeros((), dtype=torch.long), persistent=False)

    def negatives(self, queries: Float[Tensor, "m d"], rows: Int[Tensor, " m"]) -> Float[Tensor, "k m"]:
        """The score of each key that is there with each query; -inf where both are of one picture."""
        there = torch.arange(len(self.keys), device=self.keys.device) < self.pushed
        keys, own = self.keys[there], self.rows[there]
        same: Bool[Tensor, "k m"] = own[:, None] == rows[None, :]
        return (keys @ queries.T).masked_fill(same, -torch.inf)

    @torch.no_grad()
    def push(self, keys: Float[Tensor, "b d"], rows: Int[Tensor, " b"]) -> None:
        """Take in the keys of a step, the oldest overwritten first; of more than the queue holds, the last."""
        size = len(self.keys)
        keys, rows = keys[-size:].detach(), rows[-size:]
        places = (self.pushed + torch.arange(len(keys), device=keys.device)) % size
        self.keys[places], self.rows[places] = keys, rows
        self.pushed.add_(len(keys))


class SlowWeights(nn.Module):
    """Copies of `named` parameters that follow them: a running average of decay `momentum`.

    They begin at the parameters as they are when they are first followed. Buffers that are no weights either.
    """

    steps: Tensor

    def __init__(self, named: Mapping[str, nn.Parameter], *, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("steps", torch.zeros((), dtype=torch.long), persistent=False)
        for name, value in named.items():
            self.register_buffer(name.replace(".", "/"), torch.zeros_like(value), persistent=False)

    @torch.no_grad()
    def follow(self, named: Mapping[str, nn.Parameter]) -> None:
        """Move towards the parameters."""
        share = 1.0 - self.momentum if self.steps else 1.0
        for name, slow in self._copies():
            slow.lerp_(named[name].detach(), share)
        self.steps.add_(1)

    def weights(self) -> dict[str, Tensor]:
        """The copies by the names of their parameters."""
        return dict(self._copies())

    def _copies(self) -> Iterator[tuple[str, Tensor]]:
        return ((name.replace("/", "."), slow) for name, slow in self.named_buffers() if name != "steps")


class MomentumQueue(nn.Module):
    """Contrast of pictures and captions with keys that slow copies of the `named` parameters make, both ways.

    Keys are those of a step and those of `size` earlier pictures and as many captions.
    """

    def __init__(self, named: Mapping[str, nn.Parameter], *, size: int, width: int, momentum: float) -> None:
        super().__init__()
        self.images, self.texts = (KeyQueue(size, width=width) for _ in range(2))
        self.slow = SlowWeights(named, momentum=momentum)

    def loss(
        self,
        rank: RankingLoss,
        images: Float[Tensor, "n d"],
        texts: Float[Tensor, "m d"],
        caption_image: Int[Tensor, " m"],
        *,
        rows: Int[Tensor, " n"],
        encode: Callable[[dict[str, Tensor]], tuple[Tensor, Tensor]],
        named: Mapping[str, nn.Parameter] | None = None,
        neither: Bool[Tensor, "n m"] | None = None,
    ) -> Float[Tensor, ""]:
        """InfoNCE of each embedding with the other side's keys; `encode` makes those of a step by given weights.

        `rows` are the pictures of the training set. The positive is a key as well: were it the embedding of now, the
        network could move away from all keys by never standing still. In training, when the parameters are `named`,
        the slow weights follow them first, and the step's keys join the queue.
        """
        of_captions = rows[caption_image]
        if named is not None:
            self.slow.follow(named)
        with torch.no_grad():
            image_keys, text_keys = encode(self.slow.weights())
        found: Tensor = rank(
            image_keys @ texts.T,
            caption_image,
            hardness=1.0,
            neither=neither,
            back=images @ text_keys.T,
            more_images=self.images.negatives(texts, of_captions),
            more_texts=self.texts.negatives(images, rows).T,
        )
        if named is not None:
            self.images.push(image_keys, rows)
            self.texts.push(text_keys, of_captions)
        return found
