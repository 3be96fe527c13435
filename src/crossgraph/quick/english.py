"""The frozen states of an English sentence by a plain BERT, as `TransformerTextEncoder` gives them, without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float16

from crossgraph.encoders.understanding import Understanding, read_text
from crossgraph.encoders.word_pieces import (
    MAX_TOKENS,
    NETWORK,
    VOCABULARY,
    WordPieces,
    is_plain,
    is_word_piece,
    read_json,
    read_words,
    tokens_of_words,
    with_unknown,
)
from crossgraph.quick.bert import QuickBert
from crossgraph.words import normalise


class QuickEnglish:
    """Words of a sentence as states, in half precision as they are cached. `None` from `open` where it is no BERT."""

    def __init__(self, network: QuickBert, tokenizer: WordPieces, *, max_words: int) -> None:
        self._network, self._tokenizer, self._max_words = network, tokenizer, max_words

    @classmethod
    def open(cls, folder: Path, *, max_words: int) -> QuickEnglish | None:
        """The network in `folder`, if it is MiniLM or of its kind; its weights are not looked at."""
        try:
            config, told, written = (
                read_json(folder / name) for name in ("config.json", "tokenizer_config.json", VOCABULARY)
            )
        except (OSError, ValueError):
            return None
        if not is_plain(config) or not is_word_piece(written, told):
            return None
        longest = min(MAX_TOKENS, told.get("model_max_length", MAX_TOKENS), config["max_position_embeddings"])
        tokenizer = WordPieces(folder / VOCABULARY, told, longest=longest)
        return cls(QuickBert(folder / NETWORK, config), tokenizer, max_words=max_words)

    def states(self, sentence: str) -> Float16[np.ndarray, "w d"]:
        """A state for each word; of a sentence without words, the mean of all tokens."""
        text = normalise(sentence)
        words = read_words(text, most=self._max_words)
        ids, offsets = self._tokenizer.tokens(text[: words[-1].end()] if words else "")
        belongs = tokens_of_words(words, offsets)
        belongs = belongs[belongs.any(axis=1)]
        if not len(belongs):
            belongs = np.ones((1, len(ids)), np.bool_)
        means = belongs.astype(np.float32) @ self._network.states(ids) / belongs.sum(axis=1, keepdims=True)
        found: Float16[np.ndarray, "w d"] = means.astype(np.float16)
        return found

    def understanding(self, text: str) -> Understanding:
        """What of a text is read, as the encoder itself says it."""
        read, sentence = read_text(text, max_words=self._max_words), normalise(text)
        words = read_words(sentence, most=self._max_words)
        if not words:
            return read
        return with_unknown(read, words, *self._tokenizer.tokens(sentence[: words[-1].end()]), self._tokenizer)
