"""InfoNCE: a hand-worked case, a slow twin, siblings that never repel each other, one image alone."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.losses.contrastive import info_nce


def slow_info_nce(scores: list[list[float]], owner: list[int], *, scale: float) -> float:
    total = 0.0
    for caption, image in enumerate(owner):
        positive = math.exp(scale * scores[image][caption])
        total -= math.log(positive / sum(math.exp(scale * row[caption]) for row in scores))
        foreign = sum(math.exp(scale * scores[image][j]) for j, other in enumerate(owner) if other != image)
        total -= math.log(positive / (positive + foreign))
    return total / len(owner)


def test_two_pairs_by_hand() -> None:
    scores = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
    # to image: 3/4 and 1/2; to text: 3/4 and 1/2
    expected = -(math.log(3 / 4) + math.log(1 / 2))
    assert info_nce(scores, torch.tensor([0, 1]), scale=1.0).item() == pytest.approx(expected)


@given(st.data(), st.integers(1, 5), st.floats(0.1, 20))
def test_the_loss_equals_the_slow_one(data: st.DataObject, images: int, scale: float) -> None:
    owner = data.draw(st.lists(st.integers(0, images - 1), min_size=1, max_size=7))
    seeded = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    scores = torch.rand(images, len(owner), generator=seeded, dtype=torch.float64)
    fast = info_nce(scores, torch.tensor(owner), scale=scale)
    assert fast.item() == pytest.approx(slow_info_nce(scores.tolist(), owner, scale=scale), abs=1e-9)


def test_a_higher_temperature_flattens_the_loss_towards_chance() -> None:
    scores, owner = torch.eye(4), torch.arange(4)
    losses = [info_nce(scores, owner, scale=scale).item() for scale in (0.0, 1.0, 10.0, 100.0)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == pytest.approx(2 * math.log(4))
    assert losses[-1] == pytest.approx(0.0, abs=1e-6)


def test_captions_of_one_image_never_repel_each_other() -> None:
    torch.manual_seed(0)
    owner = torch.tensor([0, 0, 1, 2])
    scores = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    info_nce(scores, owner, scale=3.0).backward()
    assert (scores.grad[0, :2] < 0).all()
    # the first caption's terms do not contain its sibling's score: their mixed derivative is zero
    (to_first,) = torch.autograd.grad(info_nce(scores, owner, scale=3.0), scores, create_graph=True)
    (mixed,) = torch.autograd.grad(to_first[0, 0], scores)
    assert mixed[0, 1].item() == 0.0
    assert mixed[0, 2].item() != 0.0


@pytest.mark.parametrize("captions", [1, 3])
def test_a_batch_of_one_image_gives_zero_with_finite_gradients(captions: int) -> None:
    scores = torch.randn(1, captions, requires_grad=True)
    scale = torch.tensor(5.0, requires_grad=True)
    loss = info_nce(scores, torch.zeros(captions, dtype=torch.long), scale=scale)
    loss.backward()
    assert loss.item() == 0.0
    assert scores.grad.abs().max().item() == 0.0
    assert scale.grad.item() == 0.0


def test_an_image_that_owns_every_caption_beside_others_without_any_keeps_gradients_finite() -> None:
    scores = torch.randn(3, 2, requires_grad=True)
    loss = info_nce(scores, torch.tensor([1, 1]), scale=torch.tensor(4.0))
    loss.backward()
    assert loss.isfinite()
    assert scores.grad.isfinite().all()


def test_large_scores_stay_finite() -> None:
    scores = (100 * torch.randn(4, 4)).requires_grad_()
    loss = info_nce(scores, torch.arange(4), scale=100.0)
    loss.backward()
    assert loss.isfinite()
    assert scores.grad.isfinite().all()


def test_pairs_that_are_neither_count_as_no_negatives() -> None:
    torch.manual_seed(1)
    scores, link = torch.randn(3, 4), torch.tensor([0, 1, 2, 2])
    neither = torch.zeros(3, 4, dtype=torch.bool)
    neither[0, 1] = neither[2, 3] = True  # the second is a match, and stays one
    low = scores.clone()
    low[0, 1] = -1e4
    left_out = info_nce(scores, link, scale=1.0, neither=neither)
    torch.testing.assert_close(left_out, info_nce(low, link, scale=1.0))
    assert left_out < info_nce(scores, link, scale=1.0)


@given(st.integers(0, 99), st.integers(0, 4), st.integers(0, 4))
def test_further_negatives_count_as_in_a_slow_loop_and_hidden_ones_not_at_all(
    seed: int, images: int, texts: int
) -> None:
    drawn, owner, scale = torch.Generator().manual_seed(seed), [0, 0, 1, 2, 2], 3.0
    scores, more_images, more_texts = (
        torch.rand(*shape, generator=drawn, dtype=torch.float64) for shape in ((3, 5), (images, 5), (3, texts))
    )
    for more in (more_images, more_texts):
        more[torch.rand(more.shape, generator=drawn) < 0.3] = -math.inf
    slow = 0.0
    for caption, image in enumerate(owner):
        own = math.exp(scale * scores[image, caption])
        others = [*scores[:, caption].tolist(), *more_images[:, caption].tolist()]
        slow -= math.log(own / sum(math.exp(scale * one) for one in others))
        foreign = [float(scores[image, j]) for j, other in enumerate(owner) if other != image]
        slow -= math.log(own / (own + sum(math.exp(scale * one) for one in [*foreign, *more_texts[image].tolist()])))
    learned = torch.tensor(scale, dtype=torch.float64, requires_grad=True)
    loss = info_nce(scores, torch.tensor(owner), scale=learned, more_images=more_images, more_texts=more_texts)
    loss.backward()
    assert loss.item() == pytest.approx(slow / len(owner))
    assert learned.grad.isfinite()


def test_the_way_back_may_have_scores_of_its_own() -> None:
    torch.manual_seed(4)
    one, other, owner = torch.rand(3, 4), torch.rand(3, 4), torch.tensor([0, 1, 2, 2])
    mixed = info_nce(one, owner, scale=2.0, back=other)
    swapped = info_nce(other, owner, scale=2.0, back=one)
    alone = info_nce(one, owner, scale=2.0) + info_nce(other, owner, scale=2.0)
    torch.testing.assert_close(mixed + swapped, alone)
    assert not torch.isclose(mixed, swapped)
