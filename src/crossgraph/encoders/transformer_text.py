"""Frozen word states of MiniLM, or of any Hugging Face text model by folder or hub name, and a vector for the whole.

A model's sub-words are averaged into one state per word, words being those of `words.tokenize`, so that every
method and every explanation sees the same words whatever the model. A model with a space for pictures and texts reads a
sentence as its own processor gives it: to the last sign, cut only where its tokens end, and, of SigLIP, padded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16
from torch import Tensor

from crossgraph.encoders.fingerprint import encoder_fingerprint, weights_of
from crossgraph.encoders.names import resolve
from crossgraph.encoders.plain_bert import read_plain_bert, with_tuned
from crossgraph.encoders.pretrained import (
    architecture,
    load_network,
    load_tokenizer,
    logits_of,
    one_side,
    reads_padding,
)
from crossgraph.encoders.text import MAX_WORDS, MINILM, TextEncoder, TextFeatures
from crossgraph.encoders.tokenizer_identity import tokenizer_identity
from crossgraph.encoders.understanding import Understanding
from crossgraph.encoders.word_pieces import MAX_TOKENS, read_words, tokens_of_words, with_unknown
from crossgraph.errors import ConfigError, ModelError
from crossgraph.layers.pooling import masked_mean
from crossgraph.words import EMPTY, normalise

BATCH = 64


class TransformerTextEncoder(TextEncoder):
    """Last-layer states of a frozen text model, one per word, and the model's own vector for the whole text.

    Of a model with a space for both pictures and texts (CLIP) the whole is the text's place in it; of any other it is
    the mean of the states of all tokens, which is MiniLM's own sentence vector. Neither is scaled to unit length.
    `tuned` are weights, by the names of transformers, that a run trained in the place of the model's own.
    """

    def __init__(
        self,
        name: str = MINILM,
        *,
        max_words: int = MAX_WORDS,
        device: str = "cpu",
        download: bool = True,
        tuned: Mapping[str, Tensor] | None = None,
    ) -> None:
        place = resolve(name, kind="text encoder", download=download)
        assert place.folder is not None, "every text model lies in a folder"
        folder = place.folder
        plain = read_plain_bert(folder, most=MAX_TOKENS)
        network: Any
        self.tokenizer: Any
        if plain is not None:
            network, self.tokenizer, self.joint = plain.network, plain.tokenizer, False
            if tuned is not None:
                network = with_tuned(plain.network, tuned, name=name)
        else:
            if tuned is not None:
                raise ModelError(f"{name!r} is no plain BERT, of which alone layers can have been trained here.")
            network, self.tokenizer, self.joint = _of_transformers(folder, name)
        self.logits = logits_of(network) if self.joint else None
        self.padded = self.joint and reads_padding(network)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.asked_for = place.name
        self.vocabulary_size = 0
        self.device = torch.device(device)
        self.network: Any = network.to(self.device)
        config = getattr(network.config, "text_config", network.config)
        self.name = MINILM if name == MINILM else str(config.model_type).replace("_", "-")
        positions = getattr(config, "max_position_embeddings", MAX_TOKENS)
        self.limit = min(self.tokenizer.model_max_length, positions, MAX_TOKENS)
        self.max_words = self.limit if self.joint else max_words
        settings = {
            **({"reads": "padded" if self.padded else "all"} if self.joint else {"max_words": max_words}),
            "limit": self.limit,
            "whole": "joint" if self.joint else "mean",
            "tokenizer": tokenizer_identity(self.tokenizer, limit=self.limit),
            **architecture(config),
        }
        self.fingerprint = encoder_fingerprint("text", settings, weights_of(network))
        self.state_width, self.whole_width = self._measure_widths()

    def encode(self, captions: Sequence[str]) -> list[TextFeatures]:
        """One state per word of each caption; a caption without words gives `<empty>` and the mean of all it has."""
        return by_length(captions, self._encode_batch)

    @torch.inference_mode()
    def _encode_batch(self, captions: list[str]) -> list[TextFeatures]:
        tokens, words, belongs = self.tokenise(captions)
        hidden, wholes = self._read(tokens)
        return [
            TextFeatures(found, states=half(average_tokens(own, states)), whole=half(whole))
            for found, own, states, whole in zip(words, belongs, hidden, wholes, strict=True)
        ]

    def tokenise(self, captions: Sequence[str]) -> tuple[Any, list[tuple[str, ...]], list[Bool[Tensor, "_w t"]]]:
        """The tokens of captions on the network's device, their words, and which tokens say each word.

        A caption without words says `<empty>`, by all its tokens.
        """
        sentences = [self._as_read(caption) for caption in captions]
        matches = [read_words(sentence, most=self.max_words) for sentence in sentences]
        if not self.joint:  # what follows the last word is not read
            ends = [found[-1].end() if found else 0 for found in matches]
            sentences = [sentence[:end] for sentence, end in zip(sentences, ends, strict=True)]
        tokens = self.tokenizer(
            sentences,
            padding="max_length" if self.padded else True,
            truncation=True,
            max_length=self.limit,
            return_tensors="pt",
            return_attention_mask=True,
            return_offsets_mapping=True,
        )
        offsets, real = tokens.pop("offset_mapping"), tokens["attention_mask"].bool()
        words, belongs = [], []
        for row, found in enumerate(matches):
            own = torch.from_numpy(tokens_of_words(found, offsets[row].numpy()))
            seen = own.any(dim=1).tolist()
            said = tuple(match.group().lower() for match, kept in zip(found, seen, strict=True) if kept)
            words.append(said or (EMPTY,))
            belongs.append(own[torch.tensor(seen)] if said else real[row : row + 1])
        return tokens.to(self.device), words, belongs

    def understanding(self, text: str) -> Understanding:
        """What of a text is read: words up to the limits, those unknown that hold a character without a token."""
        read, sentence = super().understanding(text), self._as_read(text)
        found = read_words(sentence, most=self.max_words)
        if not found:
            return read
        tokens = self.tokenizer(
            sentence[: found[-1].end()], truncation=True, max_length=self.limit, return_offsets_mapping=True
        )
        ids, offsets = np.array(tokens["input_ids"]), np.array(tokens["offset_mapping"])
        return with_unknown(read, found, ids, offsets, self.tokenizer)

    @property
    def languages(self) -> tuple[str, ...]:
        """English for MiniLM."""
        return ("en",) if self.name == MINILM else ()

    def _as_read(self, text: str) -> str:
        """A text as the tokenizer gets it, letter for letter as `normalise` has it but for capitals."""
        sentence = normalise(text)
        if not self.padded:
            return sentence
        return "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in sentence)

    def _read(self, tokens: Any) -> tuple[Float[Tensor, "m t d"], Float[Tensor, "m w"]]:
        """The states of all tokens, and a vector for each text."""
        if self.joint:
            output = self.network.get_text_features(
                input_ids=tokens["input_ids"], attention_mask=None if self.padded else tokens["attention_mask"]
            )
            return output.last_hidden_state.float().cpu(), output.pooler_output.float().cpu()
        hidden = self.network(**tokens).last_hidden_state
        return hidden.float().cpu(), masked_mean(hidden, tokens["attention_mask"].bool()).float().cpu()

    def _measure_widths(self) -> tuple[int, int]:
        """The widths of a state and of a whole, seen by encoding one word; a model that cannot read text shows here."""
        try:
            text = self.encode(["a"])[0]
        except (ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise ConfigError(
                f"the model {self.asked_for!r} cannot encode text: {error} Please choose a text model."
            ) from error
        assert text.states is not None, "encode gives both"
        assert text.whole is not None, "encode gives both"
        return text.states.shape[1], text.whole.shape[0]

    def describe(self) -> dict[str, object]:
        """The model's name or folder (a hint: the fingerprint is who it is) and the settings."""
        return {
            "kind": "transformer",
            "name": self.asked_for,
            "max_words": self.max_words,
            "fingerprint": self.fingerprint,
        }


