"""Messages between the nodes of one scene graph: from objects to the relations they are in, and back."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossgraph.types import OBJECT, NodeBatch


def adjacency(nodes: NodeBatch) -> Bool[Tensor, "n v v"]:
    """Which nodes are neighbours: a relation and the objects at its ends, an attribute and its object; symmetric."""
    count = nodes.mask.shape[1]
    places = torch.arange(count, device=nodes.mask.device)
    reaches = (nodes.ends[..., None] == places).any(dim=2)
    depends = nodes.mask & (nodes.kinds != OBJECT)
    joined = reaches & depends[..., None] & nodes.mask[:, None, :]
    return joined | joined.mT


class GatedGraphAttention(nn.Module):
    """Each node takes in its neighbours by attention: z <- LN(z + gate * sum_j a_ij W z_j).

    Objects and the others have weights of their own in either direction, and the gate starts at 0.1: ungated
    message passing washed nodes out. A node without neighbours changes by nothing but the normalisation.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.from_objects, self.to_objects = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.gate = nn.Parameter(torch.tensor(0.1))
        self.normalise = nn.LayerNorm(width)

    def forward(self, vectors: Float[Tensor, "n v d"], nodes: NodeBatch) -> Float[Tensor, "n v d"]:
        """The nodes after one round; padded ones stay zero."""
        count = _objects_of_all(nodes)
        taken = self._taken(vectors, nodes) if count is None else self._taken_by_kind(vectors, nodes, count)
        moved: Tensor = self.normalise(taken)
        return moved if bool(nodes.mask.all()) else moved * nodes.mask[..., None]

    def _taken(self, vectors: Float[Tensor, "n v d"], nodes: NodeBatch) -> Float[Tensor, "n v d"]:
        """Each node and what it takes in of its neighbours."""
        near = adjacency(nodes)
        logits = self.query(vectors) @ self.key(vectors).mT / vectors.shape[-1] ** 0.5
        weights = _shares(logits, near)
        is_object = (nodes.kinds == OBJECT)[..., None]
        sent = torch.where(is_object, self.from_objects(vectors), self.to_objects(vectors))
        taken: Tensor = vectors + self.gate * (weights @ sent)
        return taken

    def _taken_by_kind(self, vectors: Float[Tensor, "n v d"], nodes: NodeBatch, count: int) -> Float[Tensor, "n v d"]:
        """The same where the first `count` nodes of every graph are its objects: these have others as neighbours only,
        and the others only these. Query and key are one map, and only objects, of which there are few, are mapped."""
        objects, others = torch.split(vectors, [count, vectors.shape[1] - count], dim=1)
        places = torch.arange(count, device=vectors.device)
        near = (nodes.ends[:, count:, :, None] == places).any(dim=2)
        near = near & nodes.mask[:, count:, None] & nodes.mask[:, None, :count]
        both = self.query.weight.T @ self.key.weight / vectors.shape[-1] ** 0.5
        of_objects = _shares(objects @ both @ others.mT, near.mT) @ others
        of_others = _shares(others @ (objects @ both.T).mT, near)
        told = torch.baddbmm(others, of_others, self.gate * self.from_objects(objects))
        return torch.cat([objects + self.gate * self.to_objects(of_objects), told], dim=1)


def _shares(logits: Float[Tensor, "n v w"], near: Bool[Tensor, ...]) -> Float[Tensor, "n v w"]:
    """Attention over neighbours; zeros where there are none."""
    return logits.masked_fill(~near.expand_as(logits), torch.finfo(logits.dtype).min).softmax(dim=-1) * near


def _objects_of_all(nodes: NodeBatch) -> int | None:
    """How many objects every graph has, where all have as many and they come first; else None."""
    objects = nodes.of_kind(OBJECT)
    counts = objects.sum(dim=1)
    if not len(counts):
        return None
    count = int(counts[0])
    return count if bool((counts == count).all()) and bool(objects[:, :count].all()) else None
