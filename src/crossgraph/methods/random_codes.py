"""Random codes: what a ranking that knows nothing gets, which is the floor of every table.

An item's code is a hash of its content: every number of its features enters a sum modulo a prime, from which each bit
is drawn. Equal items have equal codes whatever batch they are in, any other two differ in about half of the bits, and a
picture has nothing in common with its captions. An untrained random projection would not do: it keeps what is alike on
one side together, so that whole classes meet each other by luck and the floor would depend on the seed.

| module           | class       | status     |
|------------------|-------------|------------|
| hash of an item  | ContentHash | documented |
| bits of the hash | RandomCodes | ours       |
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from crossgraph.errors import ModelError
from crossgraph.layers.hash_head import encoded_code
from crossgraph.methods.contract import ClosedForm, InputSizes, MethodConfig
from crossgraph.types import Batch, Encoded, ImageBatch, Provenance, TextBatch

PRIME = 2**31 - 1
"""Products of two residues fit 64-bit integers, so that sums are exact and their order does not matter."""


class RandomCodesConfig(MethodConfig):
    """How many bits."""

    bits: int = Field(64, gt=0, multiple_of=8, description="length of the code; papers report 16, 32, 64 and 128")


class ContentHash(nn.Module):
    """`bits` signs for each item, from all numbers of its parts; equal parts in any order give equal signs."""

    def __init__(self, width: int, bits: int) -> None:
        super().__init__()
        self.register_buffer("factors", torch.randint(1, PRIME, (width,)))
        self.register_buffer("spread", torch.randint(1, PRIME, (2, bits)))
        self.factors: Tensor
        self.spread: Tensor

    def forward(self, parts: Int[Tensor, "n p d"], mask: Bool[Tensor, "n p"]) -> Float[Tensor, "n bits"]:
        """Signs of each item."""
        each = (parts.remainder(PRIME) * self.factors).remainder(PRIME).sum(dim=2).remainder(PRIME)
        item = (self._mix(each) * mask).sum(dim=1).remainder(PRIME)
        drawn = self._mix((item[:, None] * self.spread[0] + self.spread[1]).remainder(PRIME))
        return torch.where(drawn > PRIME // 2, 1.0, -1.0)

    @staticmethod
    def _mix(values: Int[Tensor, "*any"]) -> Int[Tensor, "*any"]:
        """Squares modulo the prime, so that no sum of parts is a linear function of them."""
        return (values * values).remainder(PRIME)


class RandomCodes(ClosedForm):
    """A code for each item that says nothing but which item it is."""

    name: ClassVar[str] = "random_codes"
    config_type: ClassVar[type[MethodConfig]] = RandomCodesConfig
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance(
            "hash of an item",
            "ContentHash",
            "documented",
            "universal hashing (Carter & Wegman 1979); squares between its sums are ours",
        ),
        Provenance("bits of the hash", "RandomCodes", "ours", "the floor of every table"),
    )

    def __init__(self, config: RandomCodesConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        self.config = config
        self.image_hash = ContentHash(sizes.part_width + sizes.whole_width, config.bits)
        self.text_hash = ContentHash(sizes.state_width or 1, config.bits)

    def fit(self, batches: Iterable[Batch]) -> None:
        """Learn nothing."""

    def encode_images(self, images: ImageBatch) -> Encoded:
        """One packed code per picture."""
        whole = images.whole[:, None, :].expand(-1, images.parts.shape[1], -1)
        both = torch.cat([images.parts, whole], dim=2)
        return encoded_code(self.image_hash(_as_integers(both), images.mask))

    def encode_texts(self, texts: TextBatch) -> Encoded:
        """One packed code per caption: of the bag of its words."""
        if texts.ids is not None:
            return encoded_code(self.text_hash(texts.ids[:, :, None], texts.mask))
        if texts.states is None:
            raise ModelError("texts have neither ids nor states; encode them as in training.")
        return encoded_code(self.text_hash(_as_integers(texts.states), texts.mask))


def _as_integers(numbers: Float[Tensor, "n p d"]) -> Int[Tensor, "n p d"]:
    """The bit patterns of the numbers: exact, where sums of the numbers themselves depend on their order."""
    return numbers.float().contiguous().view(torch.int32).long()
