"""Captions against their edits: by hand, by loops, and nothing where there is no edit."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.losses.generated import (
    even_choice,
    false_caption_choice,
    false_caption_hinge,
    preference_contrast,
)

NO_EDIT = torch.zeros(0), torch.zeros(0, dtype=torch.long)


def test_the_hinge_by_hand() -> None:
    true, false = torch.tensor([0.9, 0.5]), torch.tensor([0.8, 0.1, 0.5])
    loss = false_caption_hinge(true, false, torch.tensor([0, 0, 1]), margin=0.2)
    assert loss.item() == pytest.approx((0.1 + 0.0 + 0.2) / 3)


def test_the_choice_by_hand() -> None:
    true, false = torch.tensor([0.9, 0.5, 0.3]), torch.tensor([0.8, 0.1, 0.5])
    loss = false_caption_choice(true, false, torch.tensor([0, 0, 1]), scale=2.0)
    first = -math.log(math.exp(1.8) / (math.exp(1.8) + math.exp(1.6) + math.exp(0.2)))
    # the second caption ties with its edit, and the third, without edits, does not count
    assert loss.item() == pytest.approx((first + math.log(2)) / 2, rel=1e-5)


@pytest.mark.parametrize("loss", ["hinge", "choice"])
def test_without_edits_the_loss_is_zero_with_zero_gradients(loss: str) -> None:
    true = torch.randn(3, requires_grad=True)
    value = false_caption_hinge(true, *NO_EDIT) if loss == "hinge" else false_caption_choice(true, *NO_EDIT, scale=5.0)
    value.backward()
    assert value.item() == 0.0
    assert true.grad.tolist() == [0.0, 0.0, 0.0]


@given(st.integers(1, 5), st.integers(1, 8), st.integers(0, 99))
def test_both_losses_equal_loops_over_captions(captions: int, edits: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    true, false = torch.randn(captions, generator=rng), torch.randn(edits, generator=rng)
    caption = torch.randint(0, captions, (edits,), generator=rng)
    hinge = [max(0.0, 0.3 + float(false[i]) - float(true[caption[i]])) for i in range(edits)]
    assert false_caption_hinge(true, false, caption, margin=0.3).item() == pytest.approx(sum(hinge) / edits, abs=1e-5)
    chosen = []
    for j in sorted(set(caption.tolist())):
        others = [math.exp(4.0 * float(false[i])) for i in range(edits) if caption[i] == j]
        own = math.exp(4.0 * float(true[j]))
        chosen.append(-math.log(own / (own + sum(others))))
    expected = sum(chosen) / len(chosen)
    assert false_caption_choice(true, false, caption, scale=4.0).item() == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_extreme_scores_give_finite_gradients() -> None:
    true = torch.tensor([-300.0, 300.0, 0.0], requires_grad=True)
    false = torch.tensor([300.0, 200.0, -300.0], requires_grad=True)
    loss = false_caption_choice(true, false, torch.tensor([0, 0, 1]), scale=torch.tensor(100.0))
    loss.backward()
    assert loss.isfinite()
    assert true.grad.isfinite().all()
    assert false.grad.isfinite().all()
    assert true.grad.tolist() == pytest.approx([-50.0, 0.0, 0.0])


def test_the_gradient_of_the_choice_is_that_of_a_cross_entropy() -> None:
    true, false = torch.tensor([0.2], requires_grad=True), torch.tensor([0.4, -0.1], requires_grad=True)
    false_caption_choice(true, false, torch.tensor([0, 0]), scale=3.0).backward()
    shares = (3 * torch.tensor([0.2, 0.4, -0.1])).softmax(dim=0)
    assert true.grad.tolist() == pytest.approx([3 * (float(shares[0]) - 1)], rel=1e-5)
    assert false.grad.tolist() == pytest.approx((3 * shares[1:]).tolist(), rel=1e-5)


def test_the_order_of_edits_does_not_matter() -> None:
    true, false, caption = torch.randn(3), torch.randn(4), torch.tensor([0, 2, 2, 1])
    order = torch.tensor([3, 1, 0, 2])
    for loss in (false_caption_hinge, lambda *some: false_caption_choice(*some, scale=2.0)):
        moved = loss(true, false[order], caption[order]).item()
        assert moved == pytest.approx(loss(true, false, caption).item(), rel=1e-5)


def test_an_edit_of_no_known_caption_is_refused() -> None:
    with pytest.raises(IndexError):
        false_caption_hinge(torch.randn(2), torch.randn(1), torch.tensor([2]))
    with pytest.raises(Exception, match="caption"):
        false_caption_hinge(torch.randn(2), torch.randn(1), torch.tensor([0, 1]))


def test_the_contrast_by_hand() -> None:
    own, elsewhere = torch.tensor([0.4, -0.1]), torch.tensor([[0.1, 0.3], [0.2, 0.0]])
    expected = (math.log(1 + math.exp(-2 * 0.2)) + math.log(1 + math.exp(2 * 0.2))) / 2
    assert preference_contrast(own, elsewhere, scale=2.0).item() == pytest.approx(expected, rel=1e-5)


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_the_contrast_and_the_even_choice_equal_loops(edits: int, others: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    own, elsewhere = torch.randn(edits, generator=rng), torch.randn(edits, others, generator=rng)
    contrast, even = [], []
    for i in range(edits):
        mean = sum(elsewhere[i].tolist()) / others
        contrast.append(math.log(1 + math.exp(-3 * (float(own[i]) - mean))))
        even.append(math.log(math.cosh(1.5 * mean)))
    assert preference_contrast(own, elsewhere, scale=3.0).item() == pytest.approx(sum(contrast) / edits, abs=1e-5)
    assert even_choice(elsewhere, scale=3.0).item() == pytest.approx(sum(even) / edits, abs=1e-5)


def eighths(*shape: int, seed: int) -> torch.Tensor:
    """Numbers whose sums and halves are exact."""
    return torch.randint(-24, 25, shape, generator=torch.Generator().manual_seed(seed)) / 8


def preferences(bias: torch.Tensor, bias_of_false: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of five edits with their own picture and four others, where scores have a bias of either sentence."""
    true, false = eighths(5, 5, seed=1) + bias[:, None], eighths(5, 5, seed=2) + bias_of_false[:, None]
    return (true - false)[:, 0], (true - false)[:, 1:]


