"""The nodes of many captions laid out by kind and number, so that nothing is padded while a picture is compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.layers.node_matching import nodes_of
from crossgraph.types import RELATION, Encoded, NodeBatch


@dataclass(frozen=True)
class OneGraph:
    """The real nodes of one picture: objects, and relations with the positions of the objects that they join."""

    objects: Float[Tensor, "o d"]
    relations: Float[Tensor, "r d"]
    ends: Int[Tensor, "r 2"]

    @classmethod
    def of(cls, image: Encoded) -> OneGraph:
        """That of the only row."""
        vectors, nodes = nodes_of(image)
        related = nodes.of_kind(RELATION)[0]
        return cls(vectors[0, nodes.mask[0] & ~related], vectors[0, related], nodes.ends[0, related])

    def of_kind(self, related: bool) -> Float[Tensor, "v d"]:
        """Relations, or all others."""
        return self.relations if related else self.objects

    def joined(self, subjects: Float[Tensor, "n d"], others: Float[Tensor, "n d"]) -> Float[Tensor, "n r"]:
        """The mean cosine of each relation's ends with those of others, subject with subject (`consistency`)."""
        left, right = subjects @ self.objects.T, others @ self.objects.T
        return left.index_select(1, self.ends[:, 0]).add_(right.index_select(1, self.ends[:, 1])).mul_(0.5)


def related_or_not(nodes: NodeBatch, related: bool) -> Bool[Tensor, "m w"]:
    """Which nodes are real relations, or real and none."""
    return nodes.mask & ((nodes.kinds == RELATION) == related)


def by_count(chosen: Bool[Tensor, "m w"], *, most: int) -> Iterator[tuple[Int[Tensor, " g"], Int[Tensor, "g c"]]]:
    """The rows that have c chosen nodes, and where these are, for every c above 0; at most `most` nodes at once."""
    count = chosen.sum(dim=1)
    for number in torch.unique(count).tolist():
        if not number:
            continue
        for rows in torch.split((count == number).nonzero()[:, 0], max(1, most // number)):
            yield rows, chosen[rows].nonzero()[:, 1].view(len(rows), number)
