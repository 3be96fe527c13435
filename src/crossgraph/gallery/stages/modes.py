"""How much work a search does: three named modes, and numbers of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from crossgraph.errors import GalleryError, unknown_name


@dataclass(frozen=True)
class Mode:
    """How many each stage hands to the next: the codes `candidates` to the dense vectors, those `shortlist` to be
    re-ranked. 0 candidates: the codes, where there are any, answer alone. No shortlist: nothing is re-ranked.

    A gallery without codes compares every vector.
    """

    candidates: int
    shortlist: int | None

    def __post_init__(self) -> None:
        if self.candidates < 0:
            raise GalleryError(f"candidates must be at least 0, got {self.candidates}.")
        if self.shortlist is not None and self.shortlist < 1:
            raise GalleryError(f"shortlist must be at least 1, got {self.shortlist}.")


MODES: Mapping[str, Mode] = {
    "fast": Mode(candidates=0, shortlist=None),
    "balanced": Mode(candidates=1000, shortlist=20),
    "best": Mode(candidates=10_000, shortlist=100),
}
DEFAULT = "best"


def choose_mode(
    name: str = DEFAULT, *, candidates: int | None = None, shortlist: int | None = None, rerank: bool = True
) -> tuple[Mode, str]:
    """The mode of that name with the numbers that are given, and why it does not re-rank, if it does not.

    Raises `GalleryError` for an unknown name or a number that is too small.
    """
    if name not in MODES:
        raise GalleryError(unknown_name("mode", name, MODES))
    mode = MODES[name]
    mode = replace(
        mode,
        candidates=mode.candidates if candidates is None else candidates,
        shortlist=mode.shortlist if shortlist is None else shortlist,
    )
    if not rerank:
        return replace(mode, shortlist=None), "re-ranking was turned off"
    return mode, "" if mode.shortlist else f"mode {name} does not re-rank"