@pytest.mark.parametrize("seed", range(5))
def test_no_bias_of_a_sentence_changes_the_contrast(seed: int) -> None:
    nothing = torch.zeros(5)
    plain = preference_contrast(*preferences(nothing, nothing), scale=20.0)
    biased = preference_contrast(*preferences(eighths(5, seed=seed), eighths(5, seed=seed + 9)), scale=20.0)
    assert plain.item() == biased.item() > 0


def test_the_contrast_gives_a_bias_of_a_sentence_no_gradient() -> None:
    bias, bias_of_false = torch.zeros(5, requires_grad=True), torch.zeros(5, requires_grad=True)
    own, elsewhere = preferences(bias, bias_of_false)
    preference_contrast(own, elsewhere, scale=20.0).backward()
    assert [*bias.grad.tolist(), *bias_of_false.grad.tolist()] == pytest.approx([0.0] * 10, abs=1e-6)
    own, elsewhere = preferences(bias, bias_of_false)
    for loss in (false_caption_hinge(own, torch.zeros(5), torch.arange(5)), even_choice(elsewhere, scale=20.0)):
        (gradient,) = torch.autograd.grad(loss, bias, retain_graph=True)
        assert gradient.abs().max() > 0.01  # what the others do not keep out


def test_an_even_choice_loses_nothing_and_either_preference_alike() -> None:
    assert even_choice(torch.tensor([[0.3, -0.3]]), scale=20.0).item() == pytest.approx(0.0, abs=1e-6)
    leaning = [even_choice(torch.tensor([[value]]), scale=20.0).item() for value in (0.1, -0.1, 0.2, -0.2)]
    assert leaning[0] == pytest.approx(leaning[1])
    assert leaning[2] == pytest.approx(leaning[3])
    assert leaning[2] > leaning[0] > 0.1


def test_the_contrast_of_extreme_or_no_preferences_is_finite() -> None:
    own = torch.tensor([-300.0, 300.0], requires_grad=True)
    elsewhere = torch.tensor([[300.0], [-300.0]], requires_grad=True)
    scale = torch.tensor(100.0)
    (preference_contrast(own, elsewhere, scale=scale) + even_choice(elsewhere, scale=scale)).backward()
    assert own.grad.tolist() == pytest.approx([-50.0, 0.0])
    assert elsewhere.grad.isfinite().all()
    none = torch.zeros(0, requires_grad=True)
    loss = preference_contrast(none, torch.zeros(0, 2), scale=20.0) + even_choice(torch.zeros(0, 2), scale=20.0)
    loss.backward()
    assert loss.item() == 0.0
