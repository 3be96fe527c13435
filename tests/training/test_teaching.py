"""Languages taught to a run and to a cascade: what is learnt, what stays, and what can be moved."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.encoders.language_guess import CONFIG, FILES, WEIGHTS
from crossgraph.encoders.polyglot import PolyglotTextEncoder
from crossgraph.errors import ConfigError, DataError, ModelError
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest
from crossgraph.gallery.stages.cascade_model import CascadeModel, build_cascade
from crossgraph.training.checkpoint import read_manifest, weights_fingerprint
from crossgraph.training.teaching import TeachingConfig
from crossgraph.verbs import load_model, load_search_model, teach, train
from tests.other_languages import chinese, german, write_captions
from tests.training.fake_dataset import MODELS

SETTINGS = TeachingConfig(
    pieces=400, epochs=4, width=32, gru_width=24, batch_size=32, learning_rate=1e-2, warmup_steps=5, dropout=0.0
)
QUICK = SETTINGS.model_copy(update={"epochs": 1, "seed": 3})
ENGLISH = ["a red circle", "two big boats and a tree", "Blue!", "", "красный мяч"]


@dataclass(frozen=True)
class Home:
    """A dual encoder, RACG with it as shortlist, the scenes they know with captions, and what the run was taught."""

    dual: Path
    racg: Path
    taught: Path
    recalls: dict[str, float]
    scenes: Corpus
    captions: Path
    cache: FeatureCache


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    root = tmp_path_factory.mktemp("home")
    scenes = draw_scenes(root / "scenes", 60)
    captions = write_captions(scenes, root / "captions.jsonl")
    cache = FeatureCache(root / "cache")
    train(scenes, settings("dual_encoder"), root / "dual", cache=cache)
    train(scenes, settings("racg"), root / "racg", shortlist=root / "dual", cache=cache)
    recalls = teach(root / "dual", scenes, captions, root / "taught", settings=SETTINGS, cache=cache)
    return Home(root / "dual", root / "racg", root / "taught", recalls, scenes, captions, cache)


@pytest.fixture(scope="module")
def quick(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dual encoder, taught for one epoch from another seed."""
    out = tmp_path_factory.mktemp("quick") / "taught"
    teach(home.dual, home.scenes, home.captions, out, settings=QUICK, cache=home.cache)
    return out


