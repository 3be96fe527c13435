"""BERT and its tokenizer read from a folder without transformers, whose import costs more than a whole search.

Only what is BERT to the letter *(Devlin 2019)* is read: post-norm layers, exact GELU, absolute positions, WordPiece.
`read_plain_bert` gives None for anything else, which transformers reads then. Numbers, tokens and fingerprints are
those of its `BertModel` and `BertTokenizer` to the bit, which tests hold it to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from crossgraph.encoders.word_pieces import NETWORK, VOCABULARY, WordPieces, is_plain, is_word_piece, read_json
from crossgraph.errors import ModelError

PARTS = (
    *("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"),
    *("attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"),
)
"""What a layer has weights and biases for."""

LAYER = re.compile(r"encoder\.layer\.(\d+)\.")


@dataclass(frozen=True)
class Bert:
    """A network and its tokenizer, which are used as those of transformers are."""

    network: BertNetwork
    tokenizer: BertTokenizer


def read_plain_bert(folder: Path, *, most: int) -> Bert | None:
    """The plain BERT in `folder`, whose tokenizer cuts texts after `most` tokens, or fewer; None if it is none."""
    try:
        config, told = (read_json(folder / name) for name in ("config.json", "tokenizer_config.json"))
        written, weights = read_json(folder / VOCABULARY), load_file(folder / NETWORK)
    except (OSError, ValueError, SafetensorError):
        return None
    plain = is_plain(config) and is_word_piece(written, told)
    weights = {name: value.float() for name, value in weights.items() if value.is_floating_point()}
    if not plain or not _is_whole(weights, layers=config.get("num_hidden_layers", 0)):
        return None
    longest = min(most, told.get("model_max_length", most), len(weights["embeddings.position_embeddings.weight"]))
    return Bert(BertNetwork(weights, config), BertTokenizer(folder / VOCABULARY, told, longest=longest))


class BertNetwork:
    """The states of the last layer; weights by the names that transformers gives them. `layers` counts its layers."""

    def __init__(self, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
        self.config = SimpleNamespace(**config)
        self._weights = dict(weights)
        self.layers = 1 + max(int(found.group(1)) for name in weights if (found := LAYER.match(name)))

    def state_dict(self) -> dict[str, Tensor]:
        """All weights, those of a pooler that is not used among them."""
        return dict(self._weights)

    def to(self, device: torch.device) -> BertNetwork:
        """The network on a device."""
        return BertNetwork({name: value.to(device) for name, value in self._weights.items()}, vars(self.config))

    def __call__(
        self,
        input_ids: Int[Tensor, "m t"],
        token_type_ids: Int[Tensor, "m t"],
        attention_mask: Int[Tensor, "m t"],
    ) -> Any:
        """`last_hidden_state`: a state for every token."""
        states = self.through(self.embedded(input_ids, token_type_ids), attention_mask)
        return SimpleNamespace(last_hidden_state=states)

    def embedded(self, input_ids: Int[Tensor, "m t"], token_type_ids: Int[Tensor, "m t"]) -> Float[Tensor, "m t d"]:
        """What comes into the lowest layer."""
        weights = self._weights
        states = F.embedding(input_ids, weights["embeddings.word_embeddings.weight"])
        states = states + F.embedding(token_type_ids, weights["embeddings.token_type_embeddings.weight"])
        states = states + weights["embeddings.position_embeddings.weight"][None, : input_ids.shape[1]]
        return self._normalised(states, "embeddings.LayerNorm")

    def through(
        self,
        states: Float[Tensor, "m t d"],
        attention_mask: Shaped[Tensor, "m t"],
        *,
        first: int = 0,
        end: int | None = None,
    ) -> Float[Tensor, "m t d"]:
        """What the layers from `first` to before `end` (none: to the last) make of the states that come into them."""
        seen = None if bool(attention_mask.all()) else attention_mask.bool()[:, None, None, :]
        for layer in range(first, self.layers if end is None else end):
            states = self._layer(states, seen, f"encoder.layer.{layer}.")
        return states

    def _layer(self, states: Float[Tensor, "m t d"], seen: Tensor | None, name: str) -> Float[Tensor, "m t d"]:
        heads = (*states.shape[:2], self.config.num_attention_heads, -1)
        queries, keys, values = (
            self._linear(states, f"{name}attention.self.{part}").view(heads).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        if seen is not None:
            seen = seen.expand(-1, -1, states.shape[1], -1)
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)
        mixed = self._linear(mixed.transpose(1, 2).flatten(2), f"{name}attention.output.dense")
        states = self._normalised(mixed + states, f"{name}attention.output.LayerNorm")
        inner = F.gelu(self._linear(states, f"{name}intermediate.dense"))
        return self._normalised(self._linear(inner, f"{name}output.dense") + states, f"{name}output.LayerNorm")

    def _linear(self, states: Float[Tensor, "m t d"], name: str) -> Float[Tensor, "m t e"]:
        return F.linear(states, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _normalised(self, states: Float[Tensor, "m t d"], name: str) -> Float[Tensor, "m t d"]:
        scale, shift = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return F.layer_norm(states, scale.shape, scale, shift, self.config.layer_norm_eps)


def with_tuned(network: BertNetwork, tuned: Mapping[str, Tensor], *, name: str) -> BertNetwork:
    """The network with the weights `tuned` in the place of its own. Raises `ModelError` for names it has not."""
    own = network.state_dict()
    odd = sorted(key for key, value in tuned.items() if key not in own or own[key].shape != value.shape)
    if odd:
        raise ModelError(f"the layers that were trained do not fit {name!r}: {odd[0]!r} is of another network.")
    return BertNetwork({**own, **{key: value.float() for key, value in tuned.items()}}, vars(network.config))


class Tokens(dict[str, Tensor]):
    """What a batch of texts became: `input_ids`, `token_type_ids`, `attention_mask`, and `offset_mapping`."""

    def to(self, device: torch.device) -> Tokens:
        """The same on a device."""
        return Tokens({name: value.to(device) for name, value in self.items()})


class BertTokenizer(WordPieces):
    """What of a fast tokenizer of transformers `TransformerTextEncoder` uses; texts are cut after `longest` tokens."""

    def __call__(self, text: str | Sequence[str], *, max_length: int, **_: object) -> dict[str, Any]:
        """Tokens of one text as lists, or of several as tensors padded to the longest, with their places in it."""
        assert max_length == self.model_max_length, "cut as it was made to be"
        if isinstance(text, str):
            ids, offsets = self.tokens(text)
            return {"input_ids": ids.tolist(), "offset_mapping": offsets.tolist()}
        read = self.backend_tokenizer.encode_batch(list(text))
        return Tokens(
            input_ids=torch.tensor([one.ids for one in read]),
            token_type_ids=torch.tensor([one.type_ids for one in read]),
            attention_mask=torch.tensor([one.attention_mask for one in read]),
            offset_mapping=torch.tensor([one.offsets for one in read]),
        )


def _is_whole(weights: Mapping[str, Tensor], *, layers: int) -> bool:
    """Whether these are the weights of a BERT of so many layers, with its pooler or without, and no others."""
    wanted = {f"embeddings.{part}_embeddings.weight" for part in ("word", "position", "token_type")}
    wanted |= set(_pairs("embeddings.LayerNorm"))
    for layer in range(layers):
        wanted |= {name for part in PARTS for name in _pairs(f"encoder.layer.{layer}.{part}")}
    return layers > 0 and weights.keys() - set(_pairs("pooler.dense")) == wanted


def _pairs(name: str) -> Iterator[str]:
    yield from (f"{name}.weight", f"{name}.bias")
