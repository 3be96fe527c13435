"""Pictures that a network in training reads now: all at once for a step, a few at a time where nothing is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from crossgraph.types import ImageBatch


def read_in_blocks(
    read: Callable[[Sequence[int], Sequence[bool]], ImageBatch],
    indices: Sequence[int],
    mirrored: Sequence[bool],
    *,
    block: int,
) -> ImageBatch:
    """What `read` gives for `indices` and whether each is `mirrored` (none: no picture is), `block` at once.

    Where gradients are asked for, all at once. Every reading must give equally many parts.
    """
    size = len(indices) if torch.is_grad_enabled() else block
    flips = list(mirrored) or [False] * len(indices)
    starts = range(0, max(1, len(indices)), max(1, size))
    pieces = [read(indices[at : at + size], flips[at : at + size]) for at in starts]
    return ImageBatch(
        torch.cat([piece.parts for piece in pieces]),
        torch.cat([piece.mask for piece in pieces]),
        torch.cat([piece.boxes for piece in pieces]),
        torch.cat([piece.whole for piece in pieces]),
    )
