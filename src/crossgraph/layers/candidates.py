"""Fine scores in training: of the matches and of each query's candidates, for a whole batch costs too much."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.layers.shared_rows import each_pair
from crossgraph.losses.matching import same_image_mask
from crossgraph.types import Encoded

UNSCORED = -1e4
"""Stands for a pair that is not scored in training: lost by far, yet finite, so that gradients stay finite."""

TRAINING_BLOCK = 512
"""Pairs scored at once in training: captions of like length together, in pieces that fit a processor's cache."""

TIE = 1e-6
"""Likenesses as near as this for every place between them are a tie."""


ChosenScores = Callable[[Encoded, Encoded, Int[Tensor, " k"], Int[Tensor, " k"]], Float[Tensor, " k"]]
"""From pictures, captions and rows of both the scores of picture rows[i] with caption columns[i]."""


def candidate_scores(
    score: ChosenScores,
    images: Encoded,
    texts: Encoded,
    coarse: Float[Tensor, "n m"],
    caption_image: Int[Tensor, " m"],
    *,
    count: int,
) -> Float[Tensor, "n m"]:
    """Scores of the matches and of every query's `count` candidates (0: of all pairs); the rest are `UNSCORED`.

    Half of the candidates are the hardest negatives by `coarse`. The other half are drawn at random: a method
    that meets only hard ones scores easy ones as it likes, and loses to them in every longer shortlist.
    """
    n, m = coarse.shape
    wanted = same_image_mask(caption_image, n) if count else torch.ones_like(coarse, dtype=torch.bool)
    hard = (count + 1) // 2
    for likely, some in ((coarse, hard), (torch.rand_like(coarse), count - hard)) if count else ():
        foreign = likely.masked_fill(wanted, float("-inf"))
        of_captions = foreign.topk(min(some, n), dim=0).indices
        of_images = foreign.topk(min(some, m), dim=1).indices
        wanted = wanted.scatter(0, of_captions, True).scatter(1, of_images, True)
    rows, columns = wanted.nonzero(as_tuple=True)
    by_length = texts.lengths()[columns].argsort(stable=True)
    scores = score(images, texts, rows[by_length], columns[by_length])
    lost = torch.full_like(coarse, UNSCORED)
    return lost.index_put((rows[by_length], columns[by_length]), scores)


def score_in_blocks(
    score_pairs: Callable[[Encoded, Encoded], Float[Tensor, " k"]],
    images: Encoded,
    texts: Encoded,
    rows: Int[Tensor, " k"],
    columns: Int[Tensor, " k"],
) -> Float[Tensor, " k"]:
    """The scores of picture rows[i] with caption columns[i], `TRAINING_BLOCK` at a time, padding cut per block."""

    def scored(pairs: tuple[Tensor, Tensor]) -> Tensor:
        blocks = zip(*(torch.split(side, TRAINING_BLOCK) for side in pairs), strict=True)
        return torch.cat([score_pairs(images[left], texts[right].without_padding()) for left, right in blocks])

    return each_pair(scored, rows, columns)


def score_by_line(
    score: ChosenScores, images: Encoded, texts: Encoded, rows: Int[Tensor, " k"], columns: Int[Tensor, " k"]
) -> Float[Tensor, " k"]:
    """The same from what scores a picture with several captions at once (`pair_lines`), and wants a pair at least."""
    if not len(rows):
        return images.embedding.new_zeros(0)
    return each_pair(lambda pairs: score(images, texts, *pairs), rows, columns)


def companions(likeness: Float[Tensor, "k n"], allowed: Bool[Tensor, "k n"], *, count: int) -> Int[Tensor, "k j"]:
    """Of every row `count` columns that are `allowed`: half the most alike, the rest drawn; none twice.

    Where a row allows fewer than `count`, every row gets as many as that one has. What is alike to `TIE` comes in the
    order of places, so that rounding chooses nothing: equal captions are alike to the last bit or nearly.
    """
    count = min(count, int(allowed.sum(dim=1).min())) if len(allowed) else 0
    places = torch.arange(likeness.shape[1], device=likeness.device)
    settled = (likeness - TIE * places).masked_fill(~allowed, float("-inf"))
    near = settled.topk((count + 1) // 2, dim=1).indices
    left = allowed.scatter(1, near, False)
    drawn = torch.rand_like(likeness).masked_fill(~left, float("-inf")).topk(count // 2, dim=1).indices
    return torch.cat([near, drawn], dim=1)
