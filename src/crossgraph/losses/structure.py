"""Structural InfoNCE: items must be alike as their texts are, softly one by one, and in whole rows of similarities."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def structure_shares(
    has: Bool[Tensor, "a c"], has_too: Bool[Tensor, "b c"], similarity: Float[Tensor, "a b"]
) -> Float[Tensor, "a b"]:
    """How much of item i's positive weight each item j bears: those that share a label, the more alike the more.

    Weights are 1/2 + similarity / 2, rows sum to 1; the row of an item that shares labels with none is 0.
    """
    weights = (has.float() @ has_too.float().T > 0) * (0.5 + 0.5 * similarity)
    return weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-12)


def soft_info_nce(
    queries: Float[Tensor, "a d"], items: Float[Tensor, "b d"], shares: Float[Tensor, "a b"], *, temperature: float
) -> Float[Tensor, ""]:
    """Cross-entropy of a softmax over items with the given `shares`, averaged over queries that have any.

    With one share of 1 a row this is InfoNCE; with equal shares among items of one label, supervised contrast
    (Khosla 2020). Nearest sibling: `row_info_nce`, which compares whole rows of similarities.
    """
    logits = F.normalize(queries, dim=1) @ F.normalize(items, dim=1).T / temperature
    has_any = shares.sum(dim=1) > 0
    found = -(shares * logits.log_softmax(dim=1)).sum(dim=1)
    return found.sum() / has_any.sum().clamp(min=1)


def row_info_nce(
    similarity: Float[Tensor, "n n"], guide: Float[Tensor, "n n"], *, temperature: float = 0.1
) -> Float[Tensor, ""]:
    """Item i's row of similarities must resemble row i of the `guide` more than any other row, and the other way."""
    cosines = F.normalize(similarity, dim=1) @ F.normalize(guide, dim=1).T / temperature
    target = torch.arange(len(cosines), device=cosines.device)
    return (F.cross_entropy(cosines, target) + F.cross_entropy(cosines.T, target)) / 2


def cosine_matrix(items: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """Cosines of all items with all."""
    unit = F.normalize(items, dim=1)
    return unit @ unit.T


def label_structure_loss(
    labels: Float[Tensor, "c d"], guide: Float[Tensor, "c c"], *, row_weight: float = 0.1
) -> Float[Tensor, ""]:
    """Mean squared difference of the cosines of label embeddings from the `guide`, off the diagonal, and their rows'.

    0 for a single label, which is like no other.
    """
    cosines = cosine_matrix(labels)
    count = len(labels)
    apart = (cosines - guide).square().sum() - (cosines - guide).diagonal().square().sum()
    return apart / max(1, count * (count - 1)) + row_weight * row_info_nce(cosines, guide)
