"""One medium of a hashing method: parts in context, their mean, a feature vector of one length, a relaxed code."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossgraph.layers.hash_head import HashHead
from crossgraph.layers.pooling import masked_mean
from crossgraph.layers.transformer import PartTransformer


class CodeEncoder(nn.Module):
    """From parts of the transformer's width to features, and by `hash` to codes; without one, parts are as they come.

    Features have unit length times a learned one that starts at `scale`. With `companions` the released SCAHN's defect
    is kept: each channel is normalised over the items of the batch, so a code depends on who came along.
    """

    def __init__(
        self, transformer: PartTransformer | None, *, width: int, bits: int, scale: float, companions: bool = False
    ) -> None:
        super().__init__()
        self.transformer = transformer
        self.scale = None if companions else nn.Parameter(torch.tensor(scale))
        self.hash = HashHead(width, bits)

    def forward(self, parts: Float[Tensor, "n p d"], mask: Bool[Tensor, "n p"], *, pads: bool = False) -> Tensor:
        """One feature vector per item; `pads` averages padded parts in as well."""
        states = parts if self.transformer is None else self.transformer(parts, mask)
        mean = states.mean(dim=1) if pads else masked_mean(states, mask)
        return F.normalize(mean, dim=0) if self.scale is None else self.scale * F.normalize(mean, dim=1)

    def votes(self, parts: Float[Tensor, "1 p d"], mask: Bool[Tensor, "1 p"]) -> Float[Tensor, "p bits"]:
        """What each part of one item adds to its code before the tanh: summed over parts, all of it but the bias.

        The features are a scaled mean of the states, so the code is a sum over states; attention roll-out follows each
        state back to the parts it came from. Padded parts add nothing.
        """
        states = parts if self.transformer is None else self.transformer(parts, mask)
        mean = masked_mean(states, mask).norm(dim=1).clamp(min=1e-12)
        length = mean.new_ones(()) / mean if self.scale is None else self.scale / mean
        mapped = (
            states @ self.hash.map.weight.T * mask[..., None] * (length / mask.sum(dim=1).clamp(min=1))[:, None, None]
        )
        votes: Tensor = mapped if self.transformer is None else self.transformer.shares(parts, mask).mT @ mapped
        return votes[0]
