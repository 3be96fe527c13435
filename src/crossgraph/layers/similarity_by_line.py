"""Similarity vectors of chosen pairs, line by line (`pair_lines`), with gradients.

The same numbers as `attend` and `SimilarityVectors` pair by pair. A picture's regions are multiplied with the words of
several captions at once; nothing is padded, and words come out flat, to be put together by captions of one length.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.layers.pair_lines import Laid, Lines, gathered
from crossgraph.layers.similarity_vectors import SimilarityVectors, sides_of
from crossgraph.types import Encoded


@dataclass(frozen=True)
class FlatSimilarities:
    """What is known of `k` pairs: a vector of the wholes, vectors of each word, and how well words are found."""

    wholes: Float[Tensor, "k s"]
    words: tuple[Float[Tensor, "w s"], ...]
    """One table for each level of words."""
    first: Int[Tensor, " k"]
    """Where the words of each pair begin."""
    counts: Int[Tensor, " k"]
    found: Float[Tensor, " k"]
    """The cosines of a pair's words with what they saw, each times its weight."""

    def nodes(self, pairs: Int[Tensor, " g"], length: int) -> Float[Tensor, "g n s"]:
        """The similarity graphs of pairs that have so many words each: the wholes first."""
        places = (self.first[pairs, None] + torch.arange(length, device=pairs.device)).flatten()
        words = [table.index_select(0, places).view(len(pairs), length, -1) for table in self.words]
        return torch.cat([self.wholes.index_select(0, pairs)[:, None], *words], dim=1)


def similarities(
    images: Encoded,
    texts: Encoded,
    rows: Int[Tensor, " k"],
    columns: Int[Tensor, " k"],
    weights: Float[Tensor, "m w"],
    vectors: SimilarityVectors,
    *,
    sharpness: float,
) -> FlatSimilarities:
    """Those of picture rows[i] with caption columns[i]; `weights` say how much each word counts."""
    regions, region_mask, words, word_mask = sides_of(images, texts)
    counts = word_mask.sum(dim=1)
    lines = Lines.of(rows, columns, counts)
    laid = lines.laid(word_mask, words.dtype)
    sizes = [count for _, count in lines.blocks]
    shown, whole = (torch.split(one.index_select(0, lines.pictures), sizes) for one in (regions, images.embedding))
    unreal = None if bool(region_mask.all()) else torch.split(~region_mask[lines.pictures][:, None], sizes)
    tables: list[list[Tensor]] = []
    found, starts, offset = [], [], 0
    for block, (said, weighed) in enumerate(
        zip(gathered(words.flatten(0, 1), laid), gathered(weights.flatten(), laid), strict=True)
    ):
        padding = None if unreal is None else unreal[block]
        looks, cosines = _looks(said, shown[block], padding, laid[block], sharpness=sharpness)
        found.append(laid[block].sums @ (cosines * weighed)[..., None])
        level = []
        if "local" in vectors.levels:
            level.append(vectors.unit_mapped("local", torch.baddbmm(said, looks, shown[block], alpha=-1).square()))
        if "global_local" in vectors.levels:
            level.append(vectors.unit_mapped("global_local", (said - whole[block][:, None]).square()))
        tables.append([one.flatten(0, 1) for one in level])
        starts.append(laid[block].members[..., :1] + offset)
        offset += laid[block].nodes.numel()
    return FlatSimilarities(
        vectors.unit_mapped("global", (images.embedding[rows] - texts.embedding[columns]).square()),
        tuple(torch.cat(one) for one in zip(*tables, strict=True)),
        lines.of_pairs(starts)[:, 0],
        counts[columns],
        lines.of_pairs(found)[:, 0],
    )


def _looks(
    words: Float[Tensor, "b n d"],
    regions: Float[Tensor, "b r d"],
    unreal: Tensor | None,
    laid: Laid,
    *,
    sharpness: float,
) -> tuple[Float[Tensor, "b n r"], Float[Tensor, "b n"]]:
    """Weights by which regions add up to what each word saw, of unit length, and its cosines with that (`attend`)."""
    products = torch.bmm(words, regions.mT)
    positive = products.clamp(min=0)
    scale = torch.bmm(laid.sums, positive.square()).clamp(min=1e-24).rsqrt()
    logits = sharpness * positive * laid.spread(scale)
    if unreal is not None:
        logits = logits.masked_fill(unreal, torch.finfo(logits.dtype).min)
    looks = logits.softmax(dim=2)
    if unreal is not None:
        looks = looks.masked_fill(unreal, 0.0)
    squared = (torch.bmm(looks, torch.bmm(regions, regions.mT)) * looks).sum(dim=2, keepdim=True)
    looks = looks * squared.clamp(min=1e-24).rsqrt()
    return looks, (products * looks).sum(dim=2)
