"""States of English sentences in arrays are those that torch gives, to the last bits of half precision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from crossgraph.encoders.names import resolve
from crossgraph.encoders.text import MINILM
from crossgraph.encoders.transformer_text import TransformerTextEncoder
from crossgraph.quick.english import QuickEnglish

SENTENCES = [
    "a",
    "two dogs run through snow",
    "",
    "!!",
    "Ünïcödé [MASK] 3.50!",
    "the man's dog isn't here, o'clock",
    "一只狗 🔴",
    "dog " * 300,
]


@pytest.fixture(scope="module")
def minilm() -> Path:
    folder = resolve(MINILM, kind="text encoder").folder
    assert folder is not None
    return folder


@pytest.fixture(scope="module")
def slow() -> TransformerTextEncoder:
    return TransformerTextEncoder(MINILM, max_words=30)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_states_and_what_is_read_are_those_of_the_encoder(
    minilm: Path, slow: TransformerTextEncoder, sentence: str
) -> None:
    quick = QuickEnglish.open(minilm, max_words=30)
    assert quick is not None
    (expected,) = slow.encode([sentence])
    found = quick.states(sentence)
    assert expected.states is not None
    assert found.dtype == np.float16
    assert found.shape == expected.states.shape
    assert np.abs(found.astype(np.float32) - expected.states.astype(np.float32)).max() <= 2e-3
    assert quick.understanding(sentence) == slow.understanding(sentence)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "relu"},
        {"model_type": "roberta"},
        {"is_decoder": True},
        {"position_embedding_type": "relative_key"},
    ],
)
def test_what_is_no_plain_bert_is_left_to_others(minilm: Path, tmp_path: Path, change: dict[str, object]) -> None:
    for file in minilm.glob("*.json"):
        shutil.copyfile(file, tmp_path / file.name)
    config = json.loads((minilm / "config.json").read_text(encoding="utf-8"))
    assert QuickEnglish.open(tmp_path, max_words=30) is not None
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}), encoding="utf-8")
    assert QuickEnglish.open(tmp_path, max_words=30) is None


def test_a_folder_without_a_tokenizer_is_left_to_others(tmp_path: Path) -> None:
    assert QuickEnglish.open(tmp_path, max_words=30) is None
