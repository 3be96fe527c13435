"""Dropout draws what torch draws."""

import pytest
import torch
from torch import Tensor, nn

from crossgraph.layers.dropout import DRAWN, Dropout


def dropped(layer: nn.Dropout, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is kept, its gradient, and the next number that is drawn."""
    torch.manual_seed(3)
    values = values.clone().requires_grad_()
    found = layer(values)
    (found * torch.arange(found.numel(), dtype=found.dtype).view_as(found)).sum().backward()
    return found.detach(), values.grad, torch.rand(())


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (DRAWN,), (2, DRAWN + 1)])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_it_is_torchs_dropout_bit_for_bit(shape: tuple[int, ...], share: float, dtype: torch.dtype) -> None:
    values = torch.randn(shape).to(dtype)
    for mine, torchs in zip(dropped(Dropout(share), values), dropped(nn.Dropout(share), values), strict=True):
        assert torch.equal(mine, torchs)


def test_values_that_do_not_lie_side_by_side_lose_the_same() -> None:
    values = torch.randn(6, 5).T
    for mine, torchs in zip(dropped(Dropout(0.4), values), dropped(nn.Dropout(0.4), values), strict=True):
        assert torch.equal(mine, torchs)


@pytest.mark.parametrize("layer", [Dropout(0.0), Dropout(0.5).eval()])
def test_nothing_is_drawn_where_nothing_is_dropped(layer: Dropout) -> None:
    values, before = torch.randn(4), torch.get_rng_state()
    assert torch.equal(layer(values), values)
    assert torch.equal(torch.get_rng_state(), before)
