"""A regularised linear classifier over one label or many, solved to its minimum; its cost chosen on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class LinearClassifier(nn.Module):
    """Probabilities of labels: softmax where every row has exactly one (`exclusive`), a sigmoid for each otherwise.

    What is minimised is the mean cross-entropy + |weights|^2 / (2 C rows), as in scikit-learn's LogisticRegression.
    It is solved here and not by scikit-learn because that has no many-label form but one solver run per label, and
    because all labels at once are one matrix product per step of L-BFGS, on any device, dense or sparse.
    """

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(width, labels))
        self.register_buffer("bias", torch.zeros(labels))
        self.register_buffer("exclusive", torch.zeros((), dtype=torch.bool))
        self.weights: Tensor
        self.bias: Tensor
        self.exclusive: Tensor

    def forward(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """The probability of each label."""
        logits = rows @ self.weights + self.bias
        return logits.softmax(dim=1) if self.exclusive else logits.sigmoid()

    def fit(
        self,
        rows: Float[Tensor, "n d"],
        labels: Bool[Tensor, "n c"],
        held_out: Bool[Tensor, " n"],
        *,
        costs: Sequence[float],
        steps: int = 300,
    ) -> float:
        """Solve for each C of `costs`, keep the one under which `held_out` rows are likeliest, solve with all rows.

        Returns that C. Dense rows are centred and brought to a mean variance of 1 first (which ends in the weights), so
        that a C means the same for any features; columns keep their relative scale, which says something in frozen
        features. Sparse rows are taken as they are, since centring would fill them.
        """
        self.exclusive.fill_(bool((labels.sum(dim=1) == 1).all()))
        mean, scale = torch.zeros_like(self.weights[:, 0]), torch.ones_like(self.bias[0])
        if not rows.is_sparse:
            mean = rows.mean(dim=0)
            rows = rows - mean
            scale = rows.square().mean().sqrt().clamp(min=1e-6).reciprocal()
            rows = rows * scale
        best = costs[0]
        if len(costs) > 1:
            train, test = (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]
            inner, outer = rows.index_select(0, train), rows.index_select(0, test)
            least = float("inf")
            self._restart()
            for cost in sorted(costs):  # from stiff to loose: each solution starts the next, until looser is worse
                self._solve(inner, labels[train], cost=cost, steps=steps)
                loss = self._cross_entropy(outer @ self.weights + self.bias, labels[test]).item()
                if loss >= least:
                    break
                best, least = cost, loss
        self._restart()
        self._solve(rows, labels, cost=best, steps=steps)
        self.weights.mul_(scale)
        self.bias.sub_(mean @ self.weights)
        return best

    def _restart(self) -> None:
        self.weights.zero_()
        self.bias.zero_()

    def _solve(self, rows: Tensor, labels: Bool[Tensor, "n c"], *, cost: float, steps: int) -> None:
        """Move weights and bias to the minimum of the regularised loss, from where they are."""
        with torch.enable_grad():
            weights, bias = self.weights.clone().requires_grad_(), self.bias.clone().requires_grad_()
            solver = torch.optim.LBFGS(
                [weights, bias],
                max_iter=steps,
                history_size=10,
                tolerance_grad=1e-6,
                tolerance_change=1e-9,
                line_search_fn="strong_wolfe",
            )

            def loss() -> float:
                solver.zero_grad()
                penalty = weights.square().sum() / (2 * cost * len(rows))
                value = self._cross_entropy(rows @ weights + bias, labels) + penalty
                value.backward()  # type: ignore[no-untyped-call]
                return value.item()

            solver.step(loss)  # type: ignore[no-untyped-call]
        self.weights.copy_(weights.detach())
        self.bias.copy_(bias.detach())

    def _cross_entropy(self, logits: Float[Tensor, "n c"], labels: Bool[Tensor, "n c"]) -> Float[Tensor, ""]:
        """Summed over labels, mean over rows."""
        if self.exclusive:
            return F.cross_entropy(logits, labels.int().argmax(dim=1))
        truth = labels.to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, truth, reduction="sum") / len(logits)


def held_out_rows(owner: Int[Tensor, " n"], *, share: float, seed: int) -> Bool[Tensor, " n"]:
    """Which rows to hold out: all rows of a random `share` of their owners, at least one, so that none is in both."""
    owners = torch.unique(owner)
    drawn = torch.randperm(len(owners), generator=torch.Generator().manual_seed(seed))
    chosen = owners[drawn[: max(1, round(share * len(owners)))].to(owners.device)]
    return torch.isin(owner, chosen)
