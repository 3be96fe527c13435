"""Structural losses: hand-worked cases, slow twins, agreement with plain InfoNCE, what leaves them unmoved."""

import math

import pytest
import torch
import torch.nn.functional as F

from crossgraph.losses.structure import (
    cosine_matrix,
    label_structure_loss,
    row_info_nce,
    soft_info_nce,
    structure_shares,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_shares_by_hand() -> None:
    has = torch.tensor([[1, 0], [1, 1], [0, 0]], dtype=torch.bool)
    similarity = torch.tensor([[1.0, 0.2, 0.9], [0.2, 1.0, 0.4], [0.9, 0.4, 1.0]])
    # the first two share a label: 1 and 0.6; the last shares none with anybody
    expected = [[1 / 1.6, 0.6 / 1.6, 0], [0.6 / 1.6, 1 / 1.6, 0], [0, 0, 0]]
    assert torch.allclose(structure_shares(has, has, similarity), torch.tensor(expected))


def test_with_one_share_a_row_the_soft_loss_is_info_nce() -> None:
    queries, items = random(4, 3), random(4, 3, seed=1)
    cosines = F.normalize(queries, dim=1) @ F.normalize(items, dim=1).T
    expected = F.cross_entropy(cosines / 0.2, torch.arange(4))
    found = soft_info_nce(queries, items, torch.eye(4, dtype=torch.float64), temperature=0.2)
    assert found.item() == pytest.approx(expected.item())


def test_the_soft_loss_equals_a_slow_one_and_leaves_out_rows_without_shares() -> None:
    queries, items, shares = random(3, 2), random(5, 2, seed=1), random(3, 5, seed=2).abs()
    shares[1] = 0
    shares = shares / shares.sum(dim=1, keepdim=True).clamp(min=1e-9)
    total = 0.0
    for i in (0, 2):
        logits = [float(F.cosine_similarity(queries[i], items[j], dim=0)) / 0.5 for j in range(5)]
        largest = math.log(sum(map(math.exp, logits)))
        total += sum(float(shares[i, j]) * (largest - logits[j]) for j in range(5))
    assert soft_info_nce(queries, items, shares, temperature=0.5).item() == pytest.approx(total / 2)
    assert soft_info_nce(queries, items, torch.zeros_like(shares), temperature=0.5).item() == 0


def test_the_soft_loss_is_least_where_the_softmax_is_the_shares() -> None:
    shares = torch.tensor([[0.7, 0.3], [0.3, 0.7]])
    angle = math.acos(1 - 0.2 * math.log(0.7 / 0.3))
    apart = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]])
    entropy = -(0.7 * math.log(0.7) + 0.3 * math.log(0.3))
    assert soft_info_nce(apart, apart, shares, temperature=0.2).item() == pytest.approx(entropy, rel=1e-5)
    for worse in (angle + 0.1, angle - 0.1):
        moved = torch.tensor([[1.0, 0.0], [math.cos(worse), math.sin(worse)]])
        assert soft_info_nce(moved, moved, shares, temperature=0.2).item() > entropy + 1e-4


def test_rows_that_equal_the_guides_score_as_info_nce_of_its_rows() -> None:
    guide = torch.eye(2, dtype=torch.float64)
    # cosines of rows 1 and 0 at temperature 0.1
    assert row_info_nce(guide, guide).item() == pytest.approx(math.log(1 + math.exp(-10)))
    swapped = guide.flip(0)
    assert row_info_nce(swapped, guide).item() == pytest.approx(math.log(1 + math.exp(10)))


def test_the_row_loss_is_the_same_in_any_order_of_items() -> None:
    similarity, guide = cosine_matrix(random(6, 3)), cosine_matrix(random(6, 4, seed=1))
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    found = row_info_nce(similarity[order][:, order], guide[order][:, order])
    assert found.item() == pytest.approx(row_info_nce(similarity, guide).item())


def test_labels_as_alike_as_the_guide_says_cost_only_their_rows() -> None:
    labels = random(5, 8)
    guide = cosine_matrix(labels)
    rows = row_info_nce(guide, guide)
    assert label_structure_loss(labels, guide, row_weight=0.0).item() == pytest.approx(0.0, abs=1e-9)
    assert label_structure_loss(labels, guide, row_weight=0.1).item() == pytest.approx(0.1 * rows.item())


def test_label_structure_by_hand_and_for_one_label() -> None:
    labels = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    guide = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
    assert label_structure_loss(labels, guide, row_weight=0.0).item() == pytest.approx(0.25)
    assert label_structure_loss(labels[:1], guide[:1, :1]).item() == pytest.approx(0.0, abs=1e-6)
