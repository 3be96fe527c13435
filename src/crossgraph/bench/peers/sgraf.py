"""The loops of SGR and SAF *(Diao 2021)*: caption after caption, similarity vectors with all pictures, then a graph or
a filter over them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.bench.peers.scan import seen


@dataclass(frozen=True)
class SimilarityMaps:
    """The maps of the loops: similarity vectors of wholes and of words, and the last one to a score."""

    whole: nn.Linear
    word: nn.Linear
    score: nn.Linear


@dataclass(frozen=True)
class Reasoning:
    """SGR's steps."""

    query: list[nn.Linear]
    key: list[nn.Linear]
    update: list[nn.Linear]

    def __call__(self, nodes: Float[Tensor, "n k s"]) -> Float[Tensor, "n s"]:
        """The global node after all steps, of which every one computes every node."""
        for query, key, update in zip(self.query, self.key, self.update, strict=True):
            edges = F.softmax(torch.bmm(query(nodes), key(nodes).transpose(1, 2)), dim=-1)
            nodes = F.relu(update(torch.bmm(edges, nodes)))
        return nodes[:, 0]


@dataclass(frozen=True)
class Filter:
    """SAF's attention over similarity vectors."""

    weigh: nn.Linear

    def __call__(self, nodes: Float[Tensor, "n k s"]) -> Float[Tensor, "n s"]:
        """Their mean by attention, of unit length."""
        attention = F.normalize(torch.sigmoid(self.weigh(nodes)), p=1, dim=1)
        return F.normalize((attention * nodes).sum(dim=1), dim=-1)


def scores(
    regions: Float[Tensor, "n r d"],
    wholes: Float[Tensor, "n d"],
    captions: list[Float[Tensor, "_ d"]],
    caption_wholes: Float[Tensor, "m d"],
    maps: SimilarityMaps,
    head: Reasoning | Filter,
) -> Float[Tensor, "n m"]:
    """The scores before the last function, which is a sigmoid in the published code."""
    columns = []
    for caption, caption_whole in zip(captions, caption_wholes, strict=True):
        words = caption.expand(len(regions), -1, -1).contiguous()
        context = seen(words, regions)
        local = F.normalize(maps.word((context - words) ** 2), dim=-1)
        whole = F.normalize(maps.whole((wholes - caption_whole) ** 2), dim=-1)
        nodes = torch.cat([whole[:, None], local], dim=1)
        columns.append(maps.score(head(nodes)).squeeze(-1))
    return torch.stack(columns, dim=1)
