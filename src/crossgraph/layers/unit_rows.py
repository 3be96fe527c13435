"""Vectors scaled to unit length, with few passes over them."""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SHORT = 1e-12
"""Shorter vectors are divided by this."""


def unit_rows(parts: Float[Tensor, "*rows d"], mask: Bool[Tensor, "*rows"] | None = None) -> Float[Tensor, "*rows d"]:
    """`F.normalize(parts, dim=-1)`, with zeros where a `mask` is not.

    Backwards it takes three passes; gradients have no gradients.
    """
    return cast(Tensor, _Unit.apply(parts, mask))  # type: ignore[no-untyped-call]


class _Unit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parts: Tensor, mask: Tensor | None) -> Tensor:
        lengths = torch.linalg.vector_norm(parts, dim=-1, keepdim=True)
        inverse = lengths.clamp(min=SHORT).reciprocal_()
        if mask is not None:
            inverse.mul_(mask[..., None])
        unit: Tensor = parts * inverse
        ctx.save_for_backward(unit, inverse, lengths)
        return unit

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """What lies along the vector is lost, unless it was too short to be scaled."""
        unit, inverse, lengths = ctx.saved_tensors
        along = (grads[0] * unit).sum(dim=-1, keepdim=True).masked_fill_(lengths < SHORT, 0.0)
        return torch.addcmul(grads[0], unit, along, value=-1.0).mul_(inverse), None
