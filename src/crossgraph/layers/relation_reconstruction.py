"""Reasoning over the similarity nodes of a pair on a graph that is learned, and rebuilt from their states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossgraph.layers.products import mapped_by, widened
from crossgraph.layers.unit_rows import unit_rows


@dataclass(frozen=True)
class FusedLogits:
    """Query and key of one step as one map: (Q x + q) (K y + k) = x `both` y + `lean` y, and what no softmax sees."""

    both: Float[Tensor, "s s"]
    lean: Float[Tensor, " s"]


class RelationReconstruction(nn.Module):
    """Reason over the similarity nodes on a learned graph blended with one rebuilt from the current states.

    With `rebuild=False` the blend is all learned graph and the residual is dropped: this is then exactly
    similarity graph reasoning (SGR, Diao 2021). Every state before the last step is needed by the global node,
    but in the last step only the global node's row is computed.
    """

    def __init__(self, width: int, *, steps: int, top: int, rebuild: bool) -> None:
        super().__init__()
        self.rebuild, self.top = rebuild, top
        self.query, self.key, self.update = (
            nn.ModuleList(nn.Linear(width, width) for _ in range(steps)) for _ in range(3)
        )
        if rebuild:
            self.state = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(steps))
            self.learned_share = nn.Parameter(torch.ones(steps))

    def graph(
        self, step: int, rows: Float[Tensor, "n r s"], nodes: Float[Tensor, "n k s"], mask: Bool[Tensor, "n k"]
    ) -> Float[Tensor, "n r k"]:
        """The adjacency of one step: its rows, the first of the nodes, sum to 1 over real nodes."""
        queries, keys, states = self._mapped(step, rows, nodes)
        padding = None if bool(mask.all()) else ~mask[:, None, :]
        logits = queries @ keys.mT
        if padding is not None:
            logits = logits.masked_fill(padding, torch.finfo(logits.dtype).min)
        learned: Tensor = logits.softmax(dim=-1)
        if states is None:
            return learned
        unit = unit_rows(states)
        # The small floor keeps a row whose cosines are all negative from dividing by zero.
        alike = (unit[:, : rows.shape[1]] @ unit.mT).clamp(min=0) + 1e-6
        if padding is not None:
            alike = alike.masked_fill(padding, 0.0)
        if self.top < nodes.shape[1]:
            alike = alike * (alike >= kth_largest(alike, self.top))
        rebuilt: Tensor = alike / alike.sum(dim=-1, keepdim=True)
        share = torch.sigmoid(self.learned_share[step])
        blended: Tensor = share * learned + (1 - share) * rebuilt
        return blended

    def _mapped(
        self, step: int, rows: Float[Tensor, "n r s"], nodes: Float[Tensor, "n k s"]
    ) -> tuple[Float[Tensor, "n r s"], Float[Tensor, "n k s"], Float[Tensor, "n k s"] | None]:
        """Queries of rows, keys and states of nodes: of all nodes as one map."""
        query, key = cast(nn.Linear, self.query[step]), cast(nn.Linear, self.key[step])
        maps = [query, key] if rows is nodes else [key]
        weights: list[Tensor] = [one.weight for one in maps]
        biases: list[Tensor] = [one.bias for one in maps]
        if self.rebuild:
            state = cast(nn.Linear, self.state[step]).weight
            weights, biases = [*weights, state], [*biases, torch.zeros_like(state[:, 0])]
        together = F.linear(nodes, torch.cat(weights), torch.cat(biases))
        found = torch.split(together, [len(one) for one in weights], dim=-1)
        queries = found[0] if rows is nodes else query(rows)
        return queries, found[len(maps) - 1], found[-1] if self.rebuild else None

    def forward(self, nodes: Float[Tensor, "n k s"], mask: Bool[Tensor, "n k"]) -> Float[Tensor, "n s"]:
        """The global node's state after all steps."""
        last = len(self.update) - 1
        for step, update in enumerate(self.update):
            rows = nodes[:, :1] if step == last else nodes
            moved = torch.relu(update(self.graph(step, rows, nodes, mask) @ nodes))
            nodes = moved + rows if self.rebuild else moved
        return nodes[:, 0]

    def fused(self, numbers: torch.dtype) -> list[FusedLogits]:
        """The maps of `reason`, made once for many calls, which then reason in these numbers."""
        return [
            _fused(cast(nn.Linear, query), cast(nn.Linear, key), numbers)
            for query, key in zip(self.query, self.key, strict=True)
        ]

    def reason(self, nodes: Float[Tensor, "n k s"], fused: list[FusedLogits]) -> Float[Tensor, "n s"]:
        """`forward` where every node is real; no gradients.

        States are held, and multiplied, in the numbers of `fused`; what is k x k in single precision at least.
        One map in the place of query and key, lengths from the diagonal of the products of states with one another,
        and in the last step the maps of the global node's row alone.
        """
        last = len(fused) - 1
        nodes = nodes.to(fused[0].both.dtype)
        for step, (update, maps) in enumerate(zip(self.update, fused, strict=True)):
            rows = nodes[:, :1] if step == last else nodes
            asked = torch.addmm(maps.lean, rows.flatten(0, 1), maps.both).view_as(rows)
            edges = widened(torch.bmm(asked, nodes.mT)).softmax(dim=-1)
            if self.rebuild:
                edges = self._blended(step, edges, nodes)
            taken = torch.bmm(edges.to(nodes.dtype), nodes).flatten(0, 1)
            moved = mapped_by(cast(nn.Linear, update), taken).relu_().view_as(rows)
            nodes = moved.add_(rows) if self.rebuild else moved
        return widened(nodes[:, 0])

    def _blended(
        self, step: int, learned: Float[Tensor, "n r k"], nodes: Float[Tensor, "n k s"]
    ) -> Float[Tensor, "n r k"]:
        states = mapped_by(cast(nn.Linear, self.state[step]), nodes.flatten(0, 1)).view_as(nodes)
        products = widened(torch.bmm(states[:, : learned.shape[1]], states.mT))
        whole = products.shape[1] == products.shape[2]
        squared = products.diagonal(dim1=1, dim2=2) if whole else widened(states).square().sum(dim=-1)
        scale = squared.clamp(min=1e-24).rsqrt()
        alike = products.clamp_(min=0).mul_(scale[:, : learned.shape[1], None]).mul_(scale[:, None]).add_(1e-6)
        if self.top < nodes.shape[1]:
            alike.mul_(alike >= kth_largest(alike, self.top))
        share = torch.sigmoid(self.learned_share[step])
        return learned.mul_(share).add_(alike.mul_((1 - share) / alike.sum(dim=-1, keepdim=True)))


def _fused(query: nn.Linear, key: nn.Linear, numbers: torch.dtype) -> FusedLogits:
    return FusedLogits((query.weight.T @ key.weight).to(numbers), (query.bias @ key.weight).to(numbers))


def kth_largest(values: Float[Tensor, "*rows k"], count: int) -> Float[Tensor, "*rows 1"]:
    """The `count`-th largest number of every row, without gradients; of short rows, which arrays select faster."""
    if values.device.type != "cpu" or values.dtype == torch.bfloat16:  # which numpy does not have
        return values.detach().topk(count, dim=-1).values[..., -1:]
    place = values.shape[-1] - count
    return torch.from_numpy(np.partition(values.detach().numpy(), place, axis=-1)[..., place : place + 1])
