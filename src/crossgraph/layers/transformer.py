"""A transformer over the parts of one item, which never sees padding, and where it looked."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossgraph.layers.dropout import Dropout


class PartTransformer(nn.Module):
    """Parts in the context of the other parts of their item *(Vaswani 2017)*, normalised before each step.

    No positions are added: parts carry their boxes, word states their context. Padded parts are looked at by nobody;
    what is returned for them is of no use.
    """

    def __init__(
        self, width: int, *, layers: int = 1, heads: int = 4, hidden: int | None = None, dropout: float = 0.1
    ) -> None:
        super().__init__()
        hidden = 2 * width if hidden is None else hidden
        self.layers = nn.ModuleList(_Layer(width, heads, hidden, dropout) for _ in range(layers))
        self.normalise = nn.LayerNorm(width)

    def forward(self, parts: Float[Tensor, "n p d"], mask: Bool[Tensor, "n p"]) -> Float[Tensor, "n p d"]:
        """One vector per part."""
        for layer in self.layers:
            parts = layer(parts, mask)
        normed: Tensor = self.normalise(parts)
        return normed

    def shares(self, parts: Float[Tensor, "n p d"], mask: Bool[Tensor, "n p"]) -> Float[Tensor, "n p p"]:
        """How much of each part's vector (row) came from each part (column): rows sum to 1, padding gives nothing.

        Attention is averaged over heads, halved with the part itself (the residual), and multiplied through the
        layers: attention roll-out *(Abnar & Zuidema 2020)*.
        """
        same = torch.eye(parts.shape[1], device=parts.device, dtype=parts.dtype).expand(len(parts), -1, -1)
        rolled: Tensor = same
        for layer in self.layers:
            assert isinstance(layer, _Layer)
            rolled = (0.5 * layer.attention(parts, mask).mean(dim=1) + 0.5 * same) @ rolled
            parts = layer(parts, mask)
        return rolled


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.attention_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), Dropout(dropout), nn.Linear(hidden, width), Dropout(dropout)
        )
        self.drop = Dropout(dropout)

    def forward(self, parts: Float[Tensor, "n p d"], mask: Bool[Tensor, "n p"]) -> Float[Tensor, "n p d"]:
        queries, keys, values = self._split(parts)
        if self.training and self.dropout:
            logits = queries @ keys.mT / queries.shape[-1] ** 0.5 + _bias(mask, parts)
            mixed = self.drop(logits.softmax(dim=-1)) @ values
        else:
            mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=_bias(mask, parts))
        parts = parts + self.drop(self.attention_out(mixed.transpose(1, 2).flatten(2)))
        updated: Tensor = parts + self.mlp(self.mlp_norm(parts))
        return updated

    def attention(self, parts: Float[Tensor, "n p d"], mask: Bool[Tensor, "n p"]) -> Float[Tensor, "n heads p p"]:
        """The weights that `forward` gathers with."""
        queries, keys, _ = self._split(parts)
        logits = queries @ keys.mT / queries.shape[-1] ** 0.5 + _bias(mask, parts)
        weights: Tensor = logits.softmax(dim=-1)
        return weights

    def _split(self, parts: Float[Tensor, "n p d"]) -> list[Tensor]:
        n, p, width = parts.shape
        projected = self.qkv(self.attention_norm(parts)).view(n, p, 3, self.heads, width // self.heads)
        return [one.transpose(1, 2) for one in projected.unbind(2)]  # one by one, each would fill zeros for the others


def _bias(mask: Bool[Tensor, "n p"], parts: Float[Tensor, "n p d"]) -> Float[Tensor, "n 1 1 p"]:
    """Nothing for real parts, the lowest number for padding: a row without any real part stays finite."""
    lowest = torch.finfo(parts.dtype).min
    return torch.zeros_like(mask, dtype=parts.dtype).masked_fill(~mask, lowest)[:, None, None, :]
