"""Masks of few random numbers: as many zeros as wished, none alike, and nothing in evaluation."""

import pytest
import torch

from crossgraph.layers.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_the_wished_share_is_dropped_and_the_mean_stays(p: float) -> None:
    torch.manual_seed(0)
    dropped = Dropout(p)(torch.ones(401, 1003))
    share = (dropped == 0).float().mean().item()
    assert share == pytest.approx(p, abs=0.003)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)
    assert dropped[dropped > 0].unique().tolist() == [pytest.approx(1 / (1 - p), rel=1e-3)]


def test_neighbours_in_one_random_number_and_rows_are_dropped_independently() -> None:
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(100_000, 4)) > 0).double()
    assert torch.corrcoef(kept.T).fill_diagonal_(0).abs().max() < 0.02
    assert torch.corrcoef(torch.stack([kept[:-1, 3], kept[1:, 0]]))[0, 1].abs() < 0.02


def test_equal_seeds_drop_alike_and_other_draws_do_not() -> None:
    torch.manual_seed(3)
    first, second = Dropout(0.4)(torch.ones(50)), Dropout(0.4)(torch.ones(50))
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.4)(torch.ones(50)), first)
    assert not torch.equal(first, second)


def test_gradients_pass_what_was_kept_alone() -> None:
    values = torch.ones(7, 5, requires_grad=True)
    dropped = Dropout(0.3)(values)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


def test_nothing_is_dropped_in_evaluation_or_with_probability_zero_and_all_with_one() -> None:
    values = torch.randn(4, 3)
    assert torch.equal(Dropout(0.5).eval()(values), values)
    assert torch.equal(Dropout(0.0)(values), values)
    assert torch.equal(Dropout(1.0)(values), torch.zeros(4, 3))
