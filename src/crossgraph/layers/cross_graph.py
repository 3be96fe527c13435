"""Nodes of two graphs find their counterparts in the other one, and are compared with them head by head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.layers.node_matching import comparable, consistency, nodes_of
from crossgraph.types import Encoded

TINY = 1e-12
"""Squared lengths below this count as this much, so that the cosine of a zero vector is 0, with finite gradients."""


class CrossGraphEncoder(nn.Module):
    """Every node gathers its counterparts in the other graph; relations prefer those that join the same objects.

    With cosines E of comparable nodes and the mean cosine C of what two relations join, a node looks with
    softmax(sharpness * (E + beta C)), and what it sees is M. beta (`consistency_weight`) is learned
    and starts at 1. Unless it is `bidirectional`, nobody asks what picture nodes see, and no map of it is learned.
    """

    def __init__(self, width: int, *, sharpness: float, consistent: bool, bidirectional: bool = True) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.consistency_weight = nn.Parameter(torch.tensor(1.0)) if consistent else None
        self.image_to_text = nn.Linear(width, width, bias=False)
        self.text_to_image = nn.Linear(width, width, bias=False) if bidirectional else None
        for linear in (self.image_to_text, self.text_to_image):
            if linear is not None:
                nn.init.eye_(linear.weight)

    def weights(
        self, images: Encoded, texts: Encoded
    ) -> tuple[Float[Tensor, "n v w"], Float[Tensor, "n v w"], Float[Tensor, "n v w"]]:
        """Of each pair: how every text node looks at picture nodes, how every picture node looks back, and C."""
        (regions, image_nodes), (words, text_nodes) = nodes_of(images), nodes_of(texts)
        cosines = regions @ words.mT
        joined = consistency(cosines, image_nodes, text_nodes)
        biased = cosines if self.consistency_weight is None else cosines + self.consistency_weight * joined
        allowed = comparable(image_nodes, text_nodes)
        logits = (self.sharpness * biased).masked_fill(~allowed, torch.finfo(cosines.dtype).min)
        return logits.softmax(dim=1) * allowed, logits.softmax(dim=2) * allowed, joined


class MultiHeadAlignment(nn.Module):
    """How well a node agrees with its counterpart: cosines of `heads` slices of the channels, weighed.

    The node first takes in its counterpart through a scalar gate: z' = z + sigmoid(u [z * M; cos]) M.
    """

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.gate = nn.Linear(width + 1, 1)
        self.share = nn.Parameter(torch.zeros(heads))
        nn.init.constant_(self.gate.bias, -2.0)

    def forward(self, nodes: Float[Tensor, "n k d"], counterparts: Float[Tensor, "n k d"]) -> Float[Tensor, "n k"]:
        """One number in [-1, 1] per node."""
        products = nodes * counterparts
        both, own, other = (
            self.by_head(x).movedim(-1, 0) for x in (products, nodes * nodes, counterparts * counterparts)
        )
        return self.agreed(both, own, other, products @ self.gate.weight[0, :-1])

    def of_mixtures(
        self, nodes: Float[Tensor, "n k d"], looks: Float[Tensor, "n k w"], sources: Float[Tensor, "n w d"]
    ) -> Float[Tensor, "n k"]:
        """`forward` with the counterparts `looks @ sources`, which are never built where there are few sources.

        With weights a, z M is the sum of a_w (z s_w), and M M that of a_w a_x (s_w s_x).
        """
        slices, others = (
            x.view(*x.shape[:2], self.heads, x.shape[2] // self.heads).permute(2, 0, 1, 3) for x in (nodes, sources)
        )
        both = ((slices @ others.mT) * looks).sum(dim=-1)
        other = ((looks @ (others @ others.mT)) * looks).sum(dim=-1).clamp(min=0)
        gate = self.gate.weight[0, :-1]
        opens = ((nodes @ (sources * gate).mT) * looks).sum(dim=-1)
        return self.agreed(both, self.by_head(nodes * nodes).movedim(-1, 0), other, opens)

    def agreed(
        self,
        both: Float[Tensor, h * k],
        own: Float[Tensor, h * l],
        other: Float[Tensor, h * k],
        opens: Float[Tensor, "*k"],
    ) -> Float[Tensor, "*k"]:
        """How well nodes agree with their counterparts, from the products of their slices, slices first.

        `both` are those of a node z with its counterpart M, `own` of z with itself, `other` of M; `opens` is what the
        gate makes of z * M. z' is never built: of each slice, z' M = z M + g M M and z' z' = z z + 2 g z M + g^2 M M.
        """
        lengths = (own.sum(dim=0) * other.sum(dim=0)).clamp(min=TINY).sqrt()
        cosine = both.sum(dim=0) / lengths
        gate = torch.sigmoid(opens + cosine * self.gate.weight[0, -1] + self.gate.bias)
        if torch.is_grad_enabled():
            taken = (own + 2 * gate * both + gate * gate * other).clamp(min=0)
            slices = (both + gate * other) / (taken * other).clamp(min=TINY).sqrt()
        else:  # the same without copies
            pulled = gate * other
            taken = torch.add(pulled, both, alpha=2).mul_(gate).add_(own).clamp_(min=0)
            slices = pulled.add_(both).div_(taken.mul_(other).clamp_(min=TINY).sqrt_())
        found: Tensor = torch.tensordot(self.share.softmax(dim=0), slices, dims=1)
        return found

    def by_head(self, values: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows h"]:
        """The sum of every slice of the channels."""
        return values.view(*values.shape[:-1], self.heads, values.shape[-1] // self.heads).sum(dim=-1)


class Reconstruction(nn.Module):
    """How far nodes are from what can be rebuilt of them from their counterparts: mean of 1 - cos, weighed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.decode = nn.Linear(width, width)

    def forward(
        self,
        nodes: Float[Tensor, "n k d"],
        looks: Float[Tensor, "n k w"] | None,
        sources: Float[Tensor, "n w d"],
        weights: Float[Tensor, "n k"],
    ) -> Float[Tensor, ""]:
        """The mean over pairs; the nodes are a fixed target.

        Counterparts are the sources or, of few sources, `looks @ sources`: those few are decoded before they are mixed.
        """
        decoded = F.linear(sources, self.decode.weight)
        rebuilt = (decoded if looks is None else looks @ decoded) + self.decode.bias
        miss = 1 - F.cosine_similarity(rebuilt, nodes.detach(), dim=-1, eps=1e-6)
        error: Tensor = ((miss * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-6)).mean()
        return error
