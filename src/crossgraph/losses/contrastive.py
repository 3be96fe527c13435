"""Softmax ranking losses: a matching pair must win against all its negatives at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.losses.matching import positive_scores, same_image_mask


def info_nce(
    scores: Float[Tensor, "n m"],
    caption_image: Int[Tensor, " m"],
    *,
    scale: float | Tensor,
    neither: Bool[Tensor, "n m"] | None = None,
    back: Float[Tensor, "n m"] | None = None,
    more_images: Float[Tensor, "q m"] | None = None,
    more_texts: Float[Tensor, "n r"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy of each caption over the images, plus of each matching pair over the image's foreign captions.

    `scale` is the inverse temperature. Going from image to text, each positive competes with the negatives alone:
    the other captions of the same image are left out of the denominator, so siblings never repel each other
    (van den Oord 2018, with the same-image mask). Pairs marked in `neither` count as no negatives, as where a picture
    has a caption of the same words. `more_images` are scores of the captions with further images, `more_texts` of the
    images with further captions, negatives all of them but those of -inf. `back` are the scores of the way from image
    to text, where they are others than `scores`. Nearest sibling: `triplet_loss`, which hears
    only violations.
    """
    matched = same_image_mask(caption_image, scores.shape[0])

    def scaled(own: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
        logits = own * scale
        if neither is None:
            return logits
        return logits.masked_fill(neither & ~matched, torch.finfo(logits.dtype).min)

    logits = scaled(scores)
    over_images = logits if more_images is None else torch.cat([logits, _scaled(more_images, scale)])
    to_image = F.cross_entropy(over_images.T, caption_image)
    if back is not None:
        logits = scaled(back)
    over_texts = logits.masked_fill(matched, float("-inf"))
    if more_texts is not None:
        over_texts = torch.cat([over_texts, _scaled(more_texts, scale)], dim=1)
    foreign = over_texts.logsumexp(dim=1)[caption_image]
    to_text = F.softplus(foreign - positive_scores(logits, caption_image)).mean()
    return to_image + to_text


def _scaled(scores: Float[Tensor, "a b"], scale: float | Tensor) -> Float[Tensor, "a b"]:
    """Scores times `scale`; those of -inf stay so and give no gradient, which 0 times infinity would not be."""
    hidden = scores.isneginf()
    return (scores.masked_fill(hidden, 0.0) * scale).masked_fill(hidden, -torch.inf)
