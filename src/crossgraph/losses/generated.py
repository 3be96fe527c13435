"""Losses of generated negatives: a true caption must beat sentences that were edited to be false."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def false_caption_hinge(
    true: Float[Tensor, " m"], false: Float[Tensor, " k"], caption: Int[Tensor, " k"], *, margin: float = 0.2
) -> Float[Tensor, ""]:
    """The mean amount by which an edit comes closer than `margin` to the caption it edits; 0 without any edit.

    `caption[i]` is the row of `true` that edit i belongs to. Nearest sibling: `triplet_loss`, whose negatives are
    other pictures' captions.
    """
    if len(false) == 0:
        return true.sum() * 0.0
    return (margin + false - true[caption]).clamp(min=0).mean()


def false_caption_choice(
    true: Float[Tensor, " m"], false: Float[Tensor, " k"], caption: Int[Tensor, " k"], *, scale: float | Tensor
) -> Float[Tensor, ""]:
    """Cross-entropy of choosing a caption among itself and its edits, mean over captions with edits; 0 without any.

    `scale` is the inverse temperature. This is the choice of TSVLC; the hinge stops at its margin, this never does.
    """
    if len(false) == 0:
        return true.sum() * 0.0
    logits_true, logits_false = true * scale, false * scale
    edited = torch.zeros_like(true, dtype=torch.bool).index_fill(0, caption, True)
    worst = torch.full_like(true, -torch.inf).scatter_reduce(0, caption, logits_false.detach(), "amax")
    worst = torch.where(edited, worst, torch.zeros_like(worst))
    total = torch.zeros_like(true).index_add(0, caption, (logits_false - worst[caption]).exp())
    against = total[edited].log() + worst[edited]
    return F.softplus(against - logits_true[edited]).mean()