@pytest.fixture(scope="module")
def cascades(home: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A cascade of both runs, and a copy of it that was taught."""
    root = tmp_path_factory.mktemp("cascades")
    build_cascade(root / "plain", cache=home.cache, codes="random:16", dense=home.dual, rerank=home.racg)
    teach(root / "plain", home.scenes, home.captions, root / "taught", settings=QUICK, cache=home.cache)
    return root / "plain", root / "taught"


def settings(method: str) -> RunConfig:
    """A small run that reads MiniLM's states."""
    return RunConfig.model_validate(
        {
            "method": method,
            "images": {"size": 64, "cells": [2]},
            "texts": {"encoder": "minilm"},
            "training": {"epochs": 2, "batch_size": 8},
            "model": MODELS[method],
        }
    )


def test_english_is_read_as_before_to_the_bit(home: Home) -> None:
    before, after = (load_model(run, cache=home.cache) for run in (home.dual, home.taught))
    sentences = [*ENGLISH, *home.scenes.captions[:80]]
    assert torch.equal(before.encode_raw_texts(sentences).embedding, after.encode_raw_texts(sentences).embedding)
    for sentence in ENGLISH:
        one, other = (model.text_encoder.encode([sentence])[0] for model in (before, after))
        assert one.words == other.words
        assert np.array_equal(one.states, other.states)
        assert np.array_equal(one.whole, other.whole)
    pictures = home.scenes.image_paths[:3]
    assert torch.equal(
        before.encode_image_files(pictures).encoded.embedding, after.encode_image_files(pictures).encoded.embedding
    )


def test_a_caption_says_what_the_english_one_says(home: Home) -> None:
    """Taught captions lie nearer to the English captions of their own picture than to those of others."""
    model = load_model(home.taught, cache=home.cache)
    corpus = home.scenes.split("train")
    own = corpus.caption_image[:60]
    english = model.encode_raw_texts(corpus.captions[:60]).embedding
    for say in (german, chinese):
        said = model.encode_raw_texts([say(caption) for caption in corpus.captions[:60]]).embedding
        same = torch.from_numpy(own[:, None] == own[None, :])
        cosines = said @ english.T
        assert cosines[same].mean() > cosines[~same].mean() + 0.05


def test_recalls_are_those_of_the_copy(home: Home) -> None:
    model = load_model(home.taught, cache=home.cache)
    corpus = home.scenes.split("val")
    gallery = model.encode_corpus_images(corpus).encoded.embedding
    for language, say in (("en", str), ("de", german), ("zh", chinese)):
        scores = model.encode_raw_texts([say(caption) for caption in corpus.captions]).embedding @ gallery.T
        own = scores.gather(1, torch.tensor(corpus.caption_image)[:, None])
        found = (scores > own).sum(dim=1) < 10
        assert home.recalls[language] == pytest.approx(100 * float(found.float().mean()), abs=0.5)


def test_the_manifest_says_which_languages_there_are(home: Home) -> None:
    assert load_model(home.dual).languages == ("en",)
    assert load_model(home.taught).languages == ("en", "de", "zh")
    described = read_manifest(home.taught).text_encoder
    assert (described["kind"], described["name"], described["folder"]) == ("polyglot", "minilm", "languages")
    assert sorted(path.name for path in (home.taught / "languages").iterdir()) == sorted(FILES)
    assert read_manifest(home.taught).fingerprint != read_manifest(home.dual).fingerprint


def test_a_copy_is_another_model_because_other_sentences_are_encoded_otherwise(home: Home) -> None:
    assert weights_fingerprint(home.taught) == weights_fingerprint(home.dual)
    assert load_model(home.taught).fingerprint != load_model(home.dual).fingerprint == weights_fingerprint(home.dual)


def test_a_copy_can_be_moved(home: Home, tmp_path: Path) -> None:
    sentences = [german("a red circle"), chinese("a red circle")]
    before = load_model(home.taught, cache=home.cache)
    shutil.copytree(home.taught, tmp_path / "elsewhere" / "run")
    after = load_model(tmp_path / "elsewhere" / "run", cache=home.cache)
    assert torch.equal(before.encode_raw_texts(sentences).embedding, after.encode_raw_texts(sentences).embedding)
    assert after.fingerprint == before.fingerprint
    shutil.rmtree(tmp_path / "elsewhere" / "run" / "languages")
    with pytest.raises(ModelError, match=r"holds no taught languages: it has no config\.json"):
        load_model(tmp_path / "elsewhere" / "run", cache=home.cache).encode_raw_texts(sentences)


def test_the_same_seed_teaches_the_same(home: Home, quick: Path, tmp_path: Path) -> None:
    teach(home.dual, home.scenes, home.captions, tmp_path / "again", settings=QUICK, cache=home.cache)
    weights = [(run / "languages" / WEIGHTS).read_bytes() for run in (quick, tmp_path / "again", home.taught)]
    assert weights[0] == weights[1] != weights[2]


def test_a_cascade_is_taught_in_all_its_parts_and_they_serve_another(
    home: Home, cascades: tuple[Path, Path], tmp_path: Path
) -> None:
    taught = tmp_path / "taught"
    shutil.copytree(cascades[1], taught)
    before, after = (CascadeModel(folder, cache=home.cache) for folder in (cascades[0], taught))
    assert after.languages == ("en", "de", "zh")
    assert after.fingerprint != before.fingerprint
    assert after.coder is not None
    for one, other in zip(before.runs, after.runs, strict=True):
        assert torch.equal(one.encode_raw_texts(ENGLISH).embedding, other.encode_raw_texts(ENGLISH).embedding)
    assert len({id(run.text_encoder) for run in after.runs}) == 1
    assert [read_manifest(run.run).text_encoder["folder"] for run in after.runs] == ["../languages", "../languages"]
    parts = CascadeManifest.read(taught).parts()
    again = tmp_path / "again"
    build_cascade(again, cache=home.cache, dense=taught / "dense", rerank=taught / "rerank")
    shutil.rmtree(taught)
    rebuilt = load_search_model(again, cache=home.cache)
    sentence = german("a red circle")
    assert torch.equal(rebuilt.encode_raw_texts([sentence]).embedding, after.encode_raw_texts([sentence]).embedding)
    assert CascadeManifest.read(again).parts()["rerank"].fingerprint == parts["rerank"].fingerprint


def test_a_sentence_that_no_parser_reads_is_one_node(home: Home, cascades: tuple[Path, Path]) -> None:
    model = load_model(cascades[1] / "rerank", cache=home.cache)
    sentences = [chinese("a red circle above a blue boat"), "a red circle above a blue boat"]
    table = model.text_features(sentences)
    graphs = table.rows([0, 1]).graphs
    assert graphs is not None
    assert graphs.nodes.mask.sum(dim=1).tolist()[0] == 1 < int(graphs.nodes.mask[1].sum())
    assert graphs.words[0, 0].sum() == len(table.rows([0]).words[0]) > 1
    explained = model.explain(sentences[0], home.scenes.image_paths[0])
    assert "".join(explained.words) == sentences[0].rstrip("。")


def test_a_taught_run_can_be_taught_again(home: Home, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in home.captions.read_text(encoding="utf-8").splitlines()]
    only = tmp_path / "only.jsonl"
    only.write_text("\n".join(json.dumps({"image": row["image"], "fr": row["de"]}) for row in rows))
    recalls = teach(home.taught, home.scenes, only, tmp_path / "fr", settings=QUICK, cache=home.cache)
    assert recalls.keys() == {"en", "fr"}
    assert load_model(tmp_path / "fr").languages == ("en", "fr")
    assert torch.equal(
        load_model(tmp_path / "fr", cache=home.cache).encode_raw_texts(ENGLISH).embedding,
        load_model(home.dual, cache=home.cache).encode_raw_texts(ENGLISH).embedding,
    )


def test_what_is_said_of_a_sentence_is_said_in_its_language(home: Home) -> None:
    model = load_model(home.taught, cache=home.cache)
    caption = home.scenes.split("train").captions[0]
    for sentence, language in ((german(caption), "de"), (chinese(caption), "zh"), (caption, "en")):
        read = model.understanding(sentence)
        assert (read.language, read.notes(), read.is_guess) == (language, (), False)
        assert read.words == model.text_encoder.encode([sentence])[0].words
    cyrillic = model.understanding("красный мяч")
    assert "Cyrillic writing" in cyrillic.notes()[0]
    assert "in Latin and Chinese letters" in cyrillic.notes()[0]
    assert load_model(home.dual, cache=home.cache).understanding("红色").strange == ("Chinese",)
    assert model.understanding("ein Ω").unknown == ("ω",)


def test_what_cannot_be_taught_is_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is there already"):
        teach(home.dual, home.scenes, home.captions, home.taught, cache=home.cache)
    words = settings("dual_encoder").model_dump() | {"texts": {"encoder": "words"}}
    train(home.scenes, RunConfig.model_validate(words), tmp_path / "words", cache=home.cache)
    with pytest.raises(ModelError, match=r"gives no word states .* texts\.encoder=minilm"):
        teach(tmp_path / "words", home.scenes, home.captions, tmp_path / "out", cache=home.cache)
    trained_on = set(home.scenes.split("train").image_ids)
    lines = home.captions.read_text(encoding="utf-8").splitlines()
    only = tmp_path / "only.jsonl"
    only.write_text("\n".join(line for line in lines if json.loads(line)["image"] in trained_on), encoding="utf-8")
    with pytest.raises(DataError, match="no caption in another language"):
        teach(home.dual, home.scenes, only, tmp_path / "out", cache=home.cache)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


def test_languages_of_another_model_or_damaged_ones_are_refused(home: Home, tmp_path: Path) -> None:
    english = load_model(home.dual, cache=home.cache).text_encoder
    shutil.copytree(home.taught / "languages", tmp_path / "languages")
    told = json.loads((tmp_path / "languages" / CONFIG).read_text())
    (tmp_path / "languages" / CONFIG).write_text(json.dumps(told | {"english": "another"}))
    with pytest.raises(ModelError, match="were taught for text encoder another, but here is 'minilm'"):
        PolyglotTextEncoder(english, tmp_path / "languages")
    (tmp_path / "languages" / CONFIG).write_text(json.dumps(told))
    PolyglotTextEncoder(english, tmp_path / "languages")
    (tmp_path / "languages" / WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"student\.safetensors cannot be read"):
        PolyglotTextEncoder(english, tmp_path / "languages")


def test_other_weights_are_another_encoder(home: Home, quick: Path, tmp_path: Path) -> None:
    shutil.copytree(home.taught, tmp_path / "other")
    shutil.copyfile(quick / "languages" / WEIGHTS, tmp_path / "other" / "languages" / WEIGHTS)
    with pytest.raises(ModelError, match="is not the one described: its fingerprint"):
        load_model(tmp_path / "other", cache=home.cache).encode_raw_texts(["ein"])


def test_no_sentence_depends_on_those_beside_it(home: Home) -> None:
    encoder = load_model(home.taught, cache=home.cache).text_encoder
    sentences = [german(home.scenes.captions[0]), "a boat", chinese(home.scenes.captions[5]), "", german("a boat")]
    for sentence, found in zip(sentences, encoder.encode(sentences), strict=True):
        alone = encoder.encode([sentence])[0]
        assert found.words == alone.words
        np.testing.assert_allclose(found.states, alone.states, atol=2e-3)
        assert found.states.dtype == found.whole.dtype == np.float16
        assert len(found.states) == len(found.words)
