"""The student of `encoders.student` for one sentence at a time, in arrays: pieces of words to a state for each word."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float16
from safetensors import safe_open

from crossgraph.encoders.language_guess import GUESS
from crossgraph.encoders.pieces import PieceCutter

GRU = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


class QuickStudent:
    """A sentence in a language that was taught, as states in half precision; read when the first comes."""

    def __init__(self, tokenizer: Path, weights: Path, *, max_words: int) -> None:
        self._tokenizer, self._file, self.max_words = tokenizer, weights, max_words

    @cached_property
    def cutter(self) -> PieceCutter:
        """What cuts a sentence into pieces."""
        return PieceCutter.read(self._tokenizer)

    @cached_property
    def _weights(self) -> dict[str, np.ndarray]:
        with safe_open(self._file, framework="numpy") as tensors:
            names = [name for name in tensors.keys() if name != GUESS]  # noqa: SIM118
            return {name: tensors.get_tensor(name).astype(np.float32) for name in names}

    def states(self, sentence: str) -> Float16[np.ndarray, "w d"]:
        """A state for each word: the mean of those of its pieces."""
        pieces, _ = self.cutter.cut(sentence, max_words=self.max_words)
        weights = self._weights
        embedded = weights["embedding.weight"][np.array(pieces.ids)]
        context = np.concatenate([self._read(embedded, ""), self._read(embedded[::-1], "_reverse")[::-1]], axis=1)
        states = context @ weights["out.weight"].T + weights["out.bias"] + embedded @ weights["shortcut.weight"].T
        belongs = np.array(pieces.word) == np.arange(len(pieces.words))[:, None]
        means = belongs.astype(np.float32) @ states / belongs.sum(axis=1, keepdims=True).clip(min=1)
        found: Float16[np.ndarray, "w d"] = means.astype(np.float16)
        return found

    def _read(self, inputs: Float[np.ndarray, "t e"], way: str) -> Float[np.ndarray, "t h"]:
        """The states of a gated recurrent unit *(Cho 2014)* that reads the inputs in their order."""
        of_inputs, of_state, bias, state_bias = (self._weights[f"gru.{name}{way}"] for name in GRU)
        given = inputs @ of_inputs.T + bias
        state = np.zeros(of_state.shape[1], np.float32)
        states = np.empty((len(inputs), len(state)), np.float32)
        for place, one in enumerate(given):
            reset, update, new = np.split(one, 3)
            own_reset, own_update, own_new = np.split(of_state @ state + state_bias, 3)
            kept, share = _sigmoid(reset + own_reset), _sigmoid(update + own_update)
            state = (1 - share) * np.tanh(new + kept * own_new) + share * state
            states[place] = state
        return states


def _sigmoid(values: Float[np.ndarray, " h"]) -> Float[np.ndarray, " h"]:
    found: Float[np.ndarray, " h"] = 0.5 * (1 + np.tanh(values / 2))
    return found
