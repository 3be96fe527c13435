"""Methods that score one picture with many captions at once, which is several times faster than pair by pair.

The captions share the picture's products and maps, and what every picture needs of captions is made once. `score_pairs`
stays what the score is: this computes the same numbers, without gradients.

Where the parts of both sides are given in bfloat16, large products are made in it: nearly the same numbers, sooner.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crossgraph.methods.contract import Method, nobody_asks
from crossgraph.types import Encoded

TEXTS = 1024
"""Captions that are held ready at once."""

FEWEST = 8
"""Pairs a picture must have, on the average of a list, for its own preparation to pay."""

TOGETHER = 4096
"""Pairs of several pictures' lists that are scored together."""

OneImage = Callable[[Encoded], Float[Tensor, " m"]]
"""The scores of one picture, given as a single row, with the captions that were held ready."""

SeveralImages = Callable[[Sequence[tuple[Encoded, Int[Tensor, " _"]]]], list[Float[Tensor, " _"]]]
"""The scores of each of several pictures, given as single rows, with those of the captions that stand beside it."""


@dataclass(frozen=True)
class ReadyTexts:
    """Captions, and what else a method made of each: tensors of one row a caption."""

    encoded: Encoded
    more: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, rows: slice | Int[Tensor, " r"]) -> ReadyTexts:
        """The chosen captions, in the order given."""
        return ReadyTexts(self.encoded[rows], tuple(one[rows] for one in self.more))


class ByImage(Method):
    """A method whose scores are computed picture by picture where gradients are not wanted."""

    @abstractmethod
    def ready_texts(self, texts: Encoded) -> ReadyTexts:
        """What every picture needs of the captions, made once."""

    @abstractmethod
    def for_captions(self, ready: ReadyTexts) -> OneImage:
        """What scores one picture with these captions."""

    def among_captions(self, ready: ReadyTexts) -> Callable[[Int[Tensor, " m"]], OneImage]:
        """What gives `for_captions` of the rows that are chosen of these, whatever can be made of all made once."""
        return lambda rows: self.for_captions(ready[rows])

    def several_among(self, ready: ReadyTexts) -> SeveralImages:
        """What scores some pictures, each with captions of its own that are chosen of these; by default one by one."""
        among = self.among_captions(ready)
        return lambda lists: [among(rows)(image) for image, rows in lists]

    @property
    def by_image(self) -> bool:
        """Whether these settings have the fast way."""
        return True

    def score(self, images: Encoded, texts: Encoded) -> Float[Tensor, "n m"]:
        """Scores of all pictures with all captions; rows of either side without any part go pair by pair."""
        if torch.is_grad_enabled() or not self.by_image:
            return super().score(_single(images), _single(texts))
        scores = images.embedding.new_zeros(len(images), len(texts))
        left, right = _plain(images), _plain(texts)
        for some, others in ((~left, torch.ones_like(right)), (left, ~right)):
            if some.any() and others.any():
                rows, columns = some.nonzero()[:, 0], others.nonzero()[:, 0]
                scores[rows[:, None], columns] = super().score(_single(images[rows]), _single(texts[columns]))
        rows, columns = left.nonzero()[:, 0], right.nonzero()[:, 0]
        if len(rows) and len(columns):
            ready = self.ready_texts(texts[columns])
            for places in torch.split(torch.arange(len(columns), device=columns.device), TEXTS):
                with_captions = self.for_captions(ready[places])
                for row in rows.tolist():
                    scores[row, columns[places]] = with_captions(images[row : row + 1])
        return scores

    def score_listed(
        self,
        images: Encoded,
        texts: Encoded,
        rows: Int[Tensor, " k"],
        columns: Int[Tensor, " k"],
        *,
        pairs_per_block: int = 4096,
        done: Callable[[int], object] = nobody_asks,
    ) -> Float[Tensor, " k"]:
        """The scores of picture rows[i] with caption columns[i], picture by picture."""
        fast = self.by_image and not torch.is_grad_enabled() and len(rows) >= FEWEST * len(torch.unique(rows))
        if not fast or not bool(_plain(images).all() & _plain(texts).all()):
            images, texts = _single(images), _single(texts)
            return super().score_listed(images, texts, rows, columns, pairs_per_block=pairs_per_block, done=done)
        several, scores = self.several_among(self.ready_texts(texts)), images.embedding.new_empty(len(rows))
        order = rows.argsort(stable=True)
        lists = torch.split(order, rows.bincount(minlength=len(images)).tolist())
        for group in _together([some for pairs in lists for some in torch.split(pairs, TEXTS) if len(some)]):
            found = several([(images[rows[pairs[:1]]], columns[pairs]) for pairs in group])
            scores[torch.cat(group)] = torch.cat(found)
            done(sum(len(some) for some in found))
        return scores


def _together(lists: list[Int[Tensor, " _"]]) -> Iterator[list[Int[Tensor, " _"]]]:
    """The lists in runs of about `TOGETHER` pairs."""
    group: list[Tensor] = []
    for one in lists:
        group.append(one)
        if sum(len(some) for some in group) >= TOGETHER:
            yield group
            group = []
    if group:
        yield group


def of_one_length(ready: ReadyTexts, *, numbers: int) -> Iterator[tuple[Int[Tensor, " b"], ReadyTexts]]:
    """The captions in blocks of one length, without padding, and where they are.

    A block holds about so many `numbers` of words. What else is known of captions by word is cut like them.
    """
    lengths = ready.encoded.lengths()
    for length in torch.unique(lengths).tolist():
        rows = (lengths == length).nonzero()[:, 0]
        width = 1 if ready.encoded.parts is None else ready.encoded.parts.shape[2]
        for block in torch.split(rows, max(1, numbers // max(1, length * width))):
            some = ready[block]
            yield block, ReadyTexts(some.encoded.without_padding(), tuple(one[:, :length] for one in some.more))


def _single(encoded: Encoded) -> Encoded:
    """The rows as pairs are scored, which is never in bfloat16."""
    half = encoded.parts is not None and encoded.parts.dtype == torch.bfloat16
    return encoded.with_parts_in(torch.float32) if half else encoded


def _plain(encoded: Encoded) -> Bool[Tensor, " n"]:
    """Which rows have parts, and no padding between them."""
    if encoded.mask is None:
        return torch.zeros(len(encoded), dtype=torch.bool, device=encoded.embedding.device)
    count = encoded.mask.sum(dim=1)
    return (count > 0) & (count == encoded.lengths())
