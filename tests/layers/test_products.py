"""Products in the numbers of what is multiplied."""

import torch
from torch import nn

from crossgraph.layers.products import mapped_by, widened


def test_only_bfloat16_is_widened() -> None:
    for numbers in (torch.float32, torch.float64):
        values = torch.ones(2, dtype=numbers)
        assert widened(values) is values
    assert widened(torch.tensor([1.5], dtype=torch.bfloat16)).equal(torch.tensor([1.5]))


def test_a_map_is_made_in_the_numbers_of_its_rows() -> None:
    rows = torch.randn(5, 8)
    for linear in (nn.Linear(8, 3), nn.Linear(8, 3, bias=False)):
        assert torch.equal(mapped_by(linear, rows), linear(rows))
        short = mapped_by(linear, rows.bfloat16())
        assert short.dtype == torch.bfloat16
        assert torch.allclose(short.float(), linear(rows), atol=0.05)
        assert linear.weight.dtype == torch.float32
