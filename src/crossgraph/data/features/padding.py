"""Pieces of different length as one tensor with a mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from crossgraph.data.feature_cache import Array


def pad(pieces: Sequence[Array], empty: Array) -> tuple[Tensor, Tensor]:
    """Pieces of different length and one type as one zero-padded tensor, and the mask of what is real.

    `empty` is a piece of length 0: it gives the type and width when there are no pieces.
    """
    longest = max(map(len, pieces), default=0)
    padded = np.zeros((len(pieces), longest, *empty.shape[1:]), pieces[0].dtype if pieces else empty.dtype)
    mask = np.zeros((len(pieces), longest), np.bool_)
    for row, piece in enumerate(pieces):
        padded[row, : len(piece)] = piece
        mask[row, : len(piece)] = True
    return torch.from_numpy(padded), torch.from_numpy(mask)
