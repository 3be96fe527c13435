import math

import pytest
import torch

from crossgraph.losses.quantisation import bit_balance_loss, quantisation_loss, uniformity_loss


def test_distances_from_the_nearer_sign_worked_by_hand() -> None:
    assert quantisation_loss(torch.tensor([[0.5, -1.0], [0.0, -0.9]])).item() == pytest.approx(
        (0.25 + 0 + 1 + 0.01) / 4
    )


def test_means_of_bits_worked_by_hand() -> None:
    assert bit_balance_loss(torch.tensor([[1.0, 0.2], [-1.0, 0.4]])).item() == pytest.approx((0 + 0.09) / 2)


def test_balanced_bits_at_the_ends_cost_nothing() -> None:
    codes = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    assert quantisation_loss(codes).item() == bit_balance_loss(codes).item() == 0


def test_turning_every_bit_round_changes_nothing() -> None:
    codes = torch.tanh(torch.randn(6, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(quantisation_loss(codes), quantisation_loss(-codes))
    assert torch.equal(bit_balance_loss(codes), bit_balance_loss(-codes))


def test_how_evenly_codes_are_spread_worked_by_hand() -> None:
    one, right, opposite = [1.0, 0.0], [0.0, 0.5], [-2.0, 0.0]
    assert uniformity_loss(torch.tensor([one, one])).item() == pytest.approx(0, abs=1e-6)
    assert uniformity_loss(torch.tensor([one, opposite])).item() == pytest.approx(-8)
    three = uniformity_loss(torch.tensor([one, right, opposite]))
    assert three.item() == pytest.approx(math.log((2 * math.exp(-4) + math.exp(-8)) / 3))


def test_a_step_against_uniformity_drives_codes_apart_and_a_lone_code_is_left_alone() -> None:
    codes = torch.tensor([[1.0, 0.1], [1.0, -0.1]], requires_grad=True)
    uniformity_loss(codes).backward()
    moved = codes.detach() - codes.grad
    assert torch.cosine_similarity(moved[0], moved[1], dim=0) < torch.cosine_similarity(
        codes[0].detach(), codes[1].detach(), dim=0
    )
    assert uniformity_loss(codes[:1]).item() == 0
