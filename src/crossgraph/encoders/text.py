"""What every text encoder is: something fixed that turns a caption into words and their ids or states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int64

from crossgraph.encoders.understanding import Understanding, read_text

if TYPE_CHECKING:
    from crossgraph.encoders.tuned_text import TextBackbone

MAX_WORDS = 40
"""Captions are cut after this many words unless told otherwise."""

RECENT = 16
"""So many readings of few captions are kept."""

MINILM = "minilm"
"""The text model whose weights install with crossgraph: all-MiniLM-L6-v2."""


@dataclass(frozen=True)
class TextFeatures:
    """One caption after an encoder: its words, for each word an id or a frozen state, and a vector for the whole.

    `whole` is what the model itself takes for the sentence, of any length, where it has one. States and whole are in
    half precision where an encoder made them, in single precision where they were given. Of an encoder whose upper
    layers are in training (`tuned_text`) states are of tokens, and `spans` says of each word its first token and the
    one after its last.
    """

    words: tuple[str, ...]
    ids: Int64[np.ndarray, " w"] | None = None
    states: Float[np.ndarray, "t d"] | None = None
    whole: Float[np.ndarray, " e"] | None = None
    spans: Int64[np.ndarray, "w 2"] | None = None


class TextEncoder(ABC):
    """The fixed part of reading text; what trains on top of it is `WordEncoder`.

    An encoder gives ids (`vocabulary_size` of them, `state_width` 0) or states (`vocabulary_size` 0), and beside states
    a vector for the whole caption, unless `whole_width` is 0. `fingerprint` changes when the settings or the weights
    change, and only then; `name` is a short word for people and for names of folders.
    """

    name: str
    fingerprint: str
    vocabulary_size: int
    state_width: int
    whole_width: int = 0
    max_words: int
    logits: tuple[float, float] | None = None
    """Of a model with a space for pictures and texts, the scale and bias that make its logits of cosines there."""
    upper: TextBackbone | None = None
    """Of the frozen lower layers of a network (`tuned_text`), the layers in training, which read what it gives."""
    reads_sentences: bool = True
    """False where texts come as given features, so that nothing else can be encoded."""

    @abstractmethod
    def encode(self, captions: Sequence[str]) -> list[TextFeatures]:
        """Words of each caption, at least one and at most `max_words`, in order."""

    @cached_property
    def encode_few(self) -> Callable[[tuple[str, ...]], tuple[TextFeatures, ...]]:
        """As `encode`, of few captions; what was made of the last is kept, for stages that read the same sentence."""
        return lru_cache(RECENT)(lambda captions: tuple(self.encode(captions)))

    def understanding(self, text: str) -> Understanding:
        """What of a text is read and known; every word, up to `max_words`, unless an encoder knows better."""
        return read_text(text, max_words=self.max_words)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that it reads, as ISO codes; none where nobody knows."""
        return ()

    def language_of(self, sentence: str) -> str:
        """The language that a sentence is read in; empty where nobody knows."""
        return self.languages[0] if len(self.languages) == 1 else ""

    def reader_of(self, sentence: str) -> TextEncoder:
        """The encoder that reads a sentence: this one, or another that it leaves it to, whose cached features serve."""
        return self

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """What `build_text_encoder` needs to build this encoder again: plain JSON for a run's manifest."""


def described_languages(description: Mapping[str, Any]) -> tuple[str, ...]:
    """The languages that the text encoder of a description reads, as ISO codes; none where nobody knows."""
    if description.get("kind") == "polyglot":
        return tuple(description["languages"])
    return ("en",) if description.get("name") == MINILM else ()
