"""What every word of many captions sees of many pictures, as cosines alone: a whole batch at once, in small blocks.

The same numbers as `attend` on every pair, without ever building what was seen: with weights a, the cosine of a word w
with what it saw of the regions k is sum_k a_k (w k) over the length of sum_k a_k k, and that length squared is a G a, G
being the products of the regions with one another. So a batch costs one product of all words with all regions and a few
passes over it. Both are made of blocks that a processor's cache holds, of real words alone: forwards of large ones,
captions of one length side by side; backwards, where a block has six tables, of small ones. Nothing is kept between
both, for a block is made again faster than it is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.layers.attention import look, products_within
from crossgraph.layers.products import widened

CAPTIONS, PICTURES = 16, 8
"""Captions and pictures of a block of the backward pass: at 12 words and 36 regions a mebibyte holds four tables."""

WORDS = 640
"""About how many words a block of the forward pass has: with as many pictures, a product near the matrix rate."""

SHORT = 1e-12
"""What was seen counts as at least the root of this long."""


def attended_cosines(
    queries: Float[Tensor, "m q d"],
    keys: Float[Tensor, "n k d"],
    query_mask: Bool[Tensor, "m q"],
    key_mask: Bool[Tensor, "n k"],
    *,
    sharpness: float = 9.0,
) -> Float[Tensor, "n m q"]:
    """The cosine of every query part with what it saw, for all n x m pairs of items; zero for padded queries.

    Both sides are unit vectors; gradients have no gradients.
    """
    (m, q), n = query_mask.shape, len(keys)
    counts, order = query_mask.sum(dim=1).sort(stable=True)
    caption, place = query_mask[order].nonzero(as_tuple=True)
    real = order[caption] * q + place
    words = queries.flatten(0, 1).index_select(0, real)
    cosines = cast(Tensor, _Cosines.apply(words, keys, counts, key_mask, sharpness))  # type: ignore[no-untyped-call]
    return cosines.new_zeros(n, m * q).index_copy(1, real, cosines).view(n, m, q)


@dataclass(frozen=True)
class _Block:
    """What is made of some captions' words with some pictures' regions, regions first."""

    products: Float[Tensor, "b k w"]
    contrast: Float[Tensor, "b k w"]
    scale: Float[Tensor, "b k w"]
    """Sharpness over the length of each region's positive cosines with the words of a caption."""
    weights: Float[Tensor, "b k w"]
    mixed: Float[Tensor, "b k w"]
    """The products of the regions with what was seen."""

    @classmethod
    def of(
        cls,
        words: Float[Tensor, "w d"],
        keys: Float[Tensor, "b k d"],
        unreal: Bool[Tensor, "b k 1"] | None,
        captions: Float[Tensor, "w c"],
        sharpness: float,
    ) -> _Block:
        (b, k, d), w = keys.shape, len(words)
        products = torch.mm(keys.reshape(b * k, d), words.T)
        contrast = products.clamp(min=0)
        squares = torch.mm(contrast.square(), captions)
        scale = torch.mm(squares.clamp_(min=1e-24).rsqrt_().mul_(sharpness), captions.T)
        contrast.mul_(scale)
        logits = contrast.view(b, k, w)
        if unreal is None:
            weights = logits.softmax(dim=1)
        else:
            lowest = torch.finfo(logits.dtype).min
            weights = logits.masked_fill(unreal, lowest).softmax(dim=1).masked_fill_(unreal, 0.0)
        mixed = torch.bmm(torch.bmm(keys, keys.mT), weights)
        return cls(products.view(b, k, w), logits, scale.view(b, k, w), weights, mixed)

    def cosines(self) -> tuple[Float[Tensor, "b w"], Float[Tensor, "b w"]]:
        """The cosines, and the square of the length of what was seen."""
        squared = (self.mixed * self.weights).sum(dim=1)
        return (self.products * self.weights).sum(dim=1) * squared.clamp(min=SHORT).rsqrt_(), squared

    def backward(
        self, given: Float[Tensor, "b w"], captions: Float[Tensor, "w c"], sharpness: float
    ) -> tuple[Float[Tensor, "b k w"], Float[Tensor, "b k k"]]:
        """From the gradients of the cosines those of the products of words and regions, and of regions with regions."""
        cosines, squared = self.cosines()
        inverse = squared.clamp(min=SHORT).rsqrt_()
        of_sum = (given * inverse)[:, None]
        of_square = (-0.5 * given * cosines * inverse.square()).masked_fill_(squared < SHORT, 0.0)[:, None]
        of_gram = torch.bmm(self.weights * of_square, self.weights.mT)
        weighed = torch.addcmul(self.products * of_sum, self.mixed, of_square, value=2.0).mul_(self.weights)
        # softmax, then the length that a region's cosines with a caption are divided by
        pulled = weighed.addcmul_(self.weights, weighed.sum(dim=1, keepdim=True), value=-1.0).mul_(self.scale)
        (b, k, w), c = pulled.shape, captions.shape[1]
        along = torch.mm((pulled * self.contrast).view(b * k, w), captions).view(b, k, c)
        spread = torch.mm(along.view(b * k, c), captions.T).view(b, k, w)
        pulled.sub_(spread.mul_(self.contrast).div_(sharpness**2))
        return pulled.mul_(self.products > 0).addcmul_(self.weights, of_sum), of_gram


