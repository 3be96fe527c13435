"""The cross-graph encoder and its alignment for one picture with many captions: nothing is padded or mapped twice.

A relation is compared with relations only, anything else with anything else. Text nodes stand in one row, captions with
the same number of nodes together, so that what a node looks at needs no regard to captions, and what looks back at them
has a block for every number. No gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.layers.cross_graph import CrossGraphEncoder, MultiHeadAlignment
from crossgraph.layers.node_groups import NodeRow, NodeTable, OneGraph, node_rows, node_tables
from crossgraph.layers.products import mapped_by, widened
from crossgraph.types import Encoded

MOST = 256
"""Text nodes compared with a picture at once: what is made of them stays in a processor's cache."""


@dataclass(frozen=True)
class SeenTexts:
    """Of text nodes of one kind what picture nodes see: vectors in their channels, and their products."""

    mapped: Float[Tensor, "t d"]
    grams: Mapping[int, Float[Tensor, "g h c c"]]
    """Products with one another, of every slice of the channels, of captions with c nodes."""
    place: Int[Tensor, " m"]
    """Where each caption is among those with as many."""

    @classmethod
    def of(cls, table: NodeTable, mapped: Float[Tensor, "t d"], *, heads: int) -> SeenTexts:
        """Made once for all pictures."""
        grams, place, width = {}, torch.zeros_like(table.counts), mapped.shape[1] // heads
        for count in torch.unique(table.counts).tolist():
            captions = (table.counts == count).nonzero()[:, 0]
            place[captions] = torch.arange(len(captions), device=place.device)
            nodes = table.starts[captions, None] + torch.arange(count, device=place.device)
            slices = widened(mapped[nodes]).view(len(captions), count, heads, width).transpose(1, 2)
            grams[count] = slices @ slices.mT
        return cls(mapped, grams, place)


@dataclass(frozen=True)
class CrossedTexts:
    """All nodes of captions by kind: how much each counts, its slices' squared lengths, and what looks back sees."""

    tables: tuple[NodeTable, NodeTable]
    weights: tuple[Float[Tensor, " o"], Float[Tensor, " r"]]
    own: tuple[Float[Tensor, "o h"], Float[Tensor, "r h"]]
    seen: tuple[SeenTexts, SeenTexts] | None

    @classmethod
    def of(
        cls,
        texts: Encoded,
        weights: Float[Tensor, "m w"],
        encoder: CrossGraphEncoder,
        align: MultiHeadAlignment,
        *,
        back: bool,
    ) -> CrossedTexts:
        """Made once for all pictures; `back` says whether picture nodes look back."""
        plain, related = tables = node_tables(texts)
        counted = plain.of(weights), related.of(weights)
        own = align.by_head(widened(plain.vectors).square()), align.by_head(widened(related.vectors).square())
        if not back or encoder.text_to_image is None:
            return cls(tables, counted, own, None)
        told = [mapped_by(encoder.text_to_image, table.vectors) for table in tables]
        seen = [SeenTexts.of(table, some, heads=align.heads) for table, some in zip(tables, told, strict=True)]
        return cls(tables, counted, own, (seen[0], seen[1]))

    def among(self, captions: Int[Tensor, " m"]) -> tuple[CrossedRow, CrossedRow]:
        """The nodes of the chosen captions."""
        plain, related = (
            CrossedRow.of(
                row, captions, self.weights[kind], self.own[kind], None if self.seen is None else self.seen[kind]
            )
            for kind, row in enumerate(node_rows(self.tables, captions, by_count=True))
        )
        return plain, related


@dataclass(frozen=True)
class Block:
    """The nodes from `start` on of `captions` that have `count` each, and the products of what is seen of them."""

    start: int
    captions: Int[Tensor, " g"]
    count: int
    gram: Float[Tensor, "g h c c"]


@dataclass(frozen=True)
class CrossedRow:
    """The nodes of one kind of chosen captions, those of captions with few first, and what of them serves a picture."""

    row: NodeRow
    vectors: Float[Tensor, "n d"]
    """Of each node, in single precision."""
    weights: Float[Tensor, " n"]
    own: Float[Tensor, "h n"]
    mapped: Float[Tensor, "n d"] | None
    blocks: tuple[Block, ...]

    @classmethod
    def of(
        cls,
        row: NodeRow,
        captions: Int[Tensor, " m"],
        weights: Float[Tensor, " t"],
        own: Float[Tensor, "t h"],
        seen: SeenTexts | None,
    ) -> CrossedRow:
        """What is known of the nodes of all, of these."""
        mapped = None if seen is None else seen.mapped.index_select(0, row.rows)
        blocks = () if seen is None else tuple(_blocks(row, captions, seen))
        counted, lengths = weights.index_select(0, row.rows), own.index_select(0, row.rows).T.contiguous()
        return cls(row, widened(row.vectors), counted, lengths, mapped, blocks)


