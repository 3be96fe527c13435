"""Semantic losses: hand-worked cases, slow twins, what leaves them unmoved."""

import math
from collections.abc import Callable

import pytest
import torch

from crossgraph.losses.semantic import label_loss, label_share_loss, pair_loss, transfer_loss

ITEMS, LABELS = torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]])


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


def test_label_loss_by_hand() -> None:
    # logits 2 scale cos: (3, -3) of the first item, (0, 0) of the second
    has = torch.tensor([[True, False], [True, False]])
    expected = (2 * math.log(1 + math.exp(-3)) + 2 * math.log(2)) / 4
    assert label_loss(ITEMS, LABELS, has, scale=1.5).item() == pytest.approx(expected)


def test_label_share_loss_by_hand() -> None:
    has = torch.tensor([[True, False], [True, True]])
    expected = (math.log(1 + math.exp(-6)) + math.log(2)) / 2
    assert label_share_loss(ITEMS, LABELS, has, scale=1.5).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", [label_loss, label_share_loss])
def test_label_losses_equal_slow_ones(loss: Callable[..., torch.Tensor]) -> None:
    rng = torch.Generator().manual_seed(3)
    items, labels = torch.randn(6, 4, generator=rng), torch.randn(3, 4, generator=rng)
    has = torch.rand(6, 3, generator=rng) < 0.5
    has[0] = False
    total, rows = 0.0, 0
    for item, its in zip(items, has, strict=True):
        logits = [2 * 5.0 * cosine(item, label) for label in labels]
        if loss is label_loss:
            total += sum(math.log(1 + math.exp(-x if y else x)) for x, y in zip(logits, its, strict=True)) / 3
            rows += 1
        elif its.any():
            all_of_it = math.log(sum(map(math.exp, logits)))
            total += sum(all_of_it - x for x, y in zip(logits, its, strict=True) if y) / int(its.sum())
            rows += 1
    assert loss(items, labels, has, scale=5.0).item() == pytest.approx(total / rows, rel=1e-5)


@pytest.mark.parametrize("loss", [label_loss, label_share_loss])
def test_length_says_nothing_about_labels(loss: Callable[..., torch.Tensor]) -> None:
    has = torch.tensor([[True, False], [False, True]])
    one, other = (loss(ITEMS * by, LABELS * by, has, scale=2.0) for by in (1.0, 7.0))
    assert torch.allclose(one, other)


def test_items_without_labels_are_no_matter_to_shares() -> None:
    none = torch.zeros(2, 2, dtype=torch.bool)
    assert label_share_loss(ITEMS, LABELS, none, scale=1.0).item() == 0


def test_each_caption_is_drawn_to_its_own_picture() -> None:
    texts = torch.tensor([[1.0, 0.0], [0.0, -1.0], [5.0, 0.0]])
    # cosines 1, -1 and 0
    assert pair_loss(ITEMS, texts, torch.tensor([0, 1, 1])).item() == pytest.approx((0 + 2 + 1) / 3)


def test_the_picture_in_the_graph_leads_and_the_picture_alone_follows() -> None:
    alone = torch.tensor([[1.0, 0.0], [1.0, 1.0]], requires_grad=True)
    in_graph = torch.tensor([[2.0, 0.0], [0.0, 1.0]], requires_grad=True)
    loss = transfer_loss(alone, in_graph)
    loss.backward()
    assert loss.item() == pytest.approx((1 - math.sqrt(0.5)) / 2)
    assert in_graph.grad is None
    assert alone.grad.abs().sum() > 0