class _Cosines(torch.autograd.Function):
    """Cosines of the words of all captions, one after the other, with what they see of each picture."""

    @staticmethod
    def forward(
        ctx: Any, words: Tensor, keys: Tensor, counts: Tensor, key_mask: Tensor, sharpness: float
    ) -> Float[Tensor, "n w"]:
        """`counts` are the captions' numbers of words, smaller ones first."""
        ctx.save_for_backward(words, keys, counts, key_mask)
        ctx.sharpness = sharpness
        found = words.new_empty(len(keys), len(words), dtype=widened(words[:0]).dtype)
        real = None if bool(key_mask.all()) else key_mask[..., None]
        within = products_within(keys)
        for some, spans in _runs(counts):
            for first in range(0, len(keys), PICTURES):
                pictures = slice(first, first + PICTURES)
                mask = None if real is None else real[pictures]
                looks = look(words[some], keys[pictures], within[pictures], spans, sharpness=sharpness, real=mask)
                found[pictures, some] = looks.cosines
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        """Each block is made again."""
        words, keys, counts, key_mask = ctx.saved_tensors
        of_words, of_keys = torch.zeros_like(words), torch.zeros_like(keys)
        of_gram = keys.new_zeros(*key_mask.shape, key_mask.shape[1])
        for some, captions, pictures, unreal in _blocks(words, counts, key_mask):
            mine, shown = words[some], keys[pictures]
            block = _Block.of(mine, shown, unreal, captions, ctx.sharpness)
            of_products, of_both = block.backward(grads[0][pictures, some], captions, ctx.sharpness)
            b, k, w = of_products.shape
            flat = of_products.view(b * k, w)
            of_words[some].addmm_(flat.T, shown.reshape(b * k, -1))
            of_keys[pictures] += torch.mm(flat, mine).view(b, k, -1)
            of_gram[pictures] += of_both
        return of_words, of_keys.baddbmm_(of_gram, keys, alpha=2.0), None, None, None


def _runs(counts: Int[Tensor, " c"]) -> Iterator[tuple[slice, list[tuple[int, int]]]]:
    """The words of captions in runs, and how many captions of which length each run is of; shorter captions first."""
    run, start = (counts.cumsum(0) - 1).clamp(min=0) // WORDS, 0
    for number in torch.unique(run).tolist():
        lengths = counts[run == number].bincount().tolist()
        spans = [(count, length) for length, count in enumerate(lengths) if count and length]
        end = start + sum(count * length for count, length in spans)
        if spans:
            yield slice(start, end), spans
        start = end


def _blocks(
    words: Float[Tensor, "w d"], counts: Tensor, key_mask: Bool[Tensor, "n k"]
) -> Iterator[tuple[slice, Float[Tensor, "v c"], slice, Bool[Tensor, "b k 1"] | None]]:
    """Some words and which caption each is of (ones and zeros), some pictures and what of them is padding, if any."""
    n, start = len(key_mask), 0
    unreal = None if bool(key_mask.all()) else ~key_mask[..., None]
    for some in torch.split(counts, CAPTIONS):
        number = torch.ones_like(some).cumsum(0) - 1
        owner = torch.repeat_interleave(number, some)
        captions = (owner[:, None] == number).to(words.dtype)
        end = start + len(owner)
        if len(owner):
            for first in range(0, n, PICTURES):
                pictures = slice(first, min(first + PICTURES, n))
                yield slice(start, end), captions, pictures, None if unreal is None else unreal[pictures]
        start = end
