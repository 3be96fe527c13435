"""Canonical correlation: one dimension by hand, equal to whitening done slowly, indifferent to blocks and units."""

import numpy as np
import pytest
import torch
from torch import Tensor

from crossgraph.errors import ConfigError, DataError
from crossgraph.layers.canonical_correlation import CanonicalCorrelation


def draw_pairs(rows: int = 200) -> tuple[Tensor, Tensor]:
    """Five and four dimensions that share two directions."""
    rng = torch.Generator().manual_seed(0)
    shared = torch.randn(rows, 2, generator=rng)
    left = torch.cat([shared, torch.randn(rows, 3, generator=rng)], dim=1) @ torch.randn(5, 5, generator=rng)
    right = torch.cat([shared + 0.3, torch.randn(rows, 2, generator=rng)], dim=1) @ torch.randn(4, 4, generator=rng)
    return left + 2, right


def solved(left: Tensor, right: Tensor, *, ridge: float = 1e-9, power: float = 0.0, k: int = 4) -> CanonicalCorrelation:
    found = CanonicalCorrelation(left.shape[1], right.shape[1], components=k, regularisation=ridge, power=power)
    found.fit([(left, right)])
    return found


def test_one_dimension_a_side_has_the_correlation_of_the_two_columns() -> None:
    left, right = torch.tensor([[1.0], [2.0], [3.0], [4.0]]), torch.tensor([[2.0], [1.0], [4.0], [3.0]])
    found = solved(left, right)
    assert found.correlations.tolist() == pytest.approx([0.6], abs=1e-6)
    assert found.map_left(left).flatten().abs().tolist() == [1.0] * 4
    assert torch.equal(found.map_left(left).sign(), (left - 2.5).sign() * found.left_map.sign())


def slow_correlations(left: Tensor, right: Tensor, *, ridge: float) -> list[float]:
    """Whiten each side by the inverse root of its covariance and take singular values."""
    sides = [side.double().numpy() - side.double().numpy().mean(axis=0) for side in (left, right)]
    roots = []
    for side in sides:
        covariance = side.T @ side / len(side)
        values, vectors = np.linalg.eigh(
            covariance + ridge * covariance.trace() / len(covariance) * np.eye(len(covariance))
        )
        roots.append(vectors @ np.diag(values**-0.5) @ vectors.T)
    values = np.linalg.svd(roots[0] @ (sides[0].T @ sides[1] / len(left)) @ roots[1], compute_uv=False)
    return [float(value) for value in values]


@pytest.mark.parametrize("ridge", [1e-9, 0.1, 3.0])
def test_correlations_are_those_of_whitened_sides(ridge: float) -> None:
    left, right = draw_pairs()
    found = solved(left, right, ridge=ridge)
    assert found.correlations.tolist() == pytest.approx(slow_correlations(left, right, ridge=ridge), abs=1e-5)


def test_mapped_sides_are_white_and_correlated_direction_by_direction() -> None:
    left, right = draw_pairs()
    found = solved(left, right)
    one, other = (left - found.left_mean) @ found.left_map, (right - found.right_mean) @ found.right_map
    assert torch.allclose(one.T @ one / len(one), torch.eye(4), atol=1e-3)
    assert torch.allclose(one.T @ other / len(one), found.correlations.diag(), atol=1e-3)
    assert found.correlations[1] > 0.99 > 0.3 > found.correlations[2]


def test_blocks_of_any_size_and_other_units_give_the_same() -> None:
    left, right = draw_pairs()
    whole, parted = solved(left, right, ridge=0.1), solved(left, right, ridge=0.1)
    parted.fit([(left[:7], right[:7]), (left[7:150], right[7:150]), (left[150:], right[150:])])
    assert torch.allclose(whole.correlations, parted.correlations, atol=1e-6)
    scaled = solved(left @ torch.diag(torch.tensor([1.0, 10.0, 0.1, 2.0, 5.0])) - 7, right)
    assert torch.allclose(scaled.correlations, solved(left, right).correlations, atol=1e-4)


def test_power_weighs_directions_by_their_correlation() -> None:
    left, right = draw_pairs()
    plain, weighed = solved(left, right), solved(left, right, power=2.0)
    expected = torch.nn.functional.normalize(plain.map_left(left) * plain.correlations**2, dim=1)
    assert torch.allclose(weighed.map_left(left), expected, atol=1e-5)
    assert torch.allclose(weighed.map_right(right).norm(dim=1), torch.ones(200))


def test_there_are_no_more_components_than_the_narrower_side_is_wide() -> None:
    left, right = draw_pairs()
    assert solved(left, right, k=100).map_right(right).shape == (200, 4)
    assert torch.allclose(solved(left, right, k=2).correlations, solved(left, right).correlations[:2])


def test_a_regularisation_that_is_too_small_for_the_data_is_refused() -> None:
    left, right = draw_pairs()
    with pytest.raises(ConfigError, match=r"regularisation of 1e-30 leaves a covariance .*; choose one near 0\.1"):
        solved(torch.cat([left, 1e4 * left], dim=1), right, ridge=1e-30)


def test_fewer_than_two_pairs_are_refused() -> None:
    left, right = draw_pairs(1)
    with pytest.raises(DataError, match="at least two pairs to learn from, got 1"):
        solved(left, right)
