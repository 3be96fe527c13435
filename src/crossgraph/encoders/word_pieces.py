"""A plain BERT's settings and tokenizer, read without transformers or torch, and which of its pieces say which word."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int
from tokenizers import Tokenizer

from crossgraph.encoders.understanding import Understanding
from crossgraph.words import WORD

NETWORK, VOCABULARY = "model.safetensors", "tokenizer.json"

MAX_TOKENS = 512
"""No caption needs more, and models that claim a few more positions (RoBERTa) keep those for themselves."""

SETTINGS = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
"""What must be said in config.json, or left out there: what makes the network plain."""

NEEDED = {"layer_norm_eps", "num_attention_heads"}

BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""How sentence-piece tokenizers write a byte of a character that they have no piece for."""


@runtime_checkable
class TokenNames(Protocol):
    """What a tokenizer has to tell of its pieces."""

    @property
    def unk_token_id(self) -> int | None: ...

    def convert_ids_to_tokens(self, number: int) -> str: ...


class WordPieces:
    """What of a fast tokenizer of transformers is used; texts are cut after `longest` tokens."""

    is_fast = True

    def __init__(self, file: Path, told: Mapping[str, Any], *, longest: int) -> None:
        self.model_max_length = longest
        self.pad_token, unknown = str(told.get("pad_token", "[PAD]")), str(told.get("unk_token", "[UNK]"))
        self.backend_tokenizer = Tokenizer.from_file(str(file))
        self.unk_token_id = self.backend_tokenizer.token_to_id(unknown)
        padding = self.backend_tokenizer.token_to_id(self.pad_token)
        self.backend_tokenizer.enable_padding(pad_id=padding, pad_token=self.pad_token)
        self.backend_tokenizer.enable_truncation(longest)

    def get_vocab(self) -> dict[str, int]:
        """Pieces and their numbers."""
        return self.backend_tokenizer.get_vocab()

    def convert_ids_to_tokens(self, number: int) -> str:
        """The piece of a number."""
        return str(self.backend_tokenizer.id_to_token(number))

    def tokens(self, text: str) -> tuple[Int[np.ndarray, " t"], Int[np.ndarray, "t 2"]]:
        """The tokens of one text, and where in it each begins and ends."""
        found = self.backend_tokenizer.encode(text)
        return np.array(found.ids), np.array(found.offsets).reshape(-1, 2)


def tokens_of_words(words: Sequence[re.Match[str]], offsets: Int[np.ndarray, "t 2"]) -> Bool[np.ndarray, "w t"]:
    """Which sub-words overlap which word, by character offsets; special tokens span nothing and belong to no word."""
    spans = np.array([match.span() for match in words], np.int64).reshape(-1, 2)
    found: Bool[np.ndarray, "w t"] = (offsets[None, :, 0] < spans[:, None, 1]) & (
        offsets[None, :, 1] > spans[:, None, 0]
    )
    return found


def read_words(sentence: str, *, most: int) -> list[re.Match[str]]:
    """Where the first `most` words of a normalised sentence stand in it."""
    return list(WORD.finditer(sentence))[:most]


def with_unknown(
    read: Understanding,
    words: Sequence[re.Match[str]],
    ids: Int[np.ndarray, " t"],
    offsets: Int[np.ndarray, "t 2"],
    tokenizer: TokenNames,
) -> Understanding:
    """`read` with the words that its tokens end before left out, and those that hold a character without a token
    unknown.
    """
    belongs = tokens_of_words(words, offsets)
    foreign = np.array([_is_foreign(int(number), tokenizer) for number in ids], np.bool_)
    count = int(belongs.any(axis=1).sum())
    unknown = dict.fromkeys(
        word for word, own in zip(read.words[:count], belongs, strict=False) if bool((own & foreign).any())
    )
    return replace(
        read,
        words=read.words[:count],
        left_out=(*read.words[count:], *read.left_out),
        unknown=(*unknown, *read.unknown),
    )


def _is_foreign(number: int, tokenizer: TokenNames) -> bool:
    """Whether a token stands for characters that the tokenizer does not have."""
    return number == tokenizer.unk_token_id or bool(BYTE.fullmatch(tokenizer.convert_ids_to_tokens(number)))


def is_plain(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is of what is BERT to the letter *(Devlin 2019)*, and says all that is needed of it."""
    said = {"position_embedding_type": "absolute", "is_decoder": False, **config}
    return all(said.get(name) == value for name, value in SETTINGS.items()) and config.keys() >= NEEDED


def is_word_piece(written: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Whether tokenizer.json says of every stage what transformers makes of a BERT's tokenizer_config.json."""
    lower, chinese = told.get("do_lower_case", True), told.get("tokenize_chinese_chars", True)
    normalizer = {"clean_text": True, "handle_chinese_chars": chinese, "lowercase": lower}
    single = [{"SpecialToken": {"id": told.get("cls_token", "[CLS]"), "type_id": 0}}]
    single += [{"Sequence": {"id": "A", "type_id": 0}}]
    single += [{"SpecialToken": {"id": told.get("sep_token", "[SEP]"), "type_id": 0}}]
    model, after = written.get("model", {}), written.get("post_processor") or {}
    return (
        told.get("tokenizer_class") in ("BertTokenizer", "BertTokenizerFast")
        and all(isinstance(told.get(name, ""), str) for name in ("pad_token", "unk_token", "cls_token", "sep_token"))
        and written.get("normalizer")
        == {"type": "BertNormalizer", "strip_accents": told.get("strip_accents"), **normalizer}
        and written.get("pre_tokenizer") == {"type": "BertPreTokenizer"}
        and (after.get("type"), after.get("single")) == ("TemplateProcessing", single)
        and (model.get("type"), model.get("continuing_subword_prefix"), model.get("max_input_chars_per_word"))
        == ("WordPiece", "##", 100)
        and model.get("unk_token") == told.get("unk_token", "[UNK]")
        and len(model.get("vocab", ())) > max((token["id"] for token in written.get("added_tokens", ())), default=0)
    )


def read_json(file: Path) -> dict[str, Any]:
    """The object that a JSON file holds; empty where it holds something else."""
    found = json.loads(file.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}
