"""Semantic consistency: an item must say its labels, and both views of a pair must say the same."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor


def label_loss(
    items: Float[Tensor, "n d"], labels: Float[Tensor, "c d"], has: Bool[Tensor, "n c"], *, scale: float | Tensor
) -> Float[Tensor, ""]:
    """Binary cross-entropy of the cosines of items and label embeddings, times 2 `scale`, with what each item has."""
    logits = 2 * scale * F.normalize(items, dim=1) @ F.normalize(labels, dim=1).T
    return F.binary_cross_entropy_with_logits(logits, has.to(logits.dtype))


def label_share_loss(
    items: Float[Tensor, "n d"], labels: Float[Tensor, "c d"], has: Bool[Tensor, "n c"], *, scale: float | Tensor
) -> Float[Tensor, ""]:
    """Cross-entropy of a softmax over labels with the item's labels in equal shares; items without any do not count.

    Sibling of `label_loss`: here labels compete, which suits sets with one label a picture.
    """
    logits = 2 * scale * F.normalize(items, dim=1) @ F.normalize(labels, dim=1).T
    counts = has.sum(dim=1)
    shares = has / counts[:, None].clamp(min=1)
    found = -(shares * logits.log_softmax(dim=1)).sum(dim=1)
    return found.sum() / (counts > 0).sum().clamp(min=1)


def pair_loss(
    images: Float[Tensor, "n d"], texts: Float[Tensor, "m d"], caption_image: Int[Tensor, " m"]
) -> Float[Tensor, ""]:
    """One less the cosine of each caption with its picture, on average."""
    cosines: Tensor = (F.normalize(images, dim=1)[caption_image] * F.normalize(texts, dim=1)).sum(dim=1)
    return (1 - cosines).mean()


def transfer_loss(alone: Float[Tensor, "n d"], in_graph: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """One less the cosine of a picture alone with the same picture among its neighbours; the latter stays put."""
    cosines: Tensor = (F.normalize(alone, dim=1) * F.normalize(in_graph.detach(), dim=1)).sum(dim=1)
    return (1 - cosines).mean()
