"""The cross-graph encoder and its alignment for chosen pairs, line by line (`pair_lines`), with gradients.

The same numbers as `CrossGraphEncoder.weights` and `MultiHeadAlignment` pair by pair. A picture's nodes are multiplied
with those of several captions at once, and nothing as large as a graph is made for a pair.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.layers.cross_graph import CrossGraphEncoder, MultiHeadAlignment
from crossgraph.layers.graph_lines import PictureSide, TextSide, joined, kinds
from crossgraph.layers.node_matching import nodes_of
from crossgraph.layers.pair_lines import Lines
from crossgraph.types import Encoded


def crossed(
    images: Encoded,
    texts: Encoded,
    rows: Int[Tensor, " k"],
    columns: Int[Tensor, " k"],
    weights: Float[Tensor, "m w"],
    encoder: CrossGraphEncoder,
    align: MultiHeadAlignment,
    *,
    back: bool,
) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Of every pair: how well the caption's nodes are found, each times its weight; and how well the picture's nodes
    find theirs, each by how much any node looks at it, with the sum of that (zeros unless asked for `back`)."""
    words, nodes = nodes_of(texts)
    lines = Lines.of(rows, columns, nodes.mask.sum(dim=1))
    flat, weighed = words.flatten(0, 1), weights.flatten()
    own = align.by_head(flat * flat)
    mapped = encoder.text_to_image(words).flatten(0, 1) if back and encoder.text_to_image is not None else None
    total: list[Tensor] = []
    for kind in kinds(lines, images, texts, consistent=encoder.consistency_weight is not None):
        sources = [None] * len(kind.texts) if mapped is None else kind.gathered(mapped)
        sides = zip(kind.pictures, kind.texts, kind.gathered(weighed), kind.gathered(own), sources, strict=True)
        more = [_block(*one, encoder, align) for one in sides]
        total = [one + other for one, other in zip(total, more, strict=True)] if total else more
    if not total:
        return (weights.new_zeros(len(rows)),) * 3
    both = lines.of_pairs(total)
    return both[:, 0], both[:, 1], both[:, 2]


def _block(
    picture: PictureSide,
    text: TextSide,
    weights: Float[Tensor, "b n"],
    own: Float[Tensor, "b n h"],
    mapped: Float[Tensor, "b n d"] | None,
    encoder: CrossGraphEncoder,
    align: MultiHeadAlignment,
) -> Float[Tensor, "b s 3"]:
    """The three numbers of every slot of a block, of one kind of nodes."""
    regions, laid = picture.regions, text.laid
    logits, join, beta = torch.bmm(text.vectors, regions.mT), joined(picture, text), encoder.consistency_weight
    if join is not None and beta is not None:
        logits = logits + beta * join
    logits = picture.masked(encoder.sharpness * logits)
    looks = picture.without_unreal(logits.softmax(dim=2))
    seen = encoder.image_to_text(torch.bmm(looks, regions))
    products = text.vectors * seen
    both, other, mine = (x.movedim(-1, 0) for x in (align.by_head(products), align.by_head(seen * seen), own))
    agreed = align.agreed(both, mine, other, products @ align.gate.weight[0, :-1])
    if join is not None and beta is not None:
        agreed = agreed + beta * (looks * join).sum(dim=2)
    found = torch.bmm(laid.sums, (agreed * weights)[..., None])
    if mapped is None:
        return torch.cat([found, torch.zeros_like(found).expand(-1, -1, 2)], dim=2)
    coverage = laid.largest(looks, empty=0.0)
    looks_back = picture.without_unreal(laid.softmax(logits))
    alignment = _back(picture, text, mapped, looks_back, align)
    return torch.cat([found, torch.stack([(alignment * coverage).sum(dim=2), coverage.sum(dim=2)], dim=2)], dim=2)


def _back(
    picture: PictureSide,
    text: TextSide,
    mapped: Float[Tensor, "b n d"],
    looks: Float[Tensor, "b n v"],
    align: MultiHeadAlignment,
) -> Float[Tensor, "b s v"]:
    """`MultiHeadAlignment.of_mixtures` of a picture's nodes with what they see of each caption of their line."""
    regions, sums, heads = picture.regions, text.laid.sums, align.heads
    (b, n, d), (s, v) = mapped.shape, (sums.shape[1], regions.shape[1])
    sources, slices = (
        x.view(b, -1, heads, d // heads).permute(2, 0, 1, 3).reshape(heads * b, -1, d // heads)
        for x in (mapped, regions)
    )
    same = sums.mT @ sums
    gram = (torch.bmm(sources, sources.mT).view(heads, b, n, n) * same).view(heads * b, n, n)
    spread = looks.expand(heads, b, n, v).reshape(heads * b, n, v)
    summed = sums.expand(heads, b, s, n).reshape(heads * b, s, n)
    both = torch.bmm(summed, torch.bmm(sources, slices.mT) * spread).view(heads, b, s, v)
    other = torch.bmm(summed, torch.bmm(gram, spread) * spread).view(heads, b, s, v).clamp(min=0)
    opens = torch.bmm(sums, torch.bmm(mapped, (regions * align.gate.weight[0, :-1]).mT) * looks)
    lengths = align.by_head(regions * regions).movedim(-1, 0)[:, :, None]
    return align.agreed(both, lengths, other, opens)
