import math

import pytest
import torch

from crossgraph.losses.contrastive import info_nce
from crossgraph.losses.own_and_like import own_and_like_loss


def drawn(queries: int = 4, keys: int = 7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    own = torch.zeros(queries, keys, dtype=torch.bool)
    own[torch.arange(queries), torch.arange(queries)] = True
    own[0, 6] = True
    return torch.randn(queries, keys, generator=rng), own, torch.rand(queries, keys, generator=rng)


def by_hand(scores: torch.Tensor, own: torch.Tensor, likeness: torch.Tensor, share: float) -> float:
    """Query by query and key by key."""
    pairs, orders = [], []
    for row in range(len(scores)):
        foreign = [k for k in range(scores.shape[1]) if not own[row, k]]
        total = sum(math.exp(float(scores[row, k])) for k in foreign)
        mine = [float(scores[row, k]) for k in range(scores.shape[1]) if own[row, k]]
        pairs.append(sum(-math.log(math.exp(one) / (math.exp(one) + total)) for one in mine) / len(mine))
        weight = sum(float(likeness[row, k]) for k in foreign)
        orders.append(
            sum(-float(likeness[row, k]) / weight * (float(scores[row, k]) - math.log(total)) for k in foreign)
        )
    return (1 - share) * sum(pairs) / len(pairs) + share * sum(orders) / len(orders)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_it_is_what_a_loop_over_queries_and_keys_finds(share: float) -> None:
    scores, own, likeness = drawn()
    loss = own_and_like_loss(scores, own, likeness, share=share)
    assert loss.item() == pytest.approx(by_hand(scores, own, likeness, share), rel=1e-5)


def test_without_a_share_both_ways_are_info_nce() -> None:
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(1))
    own, nothing = torch.eye(5, dtype=torch.bool), torch.zeros(5, 5)
    both = own_and_like_loss(3 * scores, own, nothing, share=0.0) + own_and_like_loss(
        3 * scores.T, own, nothing, share=0.0
    )
    assert both.item() == pytest.approx(info_nce(scores, torch.arange(5), scale=3.0).item(), rel=1e-5)


def test_likeness_orders_foreign_keys_and_never_pulls_at_own_ones() -> None:
    scores, own, likeness = drawn()
    scores.requires_grad_()
    own_and_like_loss(scores, own, likeness, share=0.5).backward()
    with_like = scores.grad.clone()
    scores.grad = None
    (0.5 * own_and_like_loss(scores, own, likeness, share=0.0)).backward()
    difference = with_like - scores.grad
    assert difference[own].abs().max() < 1e-6
    assert torch.allclose(difference.sum(dim=1), torch.zeros(4), atol=1e-6)
    assert difference[~own].abs().max() > 1e-3


def test_a_key_that_is_the_query_itself_counts_nowhere() -> None:
    scores, own, likeness = drawn()
    itself = torch.zeros_like(own)
    itself[:, 0] = True
    found = own_and_like_loss(scores, own, likeness, share=0.4, itself=itself)
    assert found.item() == pytest.approx(
        own_and_like_loss(scores.masked_fill(itself, 50.0), own, likeness, share=0.4, itself=itself).item()
    )


def test_queries_without_own_or_like_keys_count_nothing_and_harm_nothing() -> None:
    scores, own, likeness = drawn()
    scores.requires_grad_()
    loss = own_and_like_loss(scores, own & False, likeness * 0, share=0.5)
    loss.backward()
    assert loss.item() == 0
    assert scores.grad.isfinite().all()
    alone = own.clone()
    alone[1:] = False
    once = own_and_like_loss(scores, alone, likeness * 0, share=0.0)
    assert once.item() == pytest.approx(
        own_and_like_loss(scores[:1], own[:1], likeness[:1] * 0, share=0.0).item(), rel=1e-5
    )