def _blocks(row: NodeRow, captions: Int[Tensor, " m"], seen: SeenTexts) -> Iterator[Block]:
    start, order = 0, row.counts.argsort(stable=True)
    for count, number in enumerate(row.counts.bincount().tolist()):
        some, order = order[:number], order[number:]
        for chosen in torch.split(some, max(1, MOST // count)) if count and number else ():
            gram = seen.grams[count].index_select(0, seen.place[captions[chosen]])
            yield Block(start, chosen, count, gram)
            start += len(chosen) * count


@dataclass(frozen=True)
class CrossedImage:
    """One picture, with what of it serves every caption."""

    graph: OneGraph
    mapped: tuple[Float[Tensor, "o d"], Float[Tensor, "r d"]]

    @classmethod
    def of(cls, image: Encoded, cross: CrossGraphEncoder) -> CrossedImage:
        """The only row."""
        graph = OneGraph.of(image)
        told = mapped_by(cross.image_to_text, torch.cat([graph.objects, graph.relations]))
        return cls(graph, (told[: len(graph.objects)], told[len(graph.objects) :]))


def cross(
    image: CrossedImage,
    texts: tuple[CrossedRow, CrossedRow],
    captions: int,
    encoder: CrossGraphEncoder,
    align: MultiHeadAlignment,
) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"], Float[Tensor, " m"]]:
    """Of every caption: how well its nodes were found, each times its weight; and of the picture's nodes how well they
    find their counterparts, each by how much any node looks at it, with the sum of that."""
    found, back, covered = (texts[0].weights.new_zeros(captions) for _ in range(3))
    graph, beta, joined = image.graph, encoder.consistency_weight, None
    for kind, some in enumerate(texts):
        row, regions = some.row, graph.of_kind(some.row.related)
        if not len(regions) or not len(row.rows):
            continue
        logits = widened(row.vectors @ regions.T)
        extra: Tensor | None = None
        if beta is not None and not row.related:
            joined = graph.joined(logits, texts[1].row.ends)
        elif beta is not None and joined is not None:
            logits, extra = torch.addcmul(logits, joined, beta), joined
        looks = logits.mul_(encoder.sharpness).softmax(dim=1)
        agreed = _agreed(some, looks, image.mapped[kind], align)
        if extra is not None:
            agreed = agreed + beta * torch.linalg.vecdot(looks, extra)
        found.index_add_(0, row.owner, agreed * some.weights)
        if some.blocks:
            looking = LookingBack.of(regions, align)
            for block in some.blocks:
                told, looked_at = _looked_back(block, some, logits, looks, looking, align)
                back[block.captions] += told
                covered[block.captions] += looked_at
    return found, back, covered


def _agreed(
    texts: CrossedRow, looks: Float[Tensor, "n v"], mapped: Float[Tensor, "v d"], align: MultiHeadAlignment
) -> Float[Tensor, " n"]:
    """How well text nodes agree with what they see."""
    gate, vectors, looks = align.gate.weight[0, :-1], texts.vectors, looks.to(mapped.dtype)
    both, other, opens = torch.empty_like(texts.own), torch.empty_like(texts.own), torch.empty_like(texts.weights)
    for start in range(0, len(vectors), MOST):
        nodes = slice(start, start + MOST)
        seen = widened(looks[nodes] @ mapped)
        products = vectors[nodes] * seen
        both[:, nodes], other[:, nodes] = align.by_head(products).T, align.by_head(seen.square_()).T
        opens[nodes] = products @ gate
    return align.agreed(both, texts.own, other, opens)


@dataclass(frozen=True)
class LookingBack:
    """A picture's nodes of one kind as they look back: by slices, their squared lengths, and as the gate takes them."""

    slices: Float[Tensor, "h v c"]
    own: Float[Tensor, "h 1 v"]
    gated: Float[Tensor, "v d"]

    @classmethod
    def of(cls, regions: Float[Tensor, "v d"], align: MultiHeadAlignment) -> LookingBack:
        """Made once for all captions."""
        slices = regions.view(len(regions), align.heads, -1).transpose(0, 1)
        own = align.by_head(widened(regions).square()).T[:, None]
        return cls(slices.contiguous(), own, (regions * align.gate.weight[0, :-1]).to(regions.dtype))


def _looked_back(
    block: Block,
    texts: CrossedRow,
    logits: Float[Tensor, "n v"],
    looks: Float[Tensor, "n v"],
    image: LookingBack,
    align: MultiHeadAlignment,
) -> tuple[Float[Tensor, " g"], Float[Tensor, " g"]]:
    """How well the picture's nodes agree with what they see of each caption, by how much any node looks at them."""
    assert texts.mapped is not None
    g, c, (heads, v, width) = len(block.captions), block.count, image.slices.shape
    nodes = slice(block.start, block.start + g * c)
    mapped = texts.mapped[nodes]
    both = widened(mapped.view(g * c, heads, width).transpose(0, 1) @ image.slices.mT).view(heads, g, c, v)
    opens = widened(mapped @ image.gated.T).view(g, c, v)
    if c == 1:  # all that there is to look at
        coverage, other = looks[nodes], block.gram[..., 0, 0].T[..., None]
        aligned = align.agreed(both[:, :, 0], image.own, other, opens[:, 0])
    else:
        looks_back = logits[nodes].view(g, c, v).softmax(dim=1)
        coverage = looks[nodes].view(g, c, v).amax(dim=1)
        seen = (block.gram.flatten(1, 2) @ looks_back).view(g, heads, c, v)  # one product a caption for all slices
        other = seen.mul_(looks_back[:, None]).sum(dim=2).transpose(0, 1)
        both, opens = both.mul_(looks_back).sum(dim=2), opens.mul_(looks_back).sum(dim=1)
        aligned = align.agreed(both, image.own, other.clamp_(min=0), opens)
    return torch.linalg.vecdot(aligned, coverage), coverage.sum(dim=1)
