"""Soft targets by the likeness of captions, against loops."""

import math

import pytest
import torch
import torch.nn.functional as F

from crossgraph.losses.distillation import caption_likeness, soft_target_loss


def test_likeness_is_the_largest_cosine_with_a_caption_of_the_picture() -> None:
    torch.manual_seed(0)
    sentences, link = torch.randn(5, 4), torch.tensor([0, 0, 1, 2, 2])
    found = caption_likeness(sentences, link, 3)
    for image in range(3):
        for caption in range(5):
            others = [float(F.cosine_similarity(sentences[k], sentences[caption], dim=0)) for k in range(5)]
            expected = 1.0 if link[caption] == image else max(others[k] for k in range(5) if link[k] == image)
            assert float(found[image, caption]) == pytest.approx(expected, abs=1e-6)


def test_a_picture_without_captions_is_like_nothing() -> None:
    found = caption_likeness(torch.randn(2, 3), torch.tensor([0, 2]), 3)
    assert found[1].tolist() == [-1, -1]


def test_the_loss_is_the_cross_entropy_written_out_and_least_at_its_targets() -> None:
    torch.manual_seed(1)
    scores, likeness = torch.randn(3, 4), torch.rand(3, 4)
    expected = 0.0
    for column in range(4):
        mass = [math.exp(float(likeness[i, column]) / 0.2) for i in range(3)]
        total = math.log(sum(math.exp(2 * float(scores[i, column])) for i in range(3)))
        expected += sum(mass[i] / sum(mass) * (total - 2 * float(scores[i, column])) for i in range(3)) / 4
    for row in range(3):
        mass = [math.exp(float(likeness[row, j]) / 0.2) for j in range(4)]
        total = math.log(sum(math.exp(2 * float(scores[row, j])) for j in range(4)))
        expected += sum(mass[j] / sum(mass) * (total - 2 * float(scores[row, j])) for j in range(4)) / 3
    assert float(soft_target_loss(scores, likeness, scale=2.0, temperature=0.2)) == pytest.approx(expected, rel=1e-5)
    best = soft_target_loss(likeness / 0.4, likeness, scale=2.0, temperature=0.2)
    assert best < soft_target_loss(scores, likeness, scale=2.0, temperature=0.2)


def test_pairs_that_nobody_knows_of_are_left_out_of_both_sides() -> None:
    torch.manual_seed(2)
    scores, likeness = torch.randn(3, 4, requires_grad=True), torch.rand(3, 4)
    known = torch.tensor([[1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 0, 1]]).bool()

    def part(given: list[float], wanted: list[float]) -> float:
        mass = [math.exp(one / 0.2) for one in wanted]
        total = math.log(sum(math.exp(2 * one) for one in given))
        return sum(of / sum(mass) * (total - 2 * one) for of, one in zip(mass, given, strict=True))

    given = scores.detach()
    columns = [part(given[known[:, j], j].tolist(), likeness[known[:, j], j].tolist()) for j in range(4)]
    rows = [part(given[i, known[i]].tolist(), likeness[i, known[i]].tolist()) for i in range(3)]
    loss = soft_target_loss(scores, likeness.masked_fill(~known, -math.inf), scale=2.0, temperature=0.2)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(sum(columns) / 4 + sum(rows) / 3, rel=1e-5)
    assert scores.grad is not None
    assert bool(scores.grad.isfinite().all())
    assert not bool(scores.grad[~known].any())
