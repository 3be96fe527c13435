"""Pairwise likelihood: two pairs by hand, a slow twin, indifference to a common turn of the codes, large products."""

import math

import pytest
import torch

from crossgraph.losses.pairwise_likelihood import pairwise_likelihood


def test_two_pairs_by_hand() -> None:
    left, right = torch.tensor([[2.0 * math.log(3.0)]]), torch.tensor([[1.0], [-1.0]])
    # half products log 3 and -log 3: alike with probability 3/4 and 1/4
    loss = pairwise_likelihood(left, right, torch.tensor([[True, True]]))
    assert loss.item() == pytest.approx(-(math.log(3 / 4) + math.log(1 / 4)) / 2)


def draw() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    left, right = torch.randn(4, 3, generator=rng), torch.randn(5, 3, generator=rng)
    return left.double(), right.double(), torch.rand(4, 5, generator=rng) < 0.4


def test_the_loss_equals_the_slow_one() -> None:
    left, right, alike = draw()
    total = 0.0
    for i in range(4):
        for j in range(5):
            likely = 1 / (
                1 + math.exp(-sum(a * b for a, b in zip(left[i].tolist(), right[j].tolist(), strict=True)) / 2)
            )
            total -= math.log(likely if alike[i, j] else 1 - likely)
    assert pairwise_likelihood(left, right, alike).item() == pytest.approx(total / 20)


def test_balanced_pairs_weigh_as_the_mean_of_the_two_kinds() -> None:
    left, right, alike = draw()
    alone = [
        pairwise_likelihood(left[i : i + 1], right[j : j + 1], alike[i : i + 1, j : j + 1])
        for i in range(4)
        for j in range(5)
    ]
    each = torch.stack(alone).view(4, 5)
    balanced = pairwise_likelihood(left, right, alike, balanced=True)
    assert balanced.item() == pytest.approx(((each[alike].mean() + each[~alike].mean()) / 2).item())
    nothing = torch.zeros_like(alike)
    expected = pairwise_likelihood(left, right, nothing).item() / 2
    assert pairwise_likelihood(left, right, nothing, balanced=True).item() == pytest.approx(expected)


def test_turning_both_sides_together_changes_nothing() -> None:
    left, right, alike = draw()
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[0]
    turned = pairwise_likelihood(left @ turn, right @ turn, alike)
    assert turned.item() == pytest.approx(pairwise_likelihood(left, right, alike).item())


def test_large_products_stay_finite() -> None:
    codes = torch.full((1, 128), 30.0)
    assert pairwise_likelihood(codes, codes, torch.tensor([[True]])).item() == 0
    assert pairwise_likelihood(codes, -codes, torch.tensor([[True]])).item() == 57_600