def _of_transformers(folder: Path, name: str) -> tuple[Any, Any, bool]:
    """The network and the tokenizer in `folder`, and whether the network ends in a space that pictures share.

    transformers is imported here because that takes longer than a search.
    """
    from transformers import AutoModel

    network, joint = one_side(load_network(AutoModel, folder, name=name), "text")
    tokenizer = load_tokenizer(folder, name=name)
    return network.requires_grad_(False), tokenizer, joint


def average_tokens(weights: Bool[Tensor, "w t"], hidden: Float[Tensor, "t d"]) -> Float[Tensor, "w d"]:
    """The mean of each word's tokens; every word must have one."""
    return weights.float() @ hidden / weights.sum(dim=1, keepdim=True)


def by_length(captions: Sequence[str], encode: Callable[[list[str]], list[TextFeatures]]) -> list[TextFeatures]:
    """What `encode` makes of captions, in batches of `BATCH` of like length; in the order given."""
    found: dict[int, TextFeatures] = {}
    order = sorted(range(len(captions)), key=lambda row: len(captions[row]))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        found.update(zip(rows, encode([captions[row] for row in rows]), strict=True))
    return [found[row] for row in range(len(captions))]


def half(vector: Float[Tensor, ...]) -> Float16[np.ndarray, ...]:
    """Numbers as the cache keeps them."""
    return vector.to(torch.float16).numpy()
