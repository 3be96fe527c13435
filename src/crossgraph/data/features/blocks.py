"""Pictures that a network in training reads now: all at once for a step, a few at a time where nothing is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from crossgraph.types import ImageBatch


def read_in_blocks(
    read: Callable[[Sequence[int], Sequence[bool], Sequence[int]], ImageBatch],
    indices: Sequence[int],
    mirrored: Sequence[bool],
    turns: Sequence[int],
    *,
    block: int,
) -> ImageBatch:
    """What `read` gives for `indices`, whether each is `mirrored` and its quarter `turns` (none: all plain), in blocks.

    Where gradients are asked for, all at once. Every reading must give equally many parts.
    """
    size = len(indices) if torch.is_grad_enabled() else block
    flips = list(mirrored) or [False] * len(indices)
    quarters = list(turns) or [0] * len(indices)
    starts = range(0, max(1, len(indices)), max(1, size))
    pieces = [read(indices[at : at + size], flips[at : at + size], quarters[at : at + size]) for at in starts]
    return ImageBatch(
        torch.cat([piece.parts for piece in pieces]),
        torch.cat([piece.mask for piece in pieces]),
        torch.cat([piece.boxes for piece in pieces]),
        torch.cat([piece.whole for piece in pieces]),
    )
