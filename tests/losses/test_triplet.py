"""The hinge: a hand-worked case, a slow twin, siblings that never repel each other."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.losses.triplet import triplet_loss


def slow_triplet_loss(scores: list[list[float]], owner: list[int], *, margin: float, hardness: float) -> float:
    def offence(costs: list[float]) -> float:
        return (1 - hardness) * sum(costs) / len(costs) + hardness * max(costs) if costs else 0.0

    total = 0.0
    for caption, image in enumerate(owner):
        positive = scores[image][caption]
        other_images = [max(0.0, margin + scores[i][caption] - positive) for i in range(len(scores)) if i != image]
        foreign = [
            max(0.0, margin + scores[image][j] - positive) for j, other in enumerate(owner) if scores and other != image
        ]
        total += offence(other_images) + offence(foreign)
    return total / len(owner)


def test_two_pairs_by_hand() -> None:
    scores = torch.tensor([[0.5, 0.4], [0.6, 0.9]])
    # caption 0: its column offends by 0.2 + 0.6 - 0.5 = 0.3, its row by 0.2 + 0.4 - 0.5 = 0.1; caption 1: not at all
    loss = triplet_loss(scores, torch.tensor([0, 1]), margin=0.2)
    assert loss.item() == pytest.approx((0.3 + 0.1 + 0.0 + 0.0) / 2)


def test_hardness_goes_from_the_mean_to_the_worst_negative() -> None:
    scores = torch.tensor([[0.0], [1.0], [-5.0]])
    owner = torch.tensor([0])
    assert triplet_loss(scores, owner, margin=0.2, hardness=1.0).item() == pytest.approx(1.2)
    assert triplet_loss(scores, owner, margin=0.2, hardness=0.0).item() == pytest.approx(0.6)
    assert triplet_loss(scores, owner, margin=0.2, hardness=0.25).item() == pytest.approx(0.75)


@given(st.data(), st.integers(1, 5), st.floats(0, 1))
def test_the_loss_equals_the_slow_one(data: st.DataObject, images: int, hardness: float) -> None:
    owner = data.draw(st.lists(st.integers(0, images - 1), min_size=1, max_size=7))
    scores = torch.randn(images, len(owner), generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99))))
    fast = triplet_loss(scores, torch.tensor(owner), margin=0.3, hardness=hardness)
    slow = slow_triplet_loss(scores.tolist(), owner, margin=0.3, hardness=hardness)
    assert fast.item() == pytest.approx(slow, abs=1e-5)


@pytest.mark.parametrize("hardness", [0.0, 1.0])
def test_captions_of_one_image_never_repel_each_other(hardness: float) -> None:
    torch.manual_seed(0)
    scores, owner = torch.randn(3, 4, dtype=torch.float64, requires_grad=True), torch.tensor([0, 0, 1, 2])
    loss = triplet_loss(scores, owner, margin=50.0, hardness=hardness)
    loss.backward()
    # both are positives: every use of their scores pushes them up
    assert (scores.grad[0, :2] < 0).all()


def test_a_batch_of_one_image_gives_zero_with_finite_gradients() -> None:
    scores = torch.randn(1, 3, requires_grad=True)
    loss = triplet_loss(scores, torch.tensor([0, 0, 0]))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(scores.grad, torch.zeros(1, 3))


def test_the_order_of_the_batch_does_not_matter() -> None:
    torch.manual_seed(1)
    scores, owner = torch.randn(4, 6, dtype=torch.float64), torch.tensor([0, 1, 1, 2, 3, 3])
    rows, columns = torch.tensor([2, 0, 3, 1]), torch.randperm(6)
    moved = triplet_loss(scores[rows][:, columns], rows.argsort()[owner[columns]])
    assert moved.item() == pytest.approx(triplet_loss(scores, owner).item())
