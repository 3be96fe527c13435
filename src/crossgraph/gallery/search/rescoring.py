"""The trained method's own score of a query with candidates, which alone of a search needs torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from crossgraph.gallery.tables.parts import Fine, pad_fine
from crossgraph.methods.contract import Method
from crossgraph.types import Encoded


@torch.inference_mode()
def pair_scores(
    method: Method, rows: Sequence[Fine], asked: Sequence[tuple[float, Encoded]], *, images: bool
) -> Float[np.ndarray, " k"]:
    """The weighted sum of what `method` scores each row with each query `asked`; rows are `images`, or sentences."""
    device = next((parameter.device for parameter in method.parameters()), torch.device("cpu"))
    block = pad_fine(rows).to(device)
    total = torch.zeros(len(block))
    for weight, query in asked:
        same = query.to(device)[[0] * len(block)]
        pair = (block, same) if images else (same, block)
        total += weight * method.score_pairs(*pair).float().cpu()
    return total.numpy()
