"""An encoder is known by what it computes: weights and our own settings, nothing that a library or a person named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import nn
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

from crossgraph.encoders.fingerprint import encoder_fingerprint, weights_of
from crossgraph.encoders.tokenizer_identity import tokenizer_identity
from crossgraph.encoders.transformer_text import TransformerTextEncoder

TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
PIECES = {piece: number for number, piece in enumerate(["[PAD]", "[UNK]", "a", "dog", "##s", "e", "t", "w", "o"])}


def test_the_fingerprint_changes_with_kind_settings_and_any_weight() -> None:
    weights = [torch.arange(6.0).view(2, 3), torch.zeros(2)]
    one = encoder_fingerprint("image", {"size": 3}, weights)
    assert len(one) == 16
    others = [
        encoder_fingerprint("text", {"size": 3}, weights),
        encoder_fingerprint("image", {"size": 4}, weights),
        encoder_fingerprint("image", {"size": 3}, weights[:1]),
        encoder_fingerprint("image", {"size": 3}, [weights[0].view(3, 2), weights[1]]),
        encoder_fingerprint("image", {"size": 3}, [weights[0] + 1e-6, weights[1]]),
        encoder_fingerprint("image", {"size": 3}, [weights[0].double(), weights[1]]),
    ]
    assert len({one, *others}) == 7


def test_a_setting_that_is_no_plain_json_is_refused_rather_than_written_somehow() -> None:
    with pytest.raises(TypeError):
        encoder_fingerprint("image", {"folder": Path("x")})


def test_names_and_order_of_weights_and_what_is_no_weight_do_not_count() -> None:
    norm = nn.BatchNorm1d(3)
    one = nn.Sequential(nn.Linear(2, 3), norm)
    other = nn.ModuleDict({"later": norm, "earlier": one[0]})
    before = encoder_fingerprint("x", {}, weights_of(one))
    assert encoder_fingerprint("x", {}, weights_of(other)) == before
    norm.get_buffer("num_batches_tracked").add_(1)
    assert encoder_fingerprint("x", {}, weights_of(one)) == before
    norm.get_buffer("running_mean").add_(1)
    assert encoder_fingerprint("x", {}, weights_of(one)) != before


def save_word_pieces(folder: Path, *, lowercase: bool = True, vocabulary: dict[str, int] = PIECES) -> None:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=20
    ).save_pretrained(folder)


def save_byte_pairs(folder: Path) -> None:
    vocabulary = {piece: number for number, piece in enumerate(["<unk>", "d", "o", "g", "do", "dog"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("d", "o"), ("do", "g")], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", model_max_length=20).save_pretrained(folder)


def identity(folder: Path) -> dict[str, str]:
    return tokenizer_identity(AutoTokenizer.from_pretrained(folder), limit=20)


def rewrite(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    told = json.loads(file.read_text())
    change(told)
    file.write_text(json.dumps(told))


def test_a_tokenizer_that_is_written_otherwise_is_the_same_one(tmp_path: Path) -> None:
    save_byte_pairs(tmp_path)
    before = identity(tmp_path)

    def as_another_version_writes_it(told: dict[str, Any]) -> None:
        model = told["model"]
        assert model["merges"] == [["d", "o"], ["do", "g"]]
        model["merges"] = ["d o", "do g"]  # as all versions wrote them until they came as pairs
        model["vocab"] = dict(reversed(model["vocab"].items()))
        del model["ignore_merges"]  # a key that came with a later version
        told["decoder"] = {"type": "Fuse"}

    rewrite(tmp_path / "tokenizer.json", as_another_version_writes_it)
    rewrite(
        tmp_path / "tokenizer_config.json", lambda told: told.update(transformers_version="9.9", padding_side="left")
    )
    assert identity(tmp_path) == before


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("vocabulary", lambda told: told["model"]["vocab"].update(dog=4, do=5)),
        ("pieces", lambda told: told["model"]["merges"].reverse()),
        ("probe", lambda told: told.update(normalizer={"type": "Lowercase"})),
        ("probe", lambda told: told.update(pre_tokenizer={"type": "WhitespaceSplit"})),
    ],
    ids=["vocabulary", "merges", "lower case", "splitting"],
)
def test_a_tokenizer_that_does_otherwise_is_another_one(
    part: str, change: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    save_byte_pairs(tmp_path)
    before = identity(tmp_path)
    rewrite(tmp_path / "tokenizer.json", change)
    assert identity(tmp_path)[part] != before[part]


def test_a_unigram_model_is_known_by_its_scores(tmp_path: Path) -> None:
    found = []
    for score in (-1.0, -2.0):
        model = models.Unigram([("<unk>", 0.0), ("a", -1.5), ("dog", score)], unk_id=0)
        PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), unk_token="<unk>").save_pretrained(tmp_path)
        found.append(identity(tmp_path))
    assert found[0]["kind"] == found[1]["kind"] == "Unigram"
    assert found[0]["vocabulary"] == found[1]["vocabulary"]
    assert found[0]["pieces"] != found[1]["pieces"]


def test_using_a_tokenizer_does_not_change_what_it_is(tmp_path: Path) -> None:
    save_word_pieces(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    before = tokenizer_identity(tokenizer, limit=20)
    tokenizer(["a dog", "two dogs and a dog"], padding=True, truncation=True, max_length=3)
    assert tokenizer_identity(tokenizer, limit=20) == before


def test_a_text_model_keeps_its_fingerprint_when_it_moves_and_changes_it_with_its_tokenizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    BertModel(BertConfig(**TINY, vocab_size=len(PIECES), max_position_embeddings=20)).save_pretrained(tmp_path / "bert")
    save_word_pieces(tmp_path / "bert")
    one = TransformerTextEncoder(str(tmp_path / "bert"))
    shutil.copytree(tmp_path / "bert", tmp_path / "moved")
    rewrite(tmp_path / "moved" / "config.json", lambda told: told.update(transformers_version="9.9", use_cache=False))
    monkeypatch.chdir(tmp_path)
    moved = TransformerTextEncoder("./moved/")
    assert (moved.name, moved.fingerprint) == (one.name, one.fingerprint)
    assert moved.describe()["name"] == str(tmp_path / "moved")
    save_word_pieces(tmp_path / "moved", lowercase=False)
    cased = TransformerTextEncoder("moved").fingerprint
    save_word_pieces(tmp_path / "moved", vocabulary={**PIECES, "a": 3, "dog": 2})
    assert len({one.fingerprint, cased, TransformerTextEncoder("moved").fingerprint}) == 3


def test_weights_that_two_modules_share_count_once() -> None:
    shared = nn.Linear(2, 3)
    assert len(list(weights_of(nn.ModuleDict({"one": shared, "other": shared})))) == 2
