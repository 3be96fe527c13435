"""The cross-graph encoder and its alignment for one picture with many captions: nothing is padded or mapped twice.

A relation is compared with relations only, anything else with anything else, and captions with the same number of
nodes of a kind together. No gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.layers.cross_graph import CrossGraphEncoder, MultiHeadAlignment
from crossgraph.layers.node_groups import OneGraph, by_count, related_or_not
from crossgraph.layers.node_matching import nodes_of
from crossgraph.types import Encoded

MOST = 256
"""Text nodes compared with a picture at once: what is made of them stays in a processor's cache."""


@dataclass(frozen=True)
class Crossing:
    """The nodes of one kind of `g` captions that have `c` of it each, and what of them serves every picture."""

    rows: Int[Tensor, " g"]
    related: bool
    vectors: Float[Tensor, "g c d"]
    weights: Float[Tensor, "g c"]
    subjects: Float[Tensor, "e d"]
    others: Float[Tensor, "e d"]
    mapped: Float[Tensor, "g c d"] | None
    """What picture nodes see, in their channels; None where nobody asks."""
    gram: Float[Tensor, "g h c c"] | None
    """Products of these with one another, of every slice of the channels."""

    def among(self, places: Int[Tensor, " m"]) -> Iterator[Crossing]:
        """Those of the captions that were chosen: `places` says where in this group each of these is, below 0 nowhere.

        The rows are then those of the choice.
        """
        chosen, (_, c, d) = (places >= 0).nonzero()[:, 0], self.vectors.shape
        for rows in torch.split(chosen, max(1, MOST // c)):
            if not len(rows):
                return
            at = places[rows]  # index_select copies whole rows, which indexing does not
            subjects, others = (
                ends.view(-1, c, d).index_select(0, at).flatten(0, 1) if self.related else ends
                for ends in (self.subjects, self.others)
            )
            mapped, gram = (None if one is None else one.index_select(0, at) for one in (self.mapped, self.gram))
            vectors, weights = self.vectors.index_select(0, at), self.weights.index_select(0, at)
            yield Crossing(rows, self.related, vectors, weights, subjects, others, mapped, gram)


def crossings(
    texts: Encoded,
    weights: Float[Tensor, "m w"],
    mapped: Float[Tensor, "m w d"] | None,
    *,
    heads: int,
    most: int = MOST,
) -> Iterator[Crossing]:
    """The nodes of captions in such groups of at most so many nodes; `weights` say how much each counts."""
    vectors, nodes = nodes_of(texts)
    for related in (False, True):
        for rows, places in by_count(related_or_not(nodes, related), most=most):
            at = rows[:, None]
            ends = nodes.ends[at, places]
            sources = None if mapped is None else mapped[at, places]
            gram = None
            if sources is not None:
                slices = sources.view(*sources.shape[:2], heads, sources.shape[2] // heads).transpose(1, 2)
                gram = slices @ slices.mT
            yield Crossing(
                rows,
                related,
                vectors[at, places],
                weights[at, places],
                vectors[at, ends[..., 0]].flatten(0, 1) if related else vectors[:0, 0],
                vectors[at, ends[..., 1]].flatten(0, 1) if related else vectors[:0, 0],
                sources,
                gram,
            )


@dataclass(frozen=True)
class CrossedImage:
    """One picture, with what of it serves every caption."""

    graph: OneGraph
    mapped: tuple[Float[Tensor, "o d"], Float[Tensor, "r d"]]
    own: tuple[Float[Tensor, "h o"], Float[Tensor, "h r"]]

    @classmethod
    def of(cls, image: Encoded, cross: CrossGraphEncoder, align: MultiHeadAlignment) -> CrossedImage:
        """The only row."""
        graph = OneGraph.of(image)
        objects, relations = graph.objects, graph.relations
        return cls(
            graph,
            (cross.image_to_text(objects), cross.image_to_text(relations)),
            (align.by_head(objects * objects).T, align.by_head(relations * relations).T),
        )


def cross(
    image: CrossedImage, texts: Crossing, encoder: CrossGraphEncoder, align: MultiHeadAlignment
) -> tuple[Float[Tensor, " g"], Float[Tensor, " g"], Float[Tensor, " g"]]:
    """Of every caption: how well its nodes of this kind were found, each times its weight; and of the picture's nodes
    how well they find their counterparts, each by how much any node looks at it, with the sum of that."""
    found, back, covered = (texts.weights.new_zeros(len(texts.rows)) for _ in range(3))
    regions = image.graph.of_kind(texts.related)
    if not len(regions):
        return found, back, covered
    (g, c, d), v = texts.vectors.shape, len(regions)
    logits = texts.vectors.view(g * c, d) @ regions.T
    joined, beta = None, encoder.consistency_weight
    if texts.related and beta is not None:
        joined = image.graph.joined(texts.subjects, texts.others)
        logits = torch.addcmul(logits, joined, beta)
    logits = logits.mul_(encoder.sharpness).view(g, c, v)
    looks = logits.softmax(dim=2)
    seen = (looks.view(g * c, v) @ image.mapped[texts.related]).view(g, c, d)
    agreed = align(texts.vectors, seen)
    if joined is not None and beta is not None:
        agreed = agreed + beta * (looks.view(g * c, v) * joined).sum(dim=1).view(g, c)
    found = (agreed * texts.weights).sum(dim=1)
    if texts.mapped is None or texts.gram is None:
        return found, back, covered
    looks_back, coverage = logits.softmax(dim=1), looks.amax(dim=1)
    heads = align.heads
    slices = regions.view(v, heads, d // heads).transpose(0, 1)
    products = texts.mapped.view(g * c, heads, d // heads).transpose(0, 1) @ slices.mT
    both = (products.view(heads, g, c, v) * looks_back).sum(dim=2)
    other = ((texts.gram @ looks_back[:, None]) * looks_back[:, None]).sum(dim=2).transpose(0, 1)
    gate = align.gate.weight[0, :-1]
    opens = ((texts.mapped.view(g * c, d) @ (regions * gate).T).view(g, c, v) * looks_back).sum(dim=1)
    aligned = align.agreed(both, image.own[texts.related][:, None], other.clamp(min=0), opens)
    return found, (aligned * coverage).sum(dim=1), coverage.sum(dim=1)
