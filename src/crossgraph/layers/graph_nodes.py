"""Nodes of scene graphs as vectors: objects, attributes and relations of pictures and of captions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crossgraph.graphs.spatial import frame_geometry, neighbour_pairs, pair_geometry
from crossgraph.types import ATTRIBUTE, OBJECT, PLACE, RELATION, NodeBatch, TextGraphs


def gather_nodes(nodes: Float[Tensor, "n v d"], positions: Int[Tensor, "n k"]) -> Float[Tensor, "n k d"]:
    """The nodes at `positions` of each graph; whole rows are copied, which is several times faster than a gather."""
    n, v, d = nodes.shape
    start = torch.arange(n, device=nodes.device)[:, None] * v
    return nodes.reshape(n * v, d).index_select(0, (start + positions).flatten()).view(n, positions.shape[1], d)


def real_first(described: NodeBatch) -> Int[Tensor, "n v"]:
    """The order that puts the real nodes of every graph first.

    Objects must come first and without gaps among themselves, so that positions of objects stay as they are.
    """
    return (~described.mask).to(torch.uint8).argsort(dim=1, stable=True)


def reordered(described: NodeBatch, order: Int[Tensor, "n v"]) -> NodeBatch:
    """What the nodes are, in another order; padding is described by zeros."""
    mask = described.mask.gather(1, order)
    ends = described.ends.gather(1, order[..., None].expand(-1, -1, 2)) * mask[..., None]
    return NodeBatch(described.kinds.gather(1, order) * mask, ends, mask)


class Relate(nn.Module):
    """One relation vector: what lies between two objects, and through a gate what the objects make of it.

    r = MLP(between) + gate * MLP([subject; object; between]). The gate starts at `joined`; where that is small, a
    relation is first of all its predicate, of which there are few, and not the pair of things it joins, of which there
    are many. The first layer over a pair is a sum of maps, each taken once per item before pairs are formed.
    """

    def __init__(self, width: int, extra: int, *, joined: float = 0.1) -> None:
        super().__init__()
        self.alone = nn.Sequential(nn.Linear(extra, width), nn.GELU(), nn.Linear(width, width))
        self.subject, self.object = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.between = nn.Linear(extra, width, bias=False)
        self.out = nn.Linear(width, width)
        self.gate = nn.Parameter(torch.tensor(joined))

    def forward(
        self, objects: Float[Tensor, "n p d"], ends: Int[Tensor, "n e 2"], between: Float[Tensor, "n e x"]
    ) -> Float[Tensor, "n e d"]:
        """The vector of every relation."""
        if len(between) > 1 and bool((between == between[:1]).all()):  # as in a grid, where all pictures have one
            between = between[:1]
        subject = gather_nodes(self.subject(objects), ends[..., 0])
        other = gather_nodes(self.object(objects), ends[..., 1])
        joined = self.out(F.gelu(subject + other + self.between(between)))
        related: Tensor = self.alone(between) + self.gate * joined
        return related


class RegionNodes(nn.Module):
    """A picture's graph: every region is an object, and relates by geometry to its `neighbours` nearest others.

    It relates to the frame of the picture, too: that relation has the region at both ends. An object node is
    LN(x + W box): what a region is and where. Nodes come objects first; with `neighbours` 0 there are no relations.
    `joined` is where the gate of `Relate` starts.
    """

    def __init__(self, width: int, *, neighbours: int, joined: float = 0.1) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.place = nn.Linear(4, width)
        self.normalise = nn.LayerNorm(width)
        self.relate = Relate(width, 5, joined=joined) if neighbours else None

    def forward(
        self, regions: Float[Tensor, "n p d"], boxes: Float[Tensor, "n p 4"], mask: Bool[Tensor, "n p"]
    ) -> tuple[Float[Tensor, "n v d"], NodeBatch]:
        """All nodes of every picture, real ones first, and what each is."""
        n, p = mask.shape
        objects = self.normalise(regions + self.place(boxes)) * mask[..., None]
        own = torch.arange(p, device=mask.device)[None, :, None].expand(n, p, 2)
        if self.relate is None:
            kinds = torch.full((n, p), OBJECT, device=mask.device)
            return objects, NodeBatch(kinds, own * mask[..., None], mask)
        pairs, real = neighbour_pairs(boxes, mask, k=self.neighbours)
        geometry = torch.cat([pair_geometry(boxes, pairs), frame_geometry(boxes)], dim=1)
        pairs, real = torch.cat([pairs, own], dim=1), torch.cat([real, mask], dim=1)
        related = self.relate(objects, pairs, geometry)
        kinds = torch.tensor([OBJECT, RELATION], device=mask.device).repeat_interleave(
            torch.tensor([p, pairs.shape[1]], device=mask.device)
        )
        described = NodeBatch(kinds.expand(n, -1), torch.cat([own, pairs], dim=1), torch.cat([mask, real], dim=1))
        vectors = torch.cat([objects, related], dim=1)
        if bool(described.mask.all()):
            return vectors, described
        order = real_first(described)
        nodes = reordered(described, order)
        return gather_nodes(vectors, order) * nodes.mask[..., None], nodes


class WordNodes(nn.Module):
    """A caption's graph: an object is the mean of the words that name it, a relation joins two through its words.

    The mean of an object's attributes is added to it through a gate that starts at 0.5. With `attributes` they are
    nodes too; without, their words count as words of their object. With `relations` off there are no relation nodes.
    A place ("on the left") is a relation of the object to the frame, with the object at both ends; an attribute if
    there are no relations. `joined` is where the gate of `Relate` starts.
    """

    def __init__(self, width: int, *, relations: bool, attributes: bool, joined: float = 0.1) -> None:
        super().__init__()
        self.relate = Relate(width, width, joined=joined) if relations else None
        self.adorn = nn.Parameter(torch.tensor(0.5))
        self.attributes = attributes
        self.normalise = nn.LayerNorm(width)

    def forward(self, words: Float[Tensor, "m p d"], graphs: TextGraphs) -> tuple[Float[Tensor, "m v d"], TextGraphs]:
        """All nodes of every caption, real ones first, what each is and which words say it.

        Captions without any node get one that is padding: maxima over no nodes at all have no answer.
        """
        graphs = self._without_places(graphs.resized(max(1, graphs.words.shape[1])))
        said = graphs.words.to(words.dtype)
        means = (said @ words) / said.sum(dim=-1, keepdim=True).clamp(min=1)
        nodes, ends = graphs.nodes, graphs.nodes.ends
        is_attribute = nodes.of_kind(ATTRIBUTE)
        owned = torch.zeros_like(means).scatter_add(
            1, ends[..., :1].expand(-1, -1, means.shape[2]), means * is_attribute[..., None]
        )
        counts = torch.zeros_like(means[..., 0]).scatter_add(1, ends[..., 0], is_attribute.to(means.dtype))
        adorned = means + self.adorn * owned / counts.clamp(min=1)[..., None]
        objects = self.normalise(adorned)
        kept = nodes.of_kind(OBJECT)
        vectors = objects
        if self.attributes:
            vectors = torch.where(is_attribute[..., None], self.normalise(means), vectors)
            kept = kept | is_attribute
        if self.relate is not None:
            is_relation = nodes.of_kind(RELATION)
            vectors = torch.where(is_relation[..., None], self.relate(objects, ends, means), vectors)
            kept = kept | is_relation
        by_word = said
        if not self.attributes:
            of_owner = ends[..., :1].expand_as(said)
            by_word = torch.scatter_add(said, 1, of_owner, said * is_attribute[..., None])
        described = NodeBatch(nodes.kinds, ends, kept)
        order = real_first(described)
        ordered = reordered(described, order)
        said_by = (by_word.gather(1, order[..., None].expand_as(by_word)) > 0) & ordered.mask[..., None]
        return gather_nodes(vectors, order) * ordered.mask[..., None], TextGraphs(ordered, said_by)

    def _without_places(self, graphs: TextGraphs) -> TextGraphs:
        """The same graphs with every place read as a relation or, where there are none, as an attribute."""
        nodes, read = graphs.nodes, ATTRIBUTE if self.relate is None else RELATION
        kinds = torch.where(nodes.kinds == PLACE, read, nodes.kinds)
        return TextGraphs(NodeBatch(kinds, nodes.ends, nodes.mask), graphs.words)
