"""Which words and regions a score rests on, for methods that keep no parts: leave each out and score again."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossgraph.types import Alignment, Encoded, ImageBatch, TextBatch, TextGraphs


def explain_by_occlusion(
    images: ImageBatch,
    texts: TextBatch,
    *,
    encode_images: Callable[[ImageBatch], Encoded],
    encode_texts: Callable[[TextBatch], Encoded],
    score: Callable[[Encoded, Encoded], Float[Tensor, "n m"]],
) -> Alignment:
    """What the score of one picture and one caption loses without each word, and without a word and a region together.

    `word_scores` are what the score loses without the word. A word's column of `weights` is the positive part of its
    interaction with each region: what the pair adds beyond both alone, s - s(no region) - s(no word) + s(neither).
    A word that interacts with no region, as where a method reads only whole pictures, has a column of zeros.
    """
    scores = score(encode_images(_without_each_region(images)), encode_texts(_without_each_word(texts)))
    whole, no_region, no_word, neither = scores[0, 0], scores[1:, :1], scores[:1, 1:], scores[1:, 1:]
    pairs = (whole - no_region - no_word + neither).clamp(min=0)
    totals = pairs.sum(dim=0, keepdim=True)
    return Alignment(
        words=texts.words[0],
        boxes=images.boxes[0],
        weights=torch.where(totals > 0, pairs / totals.clamp(min=torch.finfo(pairs.dtype).tiny), 0.0),
        word_scores=whole - no_word[0],
        score=float(whole),
    )


def _without_each_region(images: ImageBatch) -> ImageBatch:
    """The picture as it is, then without its first region, without its second, and so on."""
    mask = _one_less(images.mask)
    rows = len(mask)
    return ImageBatch(
        images.parts.expand(rows, -1, -1), mask, images.boxes.expand(rows, -1, -1), images.whole.expand(rows, -1)
    )


def _without_each_word(texts: TextBatch) -> TextBatch:
    """The caption as it is, then without its first word, its second, and so on; graphs and whole stay as they are."""
    mask = _one_less(texts.mask)
    rows, words = len(mask), texts.words[0]
    places = texts.mask[0].nonzero()[:, 0].tolist()
    left = [tuple(word for word, place in zip(words, places, strict=True) if keep[place]) for keep in mask.tolist()]
    first = torch.zeros(rows, dtype=torch.long, device=mask.device)
    return TextBatch(
        mask,
        tuple(left),
        None if texts.ids is None else texts.ids.expand(rows, -1),
        None if texts.states is None else texts.states.expand(rows, -1, -1),
        None if texts.graphs is None else TextGraphs(texts.graphs.nodes[first], texts.graphs.words[first]),
        None if texts.whole is None else texts.whole.expand(rows, -1),
    )


def _one_less(mask: Bool[Tensor, "1 p"]) -> Bool[Tensor, "more p"]:
    """The mask, then the mask without each position in turn; a caption keeps no word if it has only one."""
    width = mask.shape[1]
    return torch.cat([mask, mask & ~torch.eye(width, dtype=torch.bool, device=mask.device)])
