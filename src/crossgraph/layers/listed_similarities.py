"""Similarity vectors of several pictures, each with captions of its own: then all of one length can be reasoned over.

A picture has few captions of one length on its list. What is made word by word needs no regard to lengths, and what
follows needs none to pictures. Nothing is padded; no gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.layers.attention import attend_in_row
from crossgraph.layers.similarity_vectors import SimilarityVectors, sides_of
from crossgraph.types import Encoded


@dataclass(frozen=True)
class WordTable:
    """The words of captions, caption after caption, and their wholes."""

    words: Float[Tensor, "t d"]
    wholes: Float[Tensor, "m d"]
    lengths: Int[Tensor, " m"]
    starts: Int[Tensor, " m"]
    weights: Float[Tensor, " t"]
    """How much each word counts."""

    @classmethod
    def of(cls, texts: Encoded, weights: Float[Tensor, "m w"] | None) -> WordTable:
        """Of captions without gaps between words; without weights words count nothing."""
        _, _, words, mask = sides_of(texts, texts)
        owner, place = mask.nonzero(as_tuple=True)
        lengths = mask.sum(dim=1)
        flat = words.flatten(0, 1).index_select(0, owner * words.shape[1] + place)
        counted = texts.embedding.new_zeros(len(flat)) if weights is None else weights[owner, place]
        return cls(flat, texts.embedding, lengths, lengths.cumsum(0) - lengths, counted)


@dataclass(frozen=True)
class ListedPicture:
    """A picture's regions and whole, and which captions of a table it is compared with, short ones first."""

    regions: Float[Tensor, "r d"]
    whole: Float[Tensor, " d"]
    captions: Int[Tensor, " m"]


@dataclass(frozen=True)
class ListedSimilarities:
    """Of all pairs, picture after picture, what is not yet scaled to unit length, and by how much wholes and words
    agree."""

    vectors: Float[Tensor, "k s"]
    """Those of wholes, a row a pair, and below them those of words, a level below the other."""
    lengths: Int[Tensor, " p"]
    starts: Int[Tensor, " p"]
    """Where each pair's words begin."""
    levels: int
    wholes: Float[Tensor, " p"]
    words: Float[Tensor, " p"]
    """The cosine of the wholes, and those of words with what they saw, each by what it counts."""

    @classmethod
    def of(
        cls,
        similarities: SimilarityVectors,
        table: WordTable,
        pictures: Sequence[ListedPicture],
        *,
        sharpness: float,
        most: int,
    ) -> ListedSimilarities:
        """Compared picture by picture, about `most` words at once."""
        captions = torch.cat([one.captions for one in pictures])
        lengths = table.lengths[captions]
        globals_, wholes, levels, cosines = [], [], [], []
        for one in pictures:
            own = table.wholes.index_select(0, one.captions)
            wholes.append(own @ one.whole)
            globals_.append(similarities.mapped("global", own.sub_(one.whole).square_()))
            for some in _parts(one.captions, table.lengths, most=most):
                words, told = _compare(similarities, table, one, some, sharpness=sharpness)
                levels.append(words)
                cosines.append(told)
        by_level = [torch.cat(level) for level in zip(*levels, strict=True)]
        vectors = torch.cat([*globals_, *by_level])
        return cls(vectors, lengths, lengths.cumsum(0) - lengths, len(by_level), torch.cat(wholes), torch.cat(cosines))

    def by_length(self) -> Iterator[tuple[Int[Tensor, " n"], Float[Tensor, "n k s"]]]:
        """The pairs of each length, and the nodes of their similarity graphs, the global one first."""
        pairs, device = len(self.lengths), self.lengths.device
        below = (len(self.vectors) - pairs) // max(1, self.levels)
        for length in torch.unique(self.lengths).tolist():
            chosen = (self.lengths == length).nonzero()[:, 0]
            words = pairs + self.starts[chosen, None] + torch.arange(length, device=device)
            rows = torch.cat([chosen[:, None], *(words + level * below for level in range(self.levels))], dim=1)
            nodes = self.vectors.index_select(0, rows.flatten()).view(*rows.shape, -1)
            yield chosen, nodes.div_(nodes.norm(dim=-1, keepdim=True).clamp_(min=1e-12))


def _parts(captions: Int[Tensor, " m"], lengths: Int[Tensor, " t"], *, most: int) -> Iterator[Int[Tensor, " n"]]:
    """The captions in even runs of about so many words at most."""
    until = lengths[captions].cumsum(0)
    count = max(1, -(-int(until[-1]) // most))
    part = (until - 1) * count // until[-1]
    for number in range(count):
        if len(some := captions[part == number]):
            yield some


def _compare(
    similarities: SimilarityVectors,
    table: WordTable,
    picture: ListedPicture,
    captions: Int[Tensor, " m"],
    *,
    sharpness: float,
) -> tuple[list[Tensor], Float[Tensor, " m"]]:
    """The vectors of all words of these captions, by level, and what their cosines with what they saw come to."""
    lengths = table.lengths[captions]
    starts = lengths.cumsum(0) - lengths
    owner = torch.arange(len(captions), device=captions.device).repeat_interleave(lengths)
    at = torch.arange(len(owner), device=captions.device) + (table.starts[captions] - starts)[owner]
    words, weights = table.words.index_select(0, at), table.weights.index_select(0, at)
    spans = [(count, length) for length, count in enumerate(lengths.bincount().tolist()) if count]
    seen, cosines = attend_in_row(words, picture.regions, spans, sharpness=sharpness)
    found = []
    if "local" in similarities.levels:
        unlike = torch.addmm(words, seen.to(words.dtype), picture.regions, alpha=-1).square_()
        found.append(similarities.mapped("local", unlike))
    if "global_local" in similarities.levels:
        found.append(similarities.mapped("global_local", words.sub_(picture.whole.to(words.dtype)).square_()))
    return found, weights.new_zeros(len(captions)).index_add_(0, owner, cosines * weights)
