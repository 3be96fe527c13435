"""Losses of generated negatives: a true caption must beat sentences that were edited to be false.

The hinge and the choice can be won without looking at the picture, by a bias of the sentence: an edited one reads
unlike one that a person wrote. `preference_contrast` cannot: whatever depends on the sentence alone cancels in it.
"""

from __future__ import annotations

import math

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


def preference_contrast(
    own: Float[Tensor, " k"], elsewhere: Float[Tensor, "k j"], *, scale: float | Tensor
) -> Float[Tensor, ""]:
    """Mean softplus of -`scale` (own - mean elsewhere): true beats false by more here than elsewhere; 0 without any.

    `own[i]` is the score of caption i less that of its edit with their picture, `elsewhere[i]` the same difference with
    other pictures, of which there is at least one. `scale` is the inverse temperature.
    """
    if own.numel() == 0:
        return own.sum() * 0.0
    return F.softplus(-scale * (own - elsewhere.mean(dim=1))).mean()


def even_choice(elsewhere: Float[Tensor, "k j"], *, scale: float | Tensor) -> Float[Tensor, ""]:
    """What a choice between captions and edits loses against a fair coin where the picture is neither's; 0 if fair.

    Mean over edits of the cross-entropy of (1/2, 1/2) and the sigmoid of `scale` x the mean difference, less its least
    value, log 2. It fixes what `preference_contrast` leaves open, the bias of the sentence.
    """
    if elsewhere.numel() == 0:
        return elsewhere.sum() * 0.0
    logits = scale * elsewhere.mean(dim=1)
    return (F.softplus(logits) - logits / 2 - math.log(2.0)).mean()
