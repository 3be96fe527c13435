"""The nodes of whole graphs by kind, each kind as one stretch of places, so that none is copied to be compared."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.types import RELATION, NodeBatch


@dataclass(frozen=True)
class Stretch:
    """One stretch of the places of `n` graphs, with all nodes of one kind; which are real and of it, and their ends."""

    vectors: Float[Tensor, "n k d"]
    real: Bool[Tensor, "n k"]
    ends: Int[Tensor, "n k 2"]
    """Zeros where a node is not."""

    @property
    def unreal(self) -> Bool[Tensor, "n k"] | None:
        """What is not; None if all are."""
        return None if bool(self.real.all()) else ~self.real


def stretches(vectors: Float[Tensor, "n v d"], nodes: NodeBatch) -> tuple[Stretch, Stretch]:
    """The nodes that are no relations, from the first place to the last that a relation joins at least; and relations.

    Where the one end before the others begin, as in graphs of one size, both are cut in one go, so that their gradients
    are joined in one.
    """
    relations = nodes.of_kind(RELATION)
    others = nodes.mask & ~relations
    joined = int((nodes.ends * relations[..., None]).max()) + 1 if bool(relations.any()) else 0
    end, (start, stop) = max(_span(others)[1], joined), _span(relations)
    if start == stop:
        start = stop = end
    if end <= start:
        sizes = [end, start - end, stop - start, vectors.shape[1] - stop]
        before, _, after, _ = torch.split(vectors, sizes, dim=1)
    else:
        before, after = vectors[:, :end], vectors[:, start:stop]
    of_others, of_relations = (nodes.ends * kind[..., None] for kind in (others, relations))
    return (
        Stretch(before, others[:, :end], of_others[:, :end]),
        Stretch(after, relations[:, start:stop], of_relations[:, start:stop]),
    )


def _span(chosen: Bool[Tensor, "n v"]) -> tuple[int, int]:
    places = chosen.any(dim=0).nonzero()
    return (int(places.min()), int(places.max()) + 1) if len(places) else (0, 0)
