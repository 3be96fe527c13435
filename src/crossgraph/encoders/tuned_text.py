"""A sentence encoder whose upper layers are trained with the method that reads it; the lower ones stay as they are.

    caption -> lower layers, frozen -> states of tokens, cached -> upper layers, in training -> states of words

Only a plain BERT (MiniLM) can be cut so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crossgraph.encoders.fingerprint import encoder_fingerprint
from crossgraph.encoders.plain_bert import LAYER, BertNetwork
from crossgraph.encoders.text import TextEncoder, TextFeatures
from crossgraph.encoders.transformer_text import TransformerTextEncoder, by_length, half
from crossgraph.encoders.tuned import TEXT_NETWORK
from crossgraph.encoders.understanding import Understanding
from crossgraph.errors import ConfigError
from crossgraph.layers.pooling import masked_mean

CHUNK = 64
"""So many captions of like length go through the layers at once."""


class TextBackbone(nn.Module):
    """The layers of `encoder` from `from_layer` (counted from 0) on, as copies that can be trained.

    Parameters have the names that transformers gives them. Nothing is dropped at random. Raises `ConfigError` where the
    encoder is no plain BERT or has no such layer.
    """

    def __init__(self, encoder: TextEncoder, *, from_layer: int) -> None:
        super().__init__()
        network = encoder.network if isinstance(encoder, TransformerTextEncoder) else None
        if not isinstance(network, BertNetwork):
            raise ConfigError(
                f"the layers of {encoder.name!r} cannot be trained here: it is no plain BERT. Choose texts.encoder="
                "minilm or the folder of a BERT, or set texts.trainable=false."
            )
        if not 0 <= from_layer < network.layers:
            raise ConfigError(
                f"{encoder.name} has the layers 0 to {network.layers - 1}, so that it cannot be trained from layer "
                f"{from_layer} on; set texts.from_layer to one of them."
            )
        self.config, self.first, self.end = vars(network.config), from_layer, network.layers
        for name, value in network.state_dict().items():
            if (found := LAYER.match(name)) and int(found.group(1)) >= from_layer:
                _place(self, name.split("."), nn.Parameter(value.clone()))

    def layers(self) -> list[list[nn.Parameter]]:
        """The parameters by layer, the topmost first."""
        own = list(self.named_parameters())
        return [
            [parameter for name, parameter in own if name.startswith(f"encoder.layer.{layer}.")]
            for layer in reversed(range(self.first, self.end))
        ]

    def forward(
        self, inner: Float[Tensor, "m t d"], mask: Bool[Tensor, "m t"], spans: Int[Tensor, "m w 2"]
    ) -> tuple[Float[Tensor, "m w d"], Float[Tensor, "m d"]]:
        """States of words and the mean of all tokens, of what comes into the layers; 0 for words of no token."""
        network = BertNetwork(dict(self.named_parameters()), self.config)
        lengths = mask.sum(dim=1)
        order = lengths.argsort(stable=True)
        words, wholes = [], []
        for rows in torch.split(order, CHUNK):
            longest = int(lengths[rows].max())
            own = mask[rows, :longest]
            states = network.through(inner[rows, :longest], own, first=self.first, end=self.end)
            words.append(_of_spans(states, spans[rows]))
            wholes.append(masked_mean(states, own))
        back = order.argsort()
        return torch.cat(words)[back], torch.cat(wholes)[back]

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return next(self.parameters()).device


class InnerStateEncoder(TextEncoder):
    """What the layers of `encoder` below those of `upper` give: states of tokens, with the tokens of each word."""

    def __init__(self, encoder: TransformerTextEncoder, upper: TextBackbone) -> None:
        self.encoder, self.upper, self.first = encoder, upper, upper.first
        self.name = f"{encoder.name}-layer{upper.first}"
        settings = {"of": encoder.fingerprint, "layer": upper.first}
        self.fingerprint = encoder_fingerprint("inner states", settings)
        self.vocabulary_size, self.max_words = 0, encoder.max_words
        self.state_width, self.whole_width = encoder.state_width, encoder.whole_width

    def encode(self, captions: Sequence[str]) -> list[TextFeatures]:
        """The states of every caption's tokens as they come into the upper layers."""
        return by_length(captions, self._encode_batch)

    @torch.inference_mode()
    def _encode_batch(self, captions: list[str]) -> list[TextFeatures]:
        network: BertNetwork = self.encoder.network
        tokens, words, belongs = self.encoder.tokenise(captions)
        mask = tokens["attention_mask"]
        hidden = network.through(network.embedded(tokens["input_ids"], tokens["token_type_ids"]), mask, end=self.first)
        lengths = mask.sum(dim=1).tolist()
        return [
            TextFeatures(said, states=half(states[:length].cpu()), spans=spans_of(own))
            for said, own, states, length in zip(words, belongs, hidden, lengths, strict=True)
        ]

    def understanding(self, text: str) -> Understanding:
        """As the whole encoder has it."""
        return self.encoder.understanding(text)

    @property
    def languages(self) -> tuple[str, ...]:
        """Those of the whole encoder."""
        return self.encoder.languages

    def describe(self) -> dict[str, object]:
        """As the whole encoder has it."""
        return self.encoder.describe()


def tuned_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of the weights of a run those of the sentence encoder's layers, by the names of transformers."""
    return {name.removeprefix(TEXT_NETWORK): value for name, value in tensors.items() if name.startswith(TEXT_NETWORK)}


def spans_of(belongs: Bool[Tensor, "w t"]) -> Int[np.ndarray, "w 2"]:
    """The first token of each word and the one after its last; the tokens of a word follow one another."""
    first = belongs.int().argmax(dim=1)
    return torch.stack([first, first + belongs.sum(dim=1)], dim=1).numpy()


def _of_spans(states: Float[Tensor, "m t d"], spans: Int[Tensor, "m w 2"]) -> Float[Tensor, "m w d"]:
    places = torch.arange(states.shape[1], device=states.device)
    own = ((places >= spans[..., :1]) & (places < spans[..., 1:])).to(states.dtype)
    return own @ states / own.sum(dim=2, keepdim=True).clamp(min=1)


def _place(module: nn.Module, path: Sequence[str], parameter: nn.Parameter) -> None:
    """Register a parameter under a name with dots."""
    for part in path[:-1]:
        if part not in dict(module.named_children()):
            module.add_module(part, nn.Module())
        module = module.get_submodule(part)
    module.register_parameter(path[-1], parameter)
