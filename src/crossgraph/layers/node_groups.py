"""The nodes of many captions by kind, one after the other, so that nothing is padded while a picture is compared.

They are laid out once; some captions' nodes are then taken out of that as whole rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.layers.node_matching import nodes_of
from crossgraph.types import ATTRIBUTE, RELATION, Encoded, NodeBatch


@dataclass(frozen=True)
class OneGraph:
    """The real nodes of one picture: objects, and relations with the objects that they join."""

    objects: Float[Tensor, "o d"]
    relations: Float[Tensor, "r d"]
    ends: Float[Tensor, "o+o r"]
    """A half where a relation's subject is, and below all subjects where its other end is."""

    @classmethod
    def of(cls, image: Encoded) -> OneGraph:
        """That of the only row."""
        vectors, nodes = nodes_of(image)
        plain, related = (related_or_not(nodes, related=kind)[0].nonzero()[:, 0] for kind in (False, True))
        objects, relations = (vectors[0].index_select(0, rows) for rows in (plain, related))
        halves = image.embedding.new_zeros(2, len(objects), len(relations))
        halves.scatter_(1, nodes.ends[0].index_select(0, related).T[:, None], 0.5)
        return cls(objects, relations, halves.flatten(0, 1))

    def of_kind(self, related: bool) -> Float[Tensor, "v d"]:
        """Relations, or all others."""
        return self.relations if related else self.objects

    def joined(self, cosines: Float[Tensor, "n o"], ends: Int[Tensor, "e 2"]) -> Float[Tensor, "e r"]:
        """The mean cosine of each relation's ends with those of others, subject with subject (`consistency`).

        `cosines` are those of text nodes with the objects, and `ends` the rows of these that each text relation joins.
        """
        return cosines.index_select(0, ends.flatten()).view(len(ends), len(self.ends)) @ self.ends


@dataclass(frozen=True)
class NodeTable:
    """All nodes of one kind of captions, caption after caption: relations, or all others."""

    related: bool
    counts: Int[Tensor, " m"]
    starts: Int[Tensor, " m"]
    vectors: Float[Tensor, "t d"]
    ends: Int[Tensor, "t 2"]
    """The two that each relation joins, or each attribute's owner: the how-manieth of the caption's that are none."""
    adorns: Bool[Tensor, " t"]
    """Which are attributes."""
    places: tuple[Int[Tensor, " t"], Int[Tensor, " t"]]
    """Caption and position of each."""

    def of(self, values: Float[Tensor, "m w"]) -> Float[Tensor, " t"]:
        """What is known of every position of every caption, of these nodes."""
        return values[self.places]


@dataclass(frozen=True)
class NodeRow:
    """The nodes of one kind of `m` chosen captions, one after the other."""

    related: bool
    rows: Int[Tensor, " n"]
    """Where each is in the table of all."""
    owner: Int[Tensor, " n"]
    """Which of the chosen captions each is of."""
    counts: Int[Tensor, " m"]
    starts: Int[Tensor, " m"]
    """How many each chosen caption has, and where they begin."""
    vectors: Float[Tensor, "n d"]
    ends: Int[Tensor, "n 2"]
    """Where the two are that each relation joins, or each attribute's owner, in the row of all others."""
    adorning: Int[Tensor, " a"]
    """Which are attributes."""


def node_tables(texts: Encoded) -> tuple[NodeTable, NodeTable]:
    """Nodes that are no relations, and relations."""
    vectors, nodes = nodes_of(texts)
    number = related_or_not(nodes, related=False).cumsum(dim=1).sub_(1).clamp_(min=0)

    def of_kind(related: bool) -> NodeTable:
        chosen = related_or_not(nodes, related=related)
        owner, place = chosen.nonzero(as_tuple=True)
        counts, ends = chosen.sum(dim=1), number[owner[:, None], nodes.ends[owner, place]]
        own = vectors.flatten(0, 1).index_select(0, owner * vectors.shape[1] + place)
        adorns = nodes.kinds[owner, place] == ATTRIBUTE
        starts = counts.cumsum(0) - counts
        return NodeTable(related, counts, starts, own, ends, adorns, (owner, place))

    return of_kind(False), of_kind(True)


def node_rows(
    tables: tuple[NodeTable, NodeTable], captions: Int[Tensor, " m"], *, by_count: bool = False
) -> tuple[NodeRow, NodeRow]:
    """The nodes of the chosen captions: in their order or, `by_count`, those of captions with few of a kind first."""
    others: Tensor | None = None
    rows = []
    for table in tables:
        counts = table.counts[captions]
        order = counts.argsort(stable=True) if by_count else torch.arange(len(counts), device=counts.device)
        sizes = counts[order]
        starts = torch.empty_like(counts).scatter_(0, order, sizes.cumsum(0) - sizes)
        owner = order.repeat_interleave(sizes)
        at = torch.arange(len(owner), device=counts.device) + (table.starts[captions] - starts)[owner]
        others = starts if others is None else others
        ends, vectors = table.ends.index_select(0, at) + others[owner, None], table.vectors.index_select(0, at)
        adorning = table.adorns.index_select(0, at).nonzero()[:, 0]
        rows.append(NodeRow(table.related, at, owner, counts, starts, vectors, ends, adorning))
    return rows[0], rows[1]


def related_or_not(nodes: NodeBatch, *, related: bool) -> Bool[Tensor, "m w"]:
    """Which nodes are real relations, or real and none."""
    return nodes.mask & ((nodes.kinds == RELATION) == related)
