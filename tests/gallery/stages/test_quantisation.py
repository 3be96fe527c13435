"""Rotations that keep most under signs: as a slow version finds them, never worse from turn to turn."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from crossgraph.bits import unpack_array
from crossgraph.errors import ModelError
from crossgraph.gallery.stages import quantisation
from crossgraph.gallery.stages.code_index import FAR, hamming
from crossgraph.gallery.stages.codes import LearnedPlanes, PlaneCodes, RandomPlanes
from crossgraph.gallery.stages.quantisation import (
    fit_quantisation,
    principal_directions,
    quantisation_error,
    random_rotation,
    sign_rotation,
)


def drawn(count: int, width: int, *, seed: int = 0) -> torch.Tensor:
    """Unit vectors about a centre that is not 0; few directions have most of the variance."""
    generator = torch.Generator().manual_seed(seed)
    scale = 0.7 ** torch.arange(width)
    mixed = (
        torch.randn(count, width, generator=generator)
        * scale
        @ random_rotation(width, torch.Generator().manual_seed(99)).float()
    )
    return normalize(mixed + 0.5, dim=1)


def slow_rotation(rows: np.ndarray, start: np.ndarray, iterations: int) -> np.ndarray:
    """Iterative quantisation as its paper writes it, number by number, V = rows, R = rotation, B = signs."""
    rotation = start.copy()
    n, k = rows.shape
    for _ in range(iterations):
        signs = np.zeros((n, k))
        for row in range(n):
            for bit in range(k):
                value = sum(rows[row, axis] * rotation[axis, bit] for axis in range(k))
                signs[row, bit] = 1 if value > 0 else -1
        product = np.zeros((k, k))  # B' V = S Omega S~'
        for one in range(k):
            for other in range(k):
                product[one, other] = sum(signs[row, one] * rows[row, other] for row in range(n))
        s, _, s_other = np.linalg.svd(product)
        rotation = np.matmul(s_other.T, s.T)  # R = S~ S'
    return rotation


def slow_centre(sides: list[torch.Tensor]) -> np.ndarray:
    """Half-way between the means of the sides."""
    centre: np.ndarray = np.mean([np.mean(side.double().numpy(), axis=0) for side in sides], axis=0)
    return centre


def test_the_rotation_is_that_of_the_paper_number_by_number() -> None:
    rows = drawn(30, 6).double() - 0.3
    start = random_rotation(6, torch.Generator().manual_seed(1))
    slow = slow_rotation(rows.numpy(), start.numpy(), 7)
    assert not np.allclose(slow, start.numpy(), atol=0.05)
    torch.testing.assert_close(sign_rotation(rows, start, iterations=7), torch.from_numpy(slow))


def test_weights_count_a_row_as_if_it_stood_there_more_often() -> None:
    rows = drawn(20, 4).double() - 0.3
    often = torch.cat([rows[:12], *[rows[12:]] * 3])
    weights = torch.tensor([1.0] * 12 + [3.0] * 8, dtype=torch.float64).sqrt()[:, None]
    start = random_rotation(4, torch.Generator().manual_seed(1))
    weighed = sign_rotation(rows * weights, start, weights=weights)
    torch.testing.assert_close(weighed, sign_rotation(often, start))


def test_planes_are_centre_directions_and_rotation_put_together() -> None:
    images, texts = drawn(40, 6), drawn(25, 6, seed=1)
    found = fit_quantisation([images, texts], bits=4)
    centre = slow_centre([images, texts])
    np.testing.assert_allclose(found.centre, centre, atol=1e-6)
    covariance = sum(
        sum(np.outer(row - centre, row - centre) for row in side.double().numpy()) / len(side) / 2
        for side in (images, texts)
    )
    directions = np.linalg.eigh(covariance)[1][:, ::-1][:, :4]
    planes = found.planes.astype(np.float64)
    np.testing.assert_allclose(directions @ directions.T @ planes, planes, atol=1e-5)  # of the first four alone
    np.testing.assert_allclose(planes.T @ planes, np.eye(4), atol=1e-5)


def slow_rotation_of_weighed(rows: np.ndarray, counts: list[int], rotation: np.ndarray) -> np.ndarray:
    """The next rotation of rows that count one by so many."""
    signs = np.where(rows @ rotation > 0, 1.0, -1.0)
    left, _, right = np.linalg.svd(rows.T @ (signs / np.array(counts)[:, None]))
    turned: np.ndarray = left @ right
    return turned


def test_planes_do_not_move_any_more_once_the_slow_version_would_leave_them() -> None:
    images, texts = drawn(40, 6), drawn(25, 6, seed=1)
    found = fit_quantisation([images, texts], bits=6, iterations=400)
    centre = slow_centre([images, texts])
    rows = np.vstack([side.double().numpy() - centre for side in (images, texts)])
    planes = found.planes.astype(np.float64)
    np.testing.assert_allclose(slow_rotation_of_weighed(rows, [40] * 40 + [25] * 25, planes), planes, atol=1e-4)


def test_the_error_never_rises() -> None:
    rows = (drawn(300, 12) - drawn(300, 12).mean(0)).double() * 5
    rotation = random_rotation(12, torch.Generator().manual_seed(0))
    errors = [quantisation_error(rows, rotation)]
    for _ in range(30):
        rotation = sign_rotation(rows, rotation, iterations=1)
        errors.append(quantisation_error(rows, rotation))
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(errors))
    assert errors[-1] < 0.98 * errors[0]
    torch.testing.assert_close(rotation.T @ rotation, torch.eye(12, dtype=torch.float64))


def test_the_error_is_the_mean_square_distance_to_the_signs() -> None:
    rows = torch.tensor([[0.5, -2.0], [1.0, 1.0]])
    assert quantisation_error(rows, torch.eye(2)) == pytest.approx((0.25 + 1.0 + 0 + 0) / 2)


def test_equal_vectors_give_equal_planes_and_another_seed_others() -> None:
    sides = [drawn(50, 8), drawn(90, 8, seed=1)]
    one, same, other = (fit_quantisation(sides, bits=8, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.planes, same.planes)
    assert np.array_equal(one.centre, same.centre)
    assert not np.allclose(one.planes, other.planes)


def test_a_side_counts_as_much_as_the_other_however_many_it_has() -> None:
    images, texts = drawn(50, 8), drawn(90, 8, seed=1)
    one = fit_quantisation([images, texts], bits=8)
    thrice = fit_quantisation([images, torch.cat([texts] * 3)], bits=8)
    np.testing.assert_allclose(one.centre, thrice.centre, rtol=1.3e-6, atol=1e-5)
    np.testing.assert_allclose(one.planes, thrice.planes, atol=1e-3, rtol=0)


def test_lengths_of_vectors_do_not_count() -> None:
    vectors = drawn(50, 8)
    lengths = torch.linspace(0.1, 9, 50)[:, None]
    one, other = fit_quantisation([vectors], bits=8), fit_quantisation([vectors * lengths], bits=8)
    np.testing.assert_allclose(one.planes, other.planes, atol=1e-4, rtol=0)
    planes = LearnedPlanes(one)
    assert np.array_equal(planes.codes_of_vectors(vectors.numpy()), planes.codes_of_vectors(vectors.numpy() * 16))


@pytest.mark.parametrize(("width", "bits"), [(32, 8), (16, 16), (16, 32), (16, 24), (5, 16)])
def test_bits_may_be_fewer_as_many_or_more_than_numbers_of_a_vector(width: int, bits: int) -> None:
    found = fit_quantisation([drawn(80, width), drawn(80, width, seed=1)], bits=bits)
    assert found.planes.shape == (width, bits)
    np.testing.assert_allclose(np.linalg.norm(found.planes, axis=0), np.ones(bits), rtol=1e-5)
    rows = unpack_array(LearnedPlanes(found).codes_of_vectors(drawn(80, width).numpy()), bits=bits)
    columns = {tuple(column.tolist()) for column in rows.T}
    assert len(columns) == bits, "no two bits are the same"
    assert 0.1 < float(rows.mean()) < 0.9


def test_directions_are_those_of_falling_variance() -> None:
    rows = drawn(60, 6) - drawn(60, 6).mean(0)
    spread = (rows.double() @ principal_directions(rows)).square().sum(0)
    assert spread.tolist() == sorted(spread.tolist(), reverse=True)
    assert float(spread.sum()) == pytest.approx(float(rows.double().square().sum()))


def kept(coder: PlaneCodes, vectors: torch.Tensor, *, near: int = 10) -> float:
    """The share of the nearest vectors of each that are among its nearest codes, itself left out."""
    wanted = (vectors @ vectors.T).fill_diagonal_(-math.inf).topk(near, dim=1).indices.tolist()
    codes = coder.codes_of_vectors(vectors.numpy())
    distances = np.stack([hamming(codes, code) for code in codes])
    np.fill_diagonal(distances, FAR)
    found = distances.argsort(axis=1, kind="stable")[:, :near].tolist()
    return sum(len(set(one) & set(other)) for one, other in zip(wanted, found, strict=True)) / near / len(codes)


def test_learned_planes_keep_more_neighbours_of_new_vectors_than_random_ones() -> None:
    new = drawn(300, 32, seed=5)
    for bits in (16, 32):
        learned = LearnedPlanes(fit_quantisation([drawn(500, 32), drawn(500, 32, seed=1)], bits=bits))
        random = [kept(RandomPlanes(bits, 32, seed), new) for seed in range(3)]
        assert kept(learned, new) > 1.2 * max(random)


def test_of_many_vectors_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = drawn(90, 8)
    whole = fit_quantisation([vectors], bits=8)
    monkeypatch.setattr(quantisation, "MOST_ROWS", 40)
    part = fit_quantisation([vectors], bits=8)
    assert not np.allclose(whole.centre, part.centre)
    assert np.array_equal(part.planes, fit_quantisation([vectors], bits=8).planes)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (torch.ones(9, 4), "all alike"),
        (torch.randn(1, 4), "all alike"),
        (torch.zeros(0, 4), "there are no vectors"),
        (torch.full((9, 4), math.nan), "not finite"),
    ],
)
def test_vectors_that_nothing_can_be_learned_of_are_refused(vectors: torch.Tensor, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        fit_quantisation([vectors], bits=8)


def test_a_side_without_vectors_is_left_out() -> None:
    vectors = drawn(50, 8)
    one, other = fit_quantisation([vectors], bits=8), fit_quantisation([vectors, torch.zeros(0, 8)], bits=8)
    assert np.array_equal(one.planes, other.planes)
