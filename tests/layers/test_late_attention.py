"""Cosines of all pairs in blocks against attention pair by pair, with gradients, and what masks must do."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crossgraph.layers import late_attention
from crossgraph.layers.attention import attend
from crossgraph.layers.late_attention import attended_cosines


def unit(*shape: int) -> Tensor:
    return F.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


def pair_by_pair(queries: Tensor, keys: Tensor, query_mask: Tensor, key_mask: Tensor, *, sharpness: float) -> Tensor:
    found = []
    for i in range(len(keys)):
        every = torch.full((len(queries),), i)
        seen, _ = attend(queries, keys[every], query_mask, key_mask[every], sharpness=sharpness)
        found.append((seen * queries).sum(dim=-1))
    return torch.stack(found)


@pytest.mark.parametrize("masked", ["queries", "both"])
@pytest.mark.parametrize(("captions", "pictures", "words"), [(1, 1, 1), (3, 2, 6), (16, 8, 640)])
@pytest.mark.parametrize("sharpness", [4.0, 400.0])
def test_cosines_of_all_pairs_and_their_gradients_are_those_of_attending_pair_by_pair(
    masked: str, captions: int, pictures: int, words: int, sharpness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_attention, "CAPTIONS", captions)
    monkeypatch.setattr(late_attention, "PICTURES", pictures)
    monkeypatch.setattr(late_attention, "WORDS", words)
    torch.manual_seed(2)
    queries, keys, weights = unit(7, 5, 6), unit(5, 7, 6), torch.randn(5, 7, 5, dtype=torch.float64)
    query_mask, key_mask = (torch.rand(rows, parts) < 0.7 for rows, parts in ((7, 5), (5, 7)))
    query_mask[3], key_mask[:, 0] = False, True
    key_mask = key_mask if masked == "both" else torch.ones_like(key_mask)
    results = []
    for way in (pair_by_pair, attended_cosines):
        sides = queries.clone().requires_grad_(), keys.clone().requires_grad_()
        found = way(*sides, query_mask, key_mask, sharpness=sharpness)
        (found * weights).sum().backward()
        results.append((found.detach(), sides[0].grad, sides[1].grad))
    for slow, fast in zip(*results, strict=True):
        assert torch.allclose(fast, slow, atol=1e-10, rtol=1e-8)
        assert slow.abs().max() > 0.1
    assert results[1][0].masked_select(~query_mask.expand(5, 7, 5)).abs().sum() == 0


def test_without_gradients_the_cosines_are_the_same() -> None:
    torch.manual_seed(0)
    queries, keys = unit(3, 4, 6), unit(2, 5, 6).requires_grad_()
    masks = torch.ones(3, 4, dtype=torch.bool), torch.ones(2, 5, dtype=torch.bool)
    with torch.no_grad():
        alone = attended_cosines(queries, keys, *masks)
    assert not alone.requires_grad
    assert torch.equal(alone, attended_cosines(queries, keys, *masks).detach())


def test_cosines_of_an_item_without_keys_are_zero_with_finite_gradients() -> None:
    queries, keys = unit(2, 3, 4).requires_grad_(), unit(1, 2, 4).requires_grad_()
    found = attended_cosines(queries, keys, torch.ones(2, 3, dtype=torch.bool), torch.zeros(1, 2, dtype=torch.bool))
    found.sum().backward()
    assert found.abs().max() == 0
    assert queries.grad.isfinite().all()
    assert keys.grad.isfinite().all()
