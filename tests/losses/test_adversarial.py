import math

import pytest
import torch

from crossgraph.losses.adversarial import discriminator_loss, generator_loss


def test_the_losses_are_those_of_probabilities() -> None:
    real, made = torch.tensor([0.5, -1.0]), torch.tensor([2.0, 0.0, -0.3])
    expected = -real.sigmoid().log().mean() - (1 - made.sigmoid()).log().mean()
    assert discriminator_loss(real, made).item() == pytest.approx(expected.item(), rel=1e-5)
    assert generator_loss(made).item() == pytest.approx(-made.sigmoid().log().mean().item(), rel=1e-5)


def test_a_discriminator_that_knows_nothing_loses_two_bits() -> None:
    assert discriminator_loss(torch.zeros(3), torch.zeros(5)).item() == pytest.approx(2 * math.log(2))


def test_certainty_stays_finite() -> None:
    sure = torch.tensor([300.0])
    assert discriminator_loss(sure, -sure).item() == 0
    assert discriminator_loss(-sure, sure).item() == pytest.approx(600)
    assert generator_loss(-sure).item() == pytest.approx(300)
