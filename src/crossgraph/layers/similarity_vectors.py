"""A pair described by similarity vectors at several levels, the nodes of its similarity graph *(after Diao 2021)*."""

from __future__ import annotations

from typing import Literal, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossgraph.errors import ModelError
from crossgraph.layers.attention import Seen, attend
from crossgraph.layers.products import mapped_by, widened
from crossgraph.layers.unit_rows import unit_rows
from crossgraph.types import Encoded

Level = Literal["global", "local", "global_local", "region"]


class SimilarityVectors(nn.Module):
    """Describe a pair at several levels: one vector (or scalar cosine) per level and word."""

    def __init__(self, width: int, *, vector_width: int, levels: tuple[Level, ...], vector: bool) -> None:
        super().__init__()
        self.levels = levels
        self.maps = nn.ModuleDict({level: nn.Linear(width if vector else 1, vector_width) for level in levels})
        self.vector = vector

    def compare(self, level: Level, left: Float[Tensor, "n k d"], right: Float[Tensor, "n k d"]) -> Tensor:
        """Similarity vectors of unit vectors: norm(W (x - y)^2), or a mapped cosine in scalar mode (n x k x s)."""
        raw = (left - right).square() if self.vector else (left * right).sum(dim=-1, keepdim=True)
        return self.unit_mapped(level, raw) if self.vector else self.maps[level](raw)

    def unit_mapped(self, level: Level, squares: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows s"]:
        """The similarity vectors of squared differences."""
        return unit_rows(self.mapped(level, squares))

    def forward(
        self, images: Encoded, texts: Encoded, word_context: Float[Tensor, "n w d"], *, sharpness: float
    ) -> tuple[Float[Tensor, "n k s"], Bool[Tensor, "n k"]]:
        """Nodes of each pair's similarity graph, the global node first, and which of them are real.

        `word_context` is what each word saw among the regions.
        """
        regions, region_mask, words, word_mask = sides_of(images, texts)
        whole_image, whole_text = images.embedding[:, None, :], texts.embedding[:, None, :]
        present = torch.ones_like(word_mask[:, :1])
        nodes, masks = [self.compare("global", whole_image, whole_text)], [present]
        if "local" in self.levels:
            nodes.append(self.compare("local", words, word_context))
            masks.append(word_mask)
        if "global_local" in self.levels:
            nodes.append(self.compare("global_local", words, whole_image.expand_as(words)))
            masks.append(word_mask)
        if "region" in self.levels:
            context, _ = attend(regions, words, region_mask, word_mask, sharpness=sharpness)
            nodes.append(self.compare("region", regions, context))
            masks.append(region_mask)
        mask = torch.cat(masks, dim=1)
        return torch.cat(nodes, dim=1) * mask[..., None], mask

    def with_image(
        self,
        regions: Float[Tensor, "r d"],
        whole: Float[Tensor, " d"],
        words: Float[Tensor, "n w d"],
        wholes: Float[Tensor, "n d"],
        seen: Seen,
        *,
        sharpness: float,
    ) -> Float[Tensor, "n k s"]:
        """The same nodes of one picture with each of several captions of one length, nothing padded; no gradients.

        The product that forms what a word saw subtracts it from the word at once, and its length, known from the
        products of the regions with one another, is in the weights already: one pass over the channels is left.
        """
        n, w, d = words.shape
        flat = words.reshape(n * w, d)
        found = [self.mapped("global", (wholes - whole).square_())[:, None]]
        if "local" in self.levels:
            weights = seen.weights.flatten(0, 1).to(flat.dtype)
            unlike = torch.addmm(flat, weights, regions, alpha=-1).square_()
            found.append(self.mapped("local", unlike).view(n, w, -1))
        if "global_local" in self.levels:
            found.append(self.mapped("global_local", (flat - whole.to(flat.dtype)).square_()).view(n, w, -1))
        if "region" in self.levels:
            all_regions, words = widened(regions).expand(n, -1, -1), widened(words)
            real = torch.ones((), dtype=torch.bool, device=words.device)
            context, _ = attend(
                all_regions, words, real.expand(n, len(regions)), real.expand(n, w), sharpness=sharpness
            )
            unlike = (all_regions - context).square_().view(n * len(regions), d)
            found.append(self.mapped("region", unlike).view(n, len(regions), -1))
        nodes = torch.cat(found, dim=1)
        return nodes.div_(nodes.norm(dim=-1, keepdim=True).clamp_(min=1e-12))

    def mapped(self, level: Level, squares: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows s"]:
        """W (x - y)^2 of a level, not yet of unit length."""
        return widened(mapped_by(cast(nn.Linear, self.maps[level]), squares))


def sides_of(images: Encoded, texts: Encoded) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Parts and masks of both sides, which a fine-grained encoding always has."""
    if images.parts is None or images.mask is None or texts.parts is None or texts.mask is None:
        raise ModelError("kidrr scores parts, but an encoding without parts was given; encode with kidrr itself.")
    return images.parts, images.mask, texts.parts, texts.mask
