"""BERT for one sentence at a time, in arrays *(Devlin 2019)*: what `encoders.plain_bert` computes, to rounding."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from safetensors import safe_open

from crossgraph.quick.erf import gelu

TABLES = ("embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight")
"""Of which a sentence needs few rows."""


class QuickBert:
    """The states of the last layer of the plain BERT in `file`, whose settings are `config`.

    Weights are read when the first sentence comes: the layers whole, of the embeddings only the rows of its tokens.
    """

    def __init__(self, file: Path, config: Mapping[str, Any]) -> None:
        self._file, self.layers = file, int(config["num_hidden_layers"])
        self._heads, self._epsilon = int(config["num_attention_heads"]), float(config["layer_norm_eps"])

    @cached_property
    def _weights(self) -> dict[str, np.ndarray]:
        with safe_open(self._file, framework="numpy") as tensors:
            names = [name for name in tensors.keys() if name not in TABLES and "pooler" not in name]  # noqa: SIM118
            floats = {name: tensors.get_tensor(name) for name in names}
        return {name: value.astype(np.float32, copy=False) for name, value in floats.items() if value.dtype.kind == "f"}

    def states(self, ids: Int[np.ndarray, " t"]) -> Float[np.ndarray, "t d"]:
        """A state for every token of one sentence."""
        states = self._embedded(ids)
        for layer in range(self.layers):
            states = self._layer(states, f"encoder.layer.{layer}.")
        return states

    def _embedded(self, ids: Int[np.ndarray, " t"]) -> Float[np.ndarray, "t d"]:
        words, positions = TABLES
        with safe_open(self._file, framework="numpy") as tensors:
            table = tensors.get_slice(words)
            rows = np.concatenate([table[int(token) : int(token) + 1] for token in ids])
            places = tensors.get_slice(positions)[: len(ids)]
        states = rows.astype(np.float32) + self._weights["embeddings.token_type_embeddings.weight"][0]
        return self._normalised(states + places.astype(np.float32), "embeddings.LayerNorm")

    def _layer(self, states: Float[np.ndarray, "t d"], name: str) -> Float[np.ndarray, "t d"]:
        count, width = states.shape
        queries, keys, values = (
            self._linear(states, f"{name}attention.self.{part}").reshape(count, self._heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        logits = queries @ keys.swapaxes(1, 2) * np.float32(queries.shape[2] ** -0.5)
        mixed = (_softmax(logits) @ values).swapaxes(0, 1).reshape(count, width)
        mixed = self._linear(mixed, f"{name}attention.output.dense")
        states = self._normalised(mixed + states, f"{name}attention.output.LayerNorm")
        inner = gelu(self._linear(states, f"{name}intermediate.dense"))
        return self._normalised(self._linear(inner, f"{name}output.dense") + states, f"{name}output.LayerNorm")

    def _linear(self, states: Float[np.ndarray, "t d"], name: str) -> Float[np.ndarray, "t e"]:
        found: Float[np.ndarray, "t e"] = states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return found

    def _normalised(self, states: Float[np.ndarray, "t d"], name: str) -> Float[np.ndarray, "t d"]:
        scale, shift = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return layer_norm(states, scale, shift, self._epsilon)


def layer_norm(
    states: Float[np.ndarray, "t d"], scale: Float[np.ndarray, " d"], shift: Float[np.ndarray, " d"], epsilon: float
) -> Float[np.ndarray, "t d"]:
    """Every row with mean 0 and variance 1, scaled and shifted channel by channel."""
    centred = states - states.mean(axis=1, keepdims=True)
    variance = np.square(centred).mean(axis=1, keepdims=True)
    found: Float[np.ndarray, "t d"] = centred / np.sqrt(variance + np.float32(epsilon)) * scale + shift
    return found


def _softmax(logits: Float[np.ndarray, "h t t"]) -> Float[np.ndarray, "h t t"]:
    raised = np.exp(logits - logits.max(axis=2, keepdims=True))
    found: Float[np.ndarray, "h t t"] = raised / raised.sum(axis=2, keepdims=True)
    return found
