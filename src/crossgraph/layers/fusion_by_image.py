"""The base score and the fusion graph for one picture with many captions: their nodes in one row, nothing padded.

No gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.layers.fusion_graph import FusionGraph
from crossgraph.layers.node_groups import OneGraph, related_or_not
from crossgraph.layers.node_matching import nodes_of
from crossgraph.types import ATTRIBUTE, Encoded

MOST = 256
"""Captions compared with a picture at once."""


@dataclass(frozen=True)
class NodeRow:
    """All nodes of one kind of `m` captions, caption after caption, and what of them serves every picture.

    `sought` are their vectors and, of attributes, what their owners add by consistency.
    """

    related: bool
    owner: Int[Tensor, " n"]
    """Which caption each is of."""
    starts: Int[Tensor, " m"]
    """Where each caption's nodes begin."""
    vectors: Float[Tensor, "n d"]
    sought: Float[Tensor, "n d"]
    asked: Float[Tensor, "n d"]
    weights: Float[Tensor, " n"]
    subjects: Float[Tensor, "e d"]
    others: Float[Tensor, "e d"]

    def summed(self, weights: Float[Tensor, " n"]) -> Float[Tensor, "m d"]:
        """The weighed sum of each caption's nodes."""
        rows = torch.arange(len(weights), device=weights.device)
        return _sums(self.vectors, rows, weights, self.starts)


def node_rows(
    texts: Encoded, asked: Float[Tensor, "m w d"], weights: Float[Tensor, "m w"], *, beta: Tensor | None
) -> list[NodeRow]:
    """The nodes of captions: those that are no relations, and relations. `weights` say how much each counts."""
    vectors, nodes = nodes_of(texts)
    rows = []
    for related in (False, True):
        chosen = related_or_not(nodes, related)
        owner, place = chosen.nonzero(as_tuple=True)
        ends = nodes.ends[owner, place]
        own, count = vectors[owner, place], chosen.sum(dim=1)
        sought = own
        if beta is not None and not related:
            adorns = (nodes.kinds[owner, place] == ATTRIBUTE)[:, None]
            sought = own + beta * adorns * vectors[owner, ends[:, 0]]
        joins = related and beta is not None
        rows.append(
            NodeRow(
                related,
                owner,
                count.cumsum(0) - count,
                own,
                sought,
                asked[owner, place],
                weights[owner, place],
                vectors[owner, ends[:, 0]] if joins else own[:0],
                vectors[owner, ends[:, 1]] if joins else own[:0],
            )
        )
    return rows


def fuse(
    graph: OneGraph, rows: list[NodeRow], captions: int, fusion: FusionGraph, *, beta: Tensor | None
) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
    """Of every caption: how well its nodes are found, each times its weight, and what the fused graph adds."""
    width = graph.objects.shape[1]
    found = graph.objects.new_zeros(captions)
    own, taken, given = (graph.objects.new_zeros(captions, width) for _ in range(3))
    count = torch.zeros(captions, dtype=torch.long, device=found.device)
    for row in rows:
        regions = graph.of_kind(row.related)
        if not len(regions) or not len(row.owner):
            continue
        likeness = row.sought @ regions.T
        if row.related and beta is not None:
            likeness = torch.addcmul(likeness, graph.joined(row.subjects, row.others), beta)
        values, places = _best(likeness, fusion.top)
        found.index_add_(0, row.owner, values[:, 0] * row.weights)
        kept = values > fusion.threshold
        logits = (row.asked @ regions.T).gather(1, places)
        shares = logits.masked_fill_(~kept, torch.finfo(logits.dtype).min).softmax(dim=1).mul_(kept)
        touched = kept.any(dim=1)
        count.index_add_(0, row.owner, touched.long())
        own += row.summed(touched.to(shares.dtype))
        given += row.summed(shares.square().sum(dim=1))
        taken += _sums(regions, places.flatten(), shares.flatten(), row.starts * shares.shape[1])
    return found, fusion.compared(own, taken, given, count)


def _sums(
    table: Float[Tensor, "v d"], rows: Int[Tensor, " n"], weights: Float[Tensor, " n"], starts: Int[Tensor, " m"]
) -> Float[Tensor, "m d"]:
    return F.embedding_bag(rows, table, starts, mode="sum", per_sample_weights=weights)


def _best(likeness: Float[Tensor, "n v"], count: int) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]:
    """The `count` largest of every row (all of a shorter one), the largest first, and where; overwrites its input."""
    if count > 3 or count > likeness.shape[1]:
        best = likeness.topk(min(count, likeness.shape[1]), dim=1)
        return best.values, best.indices
    values, places = [], []
    for _ in range(count):
        value, place = likeness.max(dim=1, keepdim=True)
        likeness.scatter_(1, place, -torch.inf)
        values.append(value)
        places.append(place)
    return torch.cat(values, dim=1), torch.cat(places, dim=1)
