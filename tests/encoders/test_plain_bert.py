"""A plain BERT gives, to the bit, what transformers gives, and anything that is not plain is left to transformers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizer

from crossgraph.encoders import transformer_text
from crossgraph.encoders.fingerprint import encoder_fingerprint, weights_of
from crossgraph.encoders.names import resolve
from crossgraph.encoders.plain_bert import Bert, read_plain_bert
from crossgraph.encoders.text import TextFeatures
from crossgraph.encoders.tokenizer_identity import PROBE, tokenizer_identity
from crossgraph.encoders.transformer_text import TransformerTextEncoder

SENTENCES = ["a", "two dogs run through snow", "", "Ünïcödé [MASK] 3.50!", "一只狗 🔴", *PROBE, "dog " * 300]


def minilm() -> Path:
    folder = resolve("minilm", kind="text encoder").folder
    assert folder is not None
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cased BERT of random weights, as transformers saves it."""
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "Two", "dog", "##s", "run", "é", ".", ","]
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    BertModel(BertConfig(**sizes, vocab_size=len(pieces), max_position_embeddings=30)).save_pretrained(folder)
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    BertTokenizer(vocabulary, do_lower_case=False, model_max_length=30).save_pretrained(folder)
    return folder


def read(folder: Path) -> Bert:
    found = read_plain_bert(folder, most=512)
    assert found is not None, "it is plain"
    return found


@pytest.fixture(params=["minilm", "tiny"])
def folder(request: pytest.FixtureRequest, tiny: Path) -> Path:
    return minilm() if request.param == "minilm" else tiny


@torch.inference_mode()
def test_states_and_tokens_are_those_of_transformers_to_the_bit(folder: Path) -> None:
    ours = read(folder)
    network, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    limit = ours.tokenizer.model_max_length
    settings: dict[str, Any] = {"padding": True, "truncation": True, "max_length": limit, "return_tensors": "pt"}
    for batch in (SENTENCES, SENTENCES[:1], SENTENCES[1:2] * 3):
        theirs = tokenizer(batch, return_offsets_mapping=True, **settings)
        tokens = ours.tokenizer(batch, max_length=limit)
        assert tokens.keys() == theirs.keys()
        assert all(torch.equal(tokens[name], theirs[name]) for name in theirs)
        del theirs["offset_mapping"], tokens["offset_mapping"]
        assert torch.equal(ours.network(**tokens).last_hidden_state, network(**theirs).last_hidden_state)


@given(st.text(max_size=60))
def test_any_text_has_the_tokens_of_transformers(text: str) -> None:
    ours, theirs = _both_tokenizers()
    found = ours(text, max_length=512)
    expected = theirs(text, truncation=True, max_length=512, return_offsets_mapping=True)
    assert found["input_ids"] == expected["input_ids"]
    assert [list(span) for span in found["offset_mapping"]] == [list(span) for span in expected["offset_mapping"]]


_TOKENIZERS: list[Any] = []


def _both_tokenizers() -> tuple[Any, Any]:
    if not _TOKENIZERS:
        _TOKENIZERS.extend((read(minilm()).tokenizer, AutoTokenizer.from_pretrained(minilm())))
    return _TOKENIZERS[0], _TOKENIZERS[1]


def test_tokenizer_and_weights_have_the_identity_that_transformers_gives_them(folder: Path) -> None:
    ours = read(folder)
    limit = ours.tokenizer.model_max_length
    assert tokenizer_identity(ours.tokenizer, limit=limit) == tokenizer_identity(
        AutoTokenizer.from_pretrained(folder), limit=limit
    )
    prints = [
        encoder_fingerprint("x", {}, weights_of(one)) for one in (ours.network, AutoModel.from_pretrained(folder))
    ]
    assert prints[0] == prints[1]


def test_the_encoder_is_the_same_either_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "minilm" if folder == minilm() else str(folder)
    ours = TransformerTextEncoder(name)
    monkeypatch.setattr(transformer_text, "read_plain_bert", lambda *_, **__: None)
    theirs = TransformerTextEncoder(name)
    assert type(ours.network) is not type(theirs.network)
    assert (ours.fingerprint, ours.name, ours.limit) == (theirs.fingerprint, theirs.name, theirs.limit)
    for found, expected in zip(ours.encode(SENTENCES), theirs.encode(SENTENCES), strict=True):
        assert same(found, expected)
    for sentence in SENTENCES:
        assert ours.understanding(sentence) == theirs.understanding(sentence)


def same(found: TextFeatures, expected: TextFeatures) -> bool:
    assert found.states is not None
    assert expected.states is not None
    assert found.whole is not None
    assert expected.whole is not None
    return found.words == expected.words and all(
        one.tobytes() == other.tobytes()
        for one, other in ((found.states, expected.states), (found.whole, expected.whole))
    )


def changed(file: str, **values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        told = json.loads((folder / file).read_text(encoding="utf-8"))
        (folder / file).write_text(json.dumps(told | values), encoding="utf-8")

    return change


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return rewrite


@pytest.mark.parametrize(
    "change",
    [
        changed("config.json", model_type="roberta"),
        changed("config.json", hidden_act="gelu_new"),
        changed("config.json", position_embedding_type="relative_key"),
        changed("config.json", is_decoder=True),
        changed("config.json", num_hidden_layers=3),
        changed("tokenizer_config.json", do_lower_case=True),
        changed("tokenizer_config.json", strip_accents=True),
        changed("tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast"),
        changed("tokenizer_config.json", cls_token="[MASK]"),
        changed("tokenizer.json", pre_tokenizer={"type": "Whitespace"}),
        changed("tokenizer.json", post_processor=None),
        weights(lambda found: found.pop("encoder.layer.1.output.dense.bias")),
        weights(lambda found: found.update({"embeddings.other.weight": torch.zeros(2)})),
        lambda folder: (folder / "model.safetensors").write_bytes(b"damaged"),
        lambda folder: (folder / "tokenizer.json").unlink(),
    ],
)
def test_what_is_not_plain_is_left_to_transformers(change: Callable[[Path], None], tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "bert")
    assert read_plain_bert(tmp_path / "bert", most=512) is not None
    change(tmp_path / "bert")
    assert read_plain_bert(tmp_path / "bert", most=512) is None
