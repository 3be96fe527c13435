"""What every text encoder is: something fixed that turns a caption into words and their ids or states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float16, Int64

from crossgraph.errors import ConfigError, ModelError, unknown_name

MAX_WORDS = 40
"""Captions are cut after this many words unless told otherwise."""


@dataclass(frozen=True)
class TextFeatures:
    """One caption after an encoder: its words, and for each word either an id or a frozen state."""

    words: tuple[str, ...]
    ids: Int64[np.ndarray, " w"] | None = None
    states: Float16[np.ndarray, "w d"] | None = None


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

    @abstractmethod
    def encode(self, captions: Sequence[str]) -> list[TextFeatures]:
        """Words of each caption, at least one and at most `max_words`, in order."""

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """What `build_text_encoder` needs to build this encoder again: plain JSON for a run's manifest."""


def build_text_encoder(description: Mapping[str, Any], *, device: str = "cpu") -> TextEncoder:
    """The encoder that `describe` described, or that a person asks for by `kind`.

    `{"kind": "vocabulary", "words": [...]}` or `{"kind": "transformer", "name": "minilm"}`, both with an optional
    `max_words`. Raises `ConfigError` for anything else. If a `fingerprint` is given the encoder must have it: a run
    must not meet other weights than it was trained on, so a difference raises `ModelError`.
    """
    # Imported here because both modules import this one, and transformers takes seconds to import.
    kind = description.get("kind")
    needed = {"vocabulary": "words", "transformer": "name"}
    if kind not in needed:
        raise ConfigError(unknown_name("kind of text encoder", str(kind), needed))
    if needed[kind] not in description:
        raise ConfigError(f"a text encoder of kind {kind!r} needs {needed[kind]!r}, got {sorted(description)}.")
    max_words = description.get("max_words", MAX_WORDS)
    if max_words < 1:
        raise ConfigError(f"max_words must be at least 1, got {max_words}.")
    encoder: TextEncoder
    if kind == "vocabulary":
        from crossgraph.data.text import Vocabulary
        from crossgraph.encoders.vocabulary_text import VocabularyTextEncoder

        encoder = VocabularyTextEncoder(Vocabulary(tuple(description["words"])), max_words=max_words)
    else:
        from crossgraph.encoders.transformer_text import TransformerTextEncoder

        encoder = TransformerTextEncoder(description["name"], max_words=max_words, device=device)
    if (wanted := description.get("fingerprint", encoder.fingerprint)) != encoder.fingerprint:
        raise ModelError(
            f"the text encoder {encoder.name!r} is not the one described: its fingerprint is {encoder.fingerprint}, "
            f"expected {wanted}. Restore the weights it was described with, or train again."
        )
    return encoder
