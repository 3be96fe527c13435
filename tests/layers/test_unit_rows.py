"""Vectors of unit length and their gradients against torch's own."""

import torch
import torch.nn.functional as F
from torch import Tensor

from crossgraph.layers.unit_rows import unit_rows


def test_unit_rows_and_their_gradients_are_those_of_normalising_and_masking() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    parts[0, 1], parts[1, 2] = 0.0, 1e-14
    mask = torch.rand(3, 4, generator=generator) < 0.7
    mask[0, 1] = mask[1, 2] = True
    weights = torch.randn(parts.shape, generator=generator, dtype=torch.float64)

    def run(own: bool) -> tuple[Tensor, Tensor]:
        given = parts.clone().requires_grad_()
        unit = unit_rows(given, mask) if own else F.normalize(given, dim=-1) * mask[..., None]
        (unit * weights).sum().backward()
        return unit.detach(), given.grad

    for fast, slow in zip(run(own=True), run(own=False), strict=True):
        assert torch.allclose(fast, slow, atol=1e-12, rtol=1e-9)
