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
        near = adjacency(nodes)
        logits = self.query(vectors) @ self.key(vectors).mT / vectors.shape[-1] ** 0.5
        weights = logits.masked_fill(~near, torch.finfo(logits.dtype).min).softmax(dim=-1) * near
        is_object = (nodes.kinds == OBJECT)[..., None]
        sent = torch.where(is_object, self.from_objects(vectors), self.to_objects(vectors))
        moved: Tensor = self.normalise(vectors + self.gate * (weights @ sent)) * nodes.mask[..., None]
        return moved
