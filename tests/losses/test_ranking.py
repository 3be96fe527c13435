"""One switch between the two ranking losses, and the temperature that only one of them learns."""

import math
from typing import Literal

import pytest
import torch

from crossgraph.losses.contrastive import info_nce
from crossgraph.losses.ranking import RankingLoss
from crossgraph.losses.triplet import triplet_loss

OWNER = torch.tensor([0, 1, 1, 2])


def scores() -> torch.Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


def test_two_pairs_by_hand() -> None:
    pair, owner = torch.tensor([[0.5, 0.4], [0.6, 0.9]]), torch.tensor([0, 1])
    assert RankingLoss("triplet", margin=0.2)(pair, owner, hardness=1.0).item() == pytest.approx(0.2)
    rank = RankingLoss("info_nce", scale=2.0)
    lost = [(0.5, 0.6), (0.9, 0.4), (0.5, 0.4), (0.9, 0.6)]  # captions against pictures, then pictures against captions
    expected = sum(math.log1p(math.exp(2 * (negative - positive))) for positive, negative in lost) / 2
    assert rank(pair, owner, hardness=1.0).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("hardness", [0.0, 0.4, 1.0])
def test_the_switch_chooses_between_the_two_losses(hardness: float) -> None:
    hinge, soft = RankingLoss("triplet", margin=0.7), RankingLoss("info_nce", scale=5.0)
    expected = triplet_loss(scores(), OWNER, margin=0.7, hardness=hardness)
    assert hinge(scores(), OWNER, hardness=hardness).item() == pytest.approx(expected.item())
    expected = info_nce(scores(), OWNER, scale=5.0)
    assert soft(scores(), OWNER, hardness=hardness).item() == pytest.approx(expected.item(), rel=1e-5)


def test_only_info_nce_learns_a_temperature() -> None:
    hinge, soft = RankingLoss("triplet"), RankingLoss("info_nce", scale=8.0)
    assert list(hinge.parameters()) == []
    assert hinge.inverse_temperature == 20.0
    soft(scores(), OWNER, hardness=1.0).backward()
    assert soft.scale.grad != 0
    assert float(torch.as_tensor(soft.inverse_temperature).detach()) == pytest.approx(8.0)


def test_the_inverse_temperature_stays_below_a_hundred() -> None:
    soft = RankingLoss("info_nce", scale=1000.0)
    expected = info_nce(scores(), OWNER, scale=100.0)
    assert float(torch.as_tensor(soft.inverse_temperature).detach()) == pytest.approx(100.0)
    assert soft(scores(), OWNER, hardness=1.0).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("kind", ["info_nce", "triplet"])
def test_the_order_of_captions_does_not_matter(kind: Literal["info_nce", "triplet"]) -> None:
    rank, order = RankingLoss(kind), torch.tensor([2, 0, 3, 1])
    expected = rank(scores(), OWNER, hardness=0.5).item()
    assert rank(scores()[:, order], OWNER[order], hardness=0.5).item() == pytest.approx(expected, rel=1e-5)


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(Exception, match="kind"):
        RankingLoss("softmax")  # type: ignore[arg-type]
