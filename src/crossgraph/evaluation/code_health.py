"""Whether binary codes still tell items apart, and what is wrong with them where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from crossgraph.layers.packed_bits import unpack_bits
from crossgraph.progress import Progress
from crossgraph.types import Encoded

FEWEST_UNIQUE, MOST_LEAN, STUCK = 0.3, 0.5, 0.98
"""Below this share of different codes, above this mean |mean of a bit| codes are called collapsed; a bit whose mean is
further than `STUCK` from 0 is called stuck."""


@dataclass(frozen=True)
class CodeHealth:
    """Counts of one side's codes. `distinct` items could have at most so many different codes.

    `lean` is the mean over bits of the absolute mean of a bit taken as -1 or 1: 0 is balanced, 1 says nothing.
    `commonest` is the share of items with the most frequent code.
    """

    distinct: int
    unique: int
    bits: int
    stuck: int
    lean: float
    commonest: float

    @property
    def unique_share(self) -> float:
        """Different codes per item that could have one of its own."""
        return self.unique / max(self.distinct, 1)

    def symptoms(self) -> list[str]:
        """What is wrong, in words; nothing for healthy codes."""
        found = []
        if self.unique_share < FEWEST_UNIQUE:
            found.append(
                f"{self.unique:,} different codes for {self.distinct:,} different items ({self.unique_share:.0%}; the "
                f"commonest is that of {self.commonest:.0%} of items): within a code nothing is ranked"
            )
        if self.lean > MOST_LEAN:
            found.append(f"bits lean to one side (mean |mean| {self.lean:.2f}): distances hardly vary")
        if self.stuck:
            found.append(f"{self.stuck} of {self.bits} bits are the same for nearly every item")
        return found


def code_health(encoded: Encoded, *, distinct: int | None = None) -> CodeHealth | None:
    """The health of packed codes; None for items without codes, or without items.

    `distinct` counts the different items, where some are known to be equal (captions that repeat): equal items have
    equal codes, and nobody is to blame.
    """
    if encoded.code is None or len(encoded) == 0:
        return None
    bits = encoded.embedding.shape[1]
    code: UInt8[Tensor, "n bytes"] = encoded.code
    _, counts = torch.unique(code, dim=0, return_counts=True)
    means = (2.0 * unpack_bits(code, bits=bits).float() - 1.0).mean(dim=0).abs()
    return CodeHealth(
        distinct=len(encoded) if distinct is None else distinct,
        unique=len(counts),
        bits=bits,
        stuck=int((means > STUCK).sum()),
        lean=float(means.mean()),
        commonest=float(counts.max()) / len(encoded),
    )


def note_collapse(sides: Mapping[str, tuple[Encoded, int]], progress: Progress) -> bool:
    """Warn of collapsed codes; whether any side has. A side is its items and how many of them are different.

    Call it after each validation: where codes collapse the reported symptom comes epochs before a poor result.
    """
    collapsed = False
    for name, (encoded, distinct) in sides.items():
        health = code_health(encoded, distinct=distinct)
        symptoms = [] if health is None else health.symptoms()
        if symptoms:
            collapsed = True
            progress.note("codes collapse", side=name, symptoms="; ".join(symptoms), advice=ADVICE)
    return collapsed


ADVICE = (
    "codes that only few labels shape do this by design; otherwise check the contrast between media, its temperature "
    "(model.temperature), and the weights of quantisation, balance and (scahn) spread"
)
