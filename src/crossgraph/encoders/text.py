"""What every text encoder is: something fixed that turns a caption into words and their ids or states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

MAX_WORDS = 40
"""Captions are cut after this many words unless told otherwise."""


@dataclass(frozen=True)
class TextFeatures:
    """One caption after an encoder: its words, and for each word either an id or a frozen state.

    States are in half precision where an encoder made them, in single precision where they were given.
    """

    words: tuple[str, ...]
    ids: Int64[np.ndarray, " w"] | None = None
    states: Float[np.ndarray, "w d"] | None = None


class TextEncoder(ABC):
    """The fixed part of reading text; what trains on top of it is `WordEncoder`.

    An encoder gives ids (`vocabulary_size` of them, `state_width` 0) or states (`vocabulary_size` 0).
    `fingerprint` changes when the name, the settings or the weights change.
    """

    name: str
    fingerprint: str
    vocabulary_size: int
    state_width: int
    max_words: int
    reads_sentences: bool = True
    """False where texts come as given features, so that nothing else can be encoded."""

    @abstractmethod
    def encode(self, captions: Sequence[str]) -> list[TextFeatures]:
        """Words of each caption, at least one and at most `max_words`, in order."""

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """What `build_text_encoder` needs to build this encoder again: plain JSON for a run's manifest."""
