"""The classifier ends where scikit-learn's does, dense or sparse, for one label or many."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from crossgraph.layers.linear_classifier import LinearClassifier, held_out_rows

NONE_HELD_OUT = torch.zeros(120, dtype=torch.bool)


def draw_rows(*, classes: int = 3, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    """120 rows of six numbers on different scales, and which class each is in."""
    rng = torch.Generator().manual_seed(0)
    truth = torch.arange(120) % classes
    rows = torch.randn(classes, 6, generator=rng)[truth] + noise * torch.randn(120, 6, generator=rng)
    return rows * torch.tensor([1.0, 5.0, 0.2, 1.0, 2.0, 1.0]) + 3, truth


def one_label(truth: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(truth).bool()


def standardised(rows: Tensor) -> np.ndarray:
    """Centred, with a mean variance of 1 over all columns."""
    centred = (rows - rows.mean(dim=0)).numpy()
    scaled: np.ndarray = centred / np.sqrt((centred**2).mean())
    return scaled


@pytest.mark.parametrize("cost", [0.01, 1.0])
def test_rows_with_one_label_are_classified_as_scikit_learn_does(cost: float) -> None:
    rows, truth = draw_rows()
    found = LinearClassifier(6, 3)
    assert found.fit(rows, one_label(truth), NONE_HELD_OUT, costs=(cost,)) == cost
    expected = LogisticRegression(C=cost, tol=1e-8, max_iter=2000).fit(standardised(rows), truth.numpy())
    assert np.allclose(found(rows).numpy(), expected.predict_proba(standardised(rows)), atol=1e-3)


def test_sparse_rows_are_taken_as_they_are() -> None:
    rows, truth = draw_rows()
    rows = torch.where(rows > 3, rows - 3, 0.0)
    found = LinearClassifier(6, 3)
    found.fit(rows.to_sparse(), one_label(truth), NONE_HELD_OUT, costs=(1.0,))
    expected = LogisticRegression(C=1.0, tol=1e-8, max_iter=2000).fit(rows.numpy(), truth.numpy())
    assert np.allclose(found(rows).numpy(), expected.predict_proba(rows.numpy()), atol=1e-3)


def test_rows_with_several_labels_are_classified_label_by_label() -> None:
    rows, truth = draw_rows()
    labels = torch.stack([truth == 0, truth != 1, torch.arange(120) < 60], dim=1)
    found = LinearClassifier(6, 3)
    found.fit(rows, labels, NONE_HELD_OUT, costs=(1.0,))
    assert not found.exclusive
    for label in range(3):
        alone = LogisticRegression(C=1.0, tol=1e-8, max_iter=2000).fit(standardised(rows), labels[:, label].numpy())
        assert np.allclose(found(rows)[:, label].numpy(), alone.predict_proba(standardised(rows))[:, 1], atol=1e-3)


def test_labels_that_rows_do_not_tell_are_learnt_stiffly_and_clear_ones_loosely() -> None:
    held_out = torch.arange(120) % 5 == 0
    costs = (1e-4, 1e-2, 1.0, 100.0)
    rows, truth = draw_rows(noise=0.1)
    shuffled = truth[torch.randperm(120, generator=torch.Generator().manual_seed(1))]
    assert LinearClassifier(6, 3).fit(rows, one_label(truth), held_out, costs=costs) == 100.0
    assert LinearClassifier(6, 3).fit(rows, one_label(shuffled), held_out, costs=costs) < 1.0


def test_the_order_of_costs_does_not_matter_and_a_second_fit_forgets_the_first() -> None:
    rows, truth = draw_rows()
    held_out = torch.arange(120) < 30
    one, other = LinearClassifier(6, 3), LinearClassifier(6, 3)
    one.fit(rows, one_label(truth), held_out, costs=(0.01, 1.0))
    other.fit(-rows, one_label(truth), held_out, costs=(0.5,))
    other.fit(rows, one_label(truth), held_out, costs=(1.0, 0.01))
    assert torch.equal(one.weights, other.weights)


def test_moving_all_rows_or_scaling_them_alike_changes_no_probability() -> None:
    rows, truth = draw_rows()
    one, other = LinearClassifier(6, 3), LinearClassifier(6, 3)
    one.fit(rows, one_label(truth), NONE_HELD_OUT, costs=(1.0,))
    other.fit(100 * rows - 7, one_label(truth), NONE_HELD_OUT, costs=(1.0,))
    assert torch.allclose(one(rows), other(100 * rows - 7), atol=1e-3)


def test_no_owner_has_rows_on_both_sides() -> None:
    owner = torch.arange(50).repeat_interleave(3)
    held_out = held_out_rows(owner, share=0.1, seed=0)
    assert held_out.sum() == 15
    assert not set(owner[held_out].tolist()) & set(owner[~held_out].tolist())
    assert torch.equal(held_out, held_out_rows(owner, share=0.1, seed=0))
    assert held_out_rows(torch.tensor([4, 4]), share=0.1, seed=0).all()
