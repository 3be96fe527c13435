"""How much work a search does: three named modes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """How many each stage hands to the next: the codes `candidates` to the dense vectors, those `shortlist` to be
    re-ranked. 0 candidates: the codes, where there are any, answer alone. No shortlist: nothing is re-ranked.

    A gallery without codes compares every vector.
    """

    candidates: int
    shortlist: int | None


MODES: Mapping[str, Mode] = {
    "fast": Mode(candidates=0, shortlist=None),
    "balanced": Mode(candidates=1000, shortlist=None),
    "best": Mode(candidates=10_000, shortlist=100),
}
DEFAULT = "best"
