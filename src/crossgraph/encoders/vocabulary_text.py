"""Word ids over a vocabulary: the text side that is learnt from the captions alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from crossgraph.encoders.fingerprint import encoder_fingerprint
from crossgraph.encoders.text import MAX_WORDS, TextEncoder, TextFeatures
from crossgraph.encoders.understanding import Understanding
from crossgraph.words import UNKNOWN, Vocabulary, tokenize


class VocabularyTextEncoder(TextEncoder):
    """Captions as ids of a `Vocabulary`; `WordEncoder` learns an embedding for each."""

    def __init__(self, vocabulary: Vocabulary, *, max_words: int = MAX_WORDS) -> None:
        self.name = "vocabulary"
        self.vocabulary = vocabulary
        self.vocabulary_size = len(vocabulary)
        self.state_width = 0
        self.max_words = max_words
        self.fingerprint = encoder_fingerprint("vocabulary", {"words": vocabulary.words, "max_words": max_words})

    def encode(self, captions: Sequence[str]) -> list[TextFeatures]:
        """The words of each caption and their ids; words outside the vocabulary keep their text and get id 1."""
        sentences = [tuple(tokenize(caption)[: self.max_words]) for caption in captions]
        return [TextFeatures(words, ids=np.asarray(self.vocabulary.ids(words), np.int64)) for words in sentences]

    def understanding(self, text: str) -> Understanding:
        """What of a text is read, and which of its words are not in the vocabulary."""
        read = super().understanding(text)
        ids = zip(read.words, self.vocabulary.ids(read.words), strict=True)
        unknown = dict.fromkeys(word for word, number in ids if number == UNKNOWN)
        return replace(read, unknown=(*unknown, *read.unknown))

    def describe(self) -> dict[str, object]:
        """The vocabulary's words and the settings."""
        return {
            "kind": "vocabulary",
            "words": list(self.vocabulary.words),
            "max_words": self.max_words,
            "fingerprint": self.fingerprint,
        }
