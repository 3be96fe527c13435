"""Two scene graphs as one: their nodes joined by explicit cross edges, and what the joined graph adds to a score."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crossgraph.layers.graph_nodes import gather_nodes
from crossgraph.layers.node_matching import comparable, nodes_of
from crossgraph.layers.products import mapped_by, widened
from crossgraph.types import Encoded


class FusionGraph(nn.Module):
    """Both graphs of a pair as one: text nodes and the picture nodes they match, joined by explicit cross edges.

    A text node has edges to its `top` best matches of its kind that are more like it than `threshold`. Along them, and
    nowhere else, nodes of either side take in the other's, with attention and a residual gate that starts at 0.1.
    Both sides are then read out over the nodes that an edge touches, and compared.

    A read-out is a sum, so what nodes take in is summed first and mapped once a pair.
    """

    def __init__(self, width: int, *, top: int, threshold: float) -> None:
        super().__init__()
        self.top, self.threshold = top, threshold
        self.query, self.key, self.image_to_text, self.text_to_image = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.gate = nn.Parameter(torch.tensor(0.1))
        self.scorer = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1))

    def edges(
        self, images: Encoded, texts: Encoded, likeness: Float[Tensor, "n v w"]
    ) -> tuple[Int[Tensor, "n w k"], Float[Tensor, "n w k"], Bool[Tensor, "n w k"]]:
        """Of every text node its best matches in the picture, how like they are, and which of them are edges."""
        allowed = comparable(nodes_of(images)[1], nodes_of(texts)[1]).mT
        lowest = torch.finfo(likeness.dtype).min
        best = likeness.mT.masked_fill(~allowed, lowest).topk(min(self.top, likeness.shape[1]), dim=2)
        return best.indices, best.values, best.values > self.threshold

    def asking(self, words: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows d"]:
        """Text nodes as queries whose products with picture nodes are logits: query and key as one map."""
        asked: Tensor = words @ self.question()
        return asked

    def question(self) -> Float[Tensor, "d d"]:
        """Query and key as one map of text nodes; its transpose maps picture nodes to what gives the same logits."""
        question: Tensor = self.query.weight.T @ self.key.weight / self.query.weight.shape[1] ** 0.5
        return question

    def forward(self, images: Encoded, texts: Encoded, likeness: Float[Tensor, "n v w"]) -> Float[Tensor, " n"]:
        """What the fused graph adds to each pair's score, in (-1, 1)."""
        words, (places, _, kept) = nodes_of(texts)[0], self.edges(images, texts, likeness)
        matched, shares = self._attended(nodes_of(images)[0], words, places, kept)
        n, w, k = places.shape
        touched = kept.any(dim=2)
        taken = (shares.view(n, 1, w * k) @ matched.view(n, w * k, matched.shape[-1]))[:, 0]
        given = (shares.square().sum(dim=2)[:, None] @ words)[:, 0]
        own = (touched[:, None].to(words.dtype) @ words)[:, 0]
        return self.compared(own, taken, given, touched.sum(dim=1))

    def fired(self, images: Encoded, texts: Encoded, likeness: Float[Tensor, "n v w"]) -> Float[Tensor, "n v w"]:
        """How much each cross edge carried."""
        places, _, kept = self.edges(images, texts, likeness)
        shares = self._attended(nodes_of(images)[0], nodes_of(texts)[0], places, kept)[1]
        return torch.zeros_like(likeness.mT).scatter_add(2, places, shares).mT

    def _attended(
        self,
        regions: Float[Tensor, "n v d"],
        words: Float[Tensor, "n w d"],
        places: Int[Tensor, "n w k"],
        kept: Bool[Tensor, "n w k"],
    ) -> tuple[Float[Tensor, "n w k d"], Float[Tensor, "n w k"]]:
        """The picture nodes that edges lead to, and the attention along these."""
        n, w, k = places.shape
        matched = gather_nodes(regions, places.flatten(1)).view(n, w, k, regions.shape[2])
        logits = (matched * self.asking(words)[:, :, None]).sum(dim=-1)
        return matched, logits.masked_fill(~kept, torch.finfo(logits.dtype).min).softmax(dim=-1) * kept

    def compared(
        self,
        own: Float[Tensor, "n d"],
        taken: Float[Tensor, "n d"],
        given: Float[Tensor, "n d"],
        count: Int[Tensor, " n"],
    ) -> Float[Tensor, " n"]:
        """The score of both read-outs.

        `own` is the sum of the `count` text nodes that an edge touches, `taken` that of picture nodes by attention, and
        `given` that of text nodes by squared attention: once as shares of what reaches a node, once in the read-out.
        """
        return self.read(own, taken, self.image_to_text(taken), self.text_to_image(given), count)

    def read(
        self,
        own: Float[Tensor, "n d"],
        taken: Float[Tensor, "n d"],
        found: Float[Tensor, "n d"],
        told: Float[Tensor, "n d"],
        count: Int[Tensor, " n"],
        *,
        numbers: torch.dtype | None = None,
    ) -> Float[Tensor, " n"]:
        """`compared` with `taken` and `given` as they were mapped for the other side: `found` and `told`.

        The map of what is compared is made in `numbers`, else in those of what is given.
        """
        several = count.clamp(min=1)[:, None]
        text = (own + self.gate * found) / several
        image = (taken + self.gate * told) / several
        compared = torch.cat([(image - text).square(), image * text], dim=-1)
        into, bent, out = self.scorer
        hidden = widened(mapped_by(cast(nn.Linear, into), compared.to(numbers or compared.dtype)))
        scores: Tensor = torch.tanh(out(bent(hidden)).squeeze(-1)) * (count > 0)
        return scores
