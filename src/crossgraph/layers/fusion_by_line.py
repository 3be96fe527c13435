"""The base score and the fusion graph for chosen pairs, line by line (`pair_lines`), with gradients.

The same numbers as `LateInteraction.pairs` and `FusionGraph` pair by pair. What text nodes take in along their edges is
a product of a picture's nodes with a matrix that is zero but for the edges, so that no node is copied for an edge.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.layers.fusion_graph import FusionGraph
from crossgraph.layers.graph_lines import PictureSide, TextSide, joined, kinds, with_owners
from crossgraph.layers.node_matching import nodes_of
from crossgraph.layers.pair_lines import Lines
from crossgraph.types import Encoded


def fused(
    images: Encoded,
    texts: Encoded,
    rows: Int[Tensor, " k"],
    columns: Int[Tensor, " k"],
    weights: Float[Tensor, "m w"],
    fusion: FusionGraph,
    *,
    beta: Tensor | None,
) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Of every pair: how well the caption's nodes are found, each times its weight, and what the fused graph adds."""
    words, nodes = nodes_of(texts)
    lines = Lines.of(rows, columns, nodes.mask.sum(dim=1))
    sought, asked, weighed = (
        with_owners(texts, beta).flatten(0, 1),
        fusion.asking(words).flatten(0, 1),
        weights.flatten(),
    )
    total: list[Tensor] = []
    for kind in kinds(lines, images, texts, consistent=beta is not None):
        seeking = [one.vectors for one in kind.texts] if kind.related or beta is None else kind.gathered(sought)
        sides = zip(kind.pictures, kind.texts, seeking, kind.gathered(asked), kind.gathered(weighed), strict=True)
        more = [_block(*one, fusion, beta) for one in sides]
        total = [one + other for one, other in zip(total, more, strict=True)] if total else more
    if not total:
        zeros = weights.new_zeros(len(rows))
        return zeros, zeros
    best, count, own, taken, given = torch.split(lines.of_pairs(total), [1, 1, *[words.shape[2]] * 3], dim=1)
    return best[:, 0], fusion.compared(own, taken, given, count[:, 0].detach().long())


def _block(
    picture: PictureSide,
    text: TextSide,
    seeking: Float[Tensor, "b n d"],
    asked: Float[Tensor, "b n d"],
    weights: Float[Tensor, "b n"],
    fusion: FusionGraph,
    beta: Tensor | None,
) -> Float[Tensor, "b s 2+3*d"]:
    """Of every slot of a block, of one kind of nodes: what is found, how many nodes an edge touches, and the sums that
    `FusionGraph.compared` takes."""
    regions, sums = picture.regions, text.laid.sums
    likeness, join = torch.bmm(seeking, regions.mT), joined(picture, text)
    if join is not None and beta is not None:
        likeness = likeness + beta * join
    likeness = picture.masked(likeness)
    best = likeness.amax(dim=2)
    with torch.no_grad():
        values, places = likeness.topk(min(fusion.top, likeness.shape[2]), dim=2)
        kept = values > fusion.threshold
        touched = kept.any(dim=2, keepdim=True).to(sums.dtype)
        lowest = torch.finfo(likeness.dtype).min
        nothing = values[..., 0] == lowest
    best = best.masked_fill(nothing, 0.0) if picture.unreal is not None else best
    logits = torch.bmm(asked, regions.mT).gather(2, places)
    shares = logits.masked_fill(~kept, lowest).softmax(dim=2) * kept
    along = torch.zeros_like(likeness).scatter(2, places, shares)
    taken = torch.bmm(torch.bmm(sums, along), regions)
    sides = torch.cat([touched * text.vectors, shares.square().sum(dim=2, keepdim=True) * text.vectors], dim=2)
    summed = torch.bmm(sums, torch.cat([(best * weights)[..., None], touched, sides], dim=2))
    return torch.cat([summed[..., : -regions.shape[2]], taken, summed[..., -regions.shape[2] :]], dim=2)
