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
from crossgraph.layers.node_groups import NodeRow, NodeTable, OneGraph, node_rows, node_tables
from crossgraph.layers.products import mapped_by, widened
from crossgraph.types import Encoded

MOST = 256
"""Captions compared with a picture at once."""


@dataclass(frozen=True)
class FusedTexts:
    """All nodes of captions by kind, and of each how much it counts and what picture nodes take in of it."""

    tables: tuple[NodeTable, NodeTable]
    weights: tuple[Float[Tensor, " o"], Float[Tensor, " r"]]
    told: tuple[Float[Tensor, "o d"], Float[Tensor, "r d"]]

    @classmethod
    def of(cls, texts: Encoded, weights: Float[Tensor, "m w"], fusion: FusionGraph) -> FusedTexts:
        """Made once for all pictures."""
        plain, related = node_tables(texts)
        heard = [widened(mapped_by(fusion.text_to_image, table.vectors)) for table in (plain, related)]
        return cls((plain, related), (plain.of(weights), related.of(weights)), (heard[0], heard[1]))

    def among(self, captions: Int[Tensor, " m"]) -> list[FusedRows]:
        """The nodes of the chosen captions, `MOST` captions at once."""
        return [self._rows(some) for some in torch.split(captions, MOST)]

    def _rows(self, captions: Int[Tensor, " m"]) -> FusedRows:
        rows = node_rows(self.tables, captions)
        plain, related = (of_all.index_select(0, row.rows) for of_all, row in zip(self.weights, rows, strict=True))
        summed = widened(rows[0].vectors), widened(rows[1].vectors)
        return FusedRows(rows, (plain, related), summed, self.told, len(captions))


@dataclass(frozen=True)
class FusedRows:
    """Some captions' nodes by kind, how much each counts, and as they are summed; `told` is of the nodes of all."""

    rows: tuple[NodeRow, NodeRow]
    weights: tuple[Float[Tensor, " n"], Float[Tensor, " e"]]
    summed: tuple[Float[Tensor, "n d"], Float[Tensor, "e d"]]
    told: tuple[Float[Tensor, "o d"], Float[Tensor, "r d"]]
    captions: int


@dataclass(frozen=True)
class FusedImage:
    """One picture: its nodes, as they are summed, and under those of each kind the same as text nodes ask for them."""

    graph: OneGraph
    summed: tuple[Float[Tensor, "o d"], Float[Tensor, "r d"]]
    asked: tuple[Float[Tensor, "p d"], Float[Tensor, "q d"]]

    @classmethod
    def of(cls, image: Encoded, question: Float[Tensor, "d d"]) -> FusedImage:
        """The only row; `question` is what makes a query of a text node (`FusionGraph.question`)."""
        graph = OneGraph.of(image)
        asking = question.T.to(graph.objects.dtype)
        objects, relations = (torch.cat([own, own @ asking]) for own in (graph.objects, graph.relations))
        return cls(graph, (widened(graph.objects), widened(graph.relations)), (objects, relations))


def fuse(
    image: FusedImage, texts: FusedRows, fusion: FusionGraph, *, beta: Tensor | None
) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
    """Of every caption: how well its nodes are found, each times its weight, and what the fused graph adds."""
    graph, width = image.graph, image.graph.objects.shape[1]
    found = texts.weights[0].new_zeros(texts.captions)
    own, taken, given = (found.new_zeros(texts.captions, width) for _ in range(3))
    count = torch.zeros(texts.captions, dtype=torch.long, device=found.device)
    joined: Tensor | None = None
    for kind, row in enumerate(texts.rows):
        regions, told = image.summed[kind], texts.told[kind]
        if not len(regions) or not len(row.owner):
            continue
        likeness, logits = torch.split(widened(row.vectors @ image.asked[kind].T), len(regions), dim=1)
        if beta is not None and not row.related:
            joined = graph.joined(likeness, texts.rows[1].ends)
            owners = row.ends[row.adorning, 0]
            likeness.index_add_(0, row.adorning, beta * likeness.index_select(0, owners))
        elif beta is not None and joined is not None:
            likeness = torch.addcmul(likeness, joined, beta)
        values, places = _best(likeness, fusion.top)
        found.index_add_(0, row.owner, values[:, 0] * texts.weights[kind])
        kept = values > fusion.threshold
        shares = logits.gather(1, places).masked_fill_(~kept, torch.finfo(logits.dtype).min).softmax(dim=1).mul_(kept)
        touched, all_rows = kept.any(dim=1), torch.arange(len(kept), device=found.device)
        count.index_add_(0, row.owner, touched.long())
        own += _sums(texts.summed[kind], all_rows, touched.to(found.dtype), row.starts)
        given += _sums(told, row.rows, shares.square().sum(dim=1), row.starts)
        taken += _sums(regions, places.flatten(), shares.flatten(), row.starts * shares.shape[1])
    numbers = graph.objects.dtype
    seen = widened(mapped_by(fusion.image_to_text, taken.to(numbers)))
    return found, fusion.read(own, taken, seen, given, count, numbers=numbers)


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
