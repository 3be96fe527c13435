"""The graphs of chosen pairs, line by line (`pair_lines`): nodes of one kind of a picture beside those of its captions.

A relation is compared with relations only, anything else with anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from crossgraph.layers.node_groups import related_or_not
from crossgraph.layers.node_matching import nodes_of
from crossgraph.layers.node_stretches import Stretch, stretches
from crossgraph.layers.pair_lines import Laid, Lines, gathered
from crossgraph.types import ATTRIBUTE, Encoded


@dataclass(frozen=True)
class PictureSide:
    """What a block's pictures show of one kind: vectors, and which are not real (None: all are).

    Of relations also the objects that they join, and `joins`: a half where one has an object as its subject and, below,
    where it has it as its object.
    """

    regions: Float[Tensor, "b v d"]
    unreal: Bool[Tensor, "b 1 v"] | None
    objects: Float[Tensor, "b o d"] | None
    joins: Float[Tensor, "b p v"] | None

    def masked(self, logits: Float[Tensor, "b n v"]) -> Float[Tensor, "b n v"]:
        """The same, with the lowest number in the place of what is not real."""
        return logits if self.unreal is None else logits.masked_fill(self.unreal, torch.finfo(logits.dtype).min)

    def without_unreal(self, shares: Float[Tensor, "b n v"]) -> Float[Tensor, "b n v"]:
        """The same, with zeros there."""
        return shares if self.unreal is None else shares.masked_fill(self.unreal, 0.0)


@dataclass(frozen=True)
class TextSide:
    """The nodes of one kind of a block's captions: where they are, their vectors, and those of what relations join."""

    laid: Laid
    vectors: Float[Tensor, "b n d"]
    subjects: Float[Tensor, "b n d"] | None
    others: Float[Tensor, "b n d"] | None


@dataclass(frozen=True)
class Kind:
    """All blocks of one kind of nodes: relations, or all others."""

    related: bool
    pictures: list[PictureSide]
    texts: list[TextSide]

    def gathered(self, rows: Float[Tensor, "r ..."]) -> tuple[Tensor, ...]:
        """What is known of every node of all captions, for those of each block."""
        return gathered(rows, [text.laid for text in self.texts])


def joined(picture: PictureSide, text: TextSide) -> Float[Tensor, "b n v"] | None:
    """The mean cosine of what relations of either side join (`consistency`); None of other nodes."""
    if picture.objects is None or picture.joins is None or text.subjects is None or text.others is None:
        return None
    ends = [torch.bmm(side, picture.objects.mT) for side in (text.subjects, text.others)]
    return torch.bmm(torch.cat(ends, dim=2), picture.joins)


def kinds(lines: Lines, images: Encoded, texts: Encoded, *, consistent: bool) -> Iterator[Kind]:
    """The nodes that are no relations, and relations, of those that both sides have."""
    text_nodes = nodes_of(texts)[1]
    others, relations = stretches(*nodes_of(images))
    objects = _blocks(lines, others.vectors)
    for related, shown in ((False, others), (True, relations)):
        named = related_or_not(text_nodes, related=related)
        if bool(shown.real.any()) and bool(named.any()):
            joins = related and consistent
            yield Kind(
                related,
                _pictures(lines, shown, _blocks(lines, shown.vectors) if related else objects, objects, joins=joins),
                _texts(lines, texts, named, joins=joins),
            )


def _blocks(lines: Lines, regions: Float[Tensor, "n v d"]) -> tuple[Tensor, ...]:
    """The pictures of every block, copied in one go."""
    return torch.split(regions.index_select(0, lines.pictures), [count for _, count in lines.blocks])


def _pictures(
    lines: Lines, shown: Stretch, regions: tuple[Tensor, ...], objects: tuple[Tensor, ...], *, joins: bool
) -> list[PictureSide]:
    unreal, halves = shown.unreal, None
    if joins:
        reach = objects[0].shape[1]
        one_hot = [F.one_hot(shown.ends[..., end], reach).mT for end in (0, 1)]
        halves = torch.cat(one_hot, dim=1).to(regions[0].dtype) / 2
    rows = torch.split(lines.pictures, [count for _, count in lines.blocks])
    return [
        PictureSide(
            mine,
            None if unreal is None else unreal[row][:, None],
            things if joins else None,
            None if halves is None else halves[row],
        )
        for mine, row, things in zip(regions, rows, objects, strict=True)
    ]


def _texts(lines: Lines, texts: Encoded, named: Bool[Tensor, "m w"], *, joins: bool) -> list[TextSide]:
    words, nodes = nodes_of(texts)
    (m, w), flat = named.shape, words.flatten(0, 1)
    laid = lines.laid(named, words.dtype)
    own = gathered(flat, laid)
    subjects: tuple[Tensor | None, ...] = (None,) * len(laid)
    others = subjects
    if joins:
        ends = nodes.ends + w * torch.arange(m, device=words.device)[:, None, None]
        subjects, others = (gathered(flat.index_select(0, ends[..., end].flatten()), laid) for end in (0, 1))
    return [TextSide(*one) for one in zip(laid, own, subjects, others, strict=True)]


def with_owners(texts: Encoded, beta: Tensor | None) -> Float[Tensor, "m w d"]:
    """Nodes as they look for matches: to an attribute its owner is added, `beta` times."""
    vectors, nodes = nodes_of(texts)
    if beta is None:
        return vectors
    rows, places = nodes.of_kind(ATTRIBUTE).nonzero(as_tuple=True)
    owners = vectors[rows, nodes.ends[rows, places, 0]]
    return vectors.index_put((rows, places), vectors[rows, places] + beta * owners)
