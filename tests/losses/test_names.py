"""The loss between pictures and names, against sums written out."""

import math

import pytest
import torch

from crossgraph.losses.names import name_loss


def by_hand(scores: torch.Tensor, targets: torch.Tensor, known: torch.Tensor, *, scale: float) -> float:
    losses = []
    for row in range(len(scores)):
        columns = [c for c in range(scores.shape[1]) if known[row, c]]
        mass = sum(float(targets[row, c]) for c in columns)
        if mass == 0:
            continue
        total = math.log(sum(math.exp(scale * float(scores[row, c])) for c in columns))
        losses.append(sum(float(targets[row, c]) / mass * (total - scale * float(scores[row, c])) for c in columns))
    return sum(losses) / len(losses) if losses else 0.0


def test_it_is_the_cross_entropy_over_known_names_written_out() -> None:
    torch.manual_seed(0)
    scores, targets = torch.randn(6, 5), torch.rand(6, 5) * (torch.rand(6, 5) < 0.5)
    known = torch.rand(6, 5) < 0.7
    targets[2] = 0
    found = name_loss(scores, targets, known, scale=3.0)
    assert float(found) == pytest.approx(by_hand(scores, targets, known, scale=3.0), rel=1e-5)


def test_without_any_target_it_is_zero_and_has_a_gradient() -> None:
    scores = torch.randn(3, 4, requires_grad=True)
    loss = name_loss(scores, torch.zeros(3, 4), scale=2.0)
    loss.backward()
    assert float(loss.detach()) == 0
    assert scores.grad is not None
    assert not scores.grad.any()


def test_an_unknown_name_pulls_and_pushes_nothing() -> None:
    scores = torch.randn(2, 3, requires_grad=True)
    known = torch.tensor([[True, True, False], [True, True, True]])
    name_loss(scores, torch.tensor([[1.0, 0, 1], [0, 1, 0]]), known, scale=1.0).backward()
    assert scores.grad is not None
    assert scores.grad[0, 2] == 0
    assert scores.grad[1, 2] != 0
