"""A run that trains layers of its sentence encoder: what it keeps, loads, resumes, packs and refuses."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.encoders.catalogue import build_text_encoder
from crossgraph.encoders.transformer_text import TransformerTextEncoder
from crossgraph.errors import ConfigError, ModelError
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.gallery.stages.packing import pack_cascade
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import InputSizes
from crossgraph.training.checkpoint import WEIGHTS, read_manifest, read_tensors
from crossgraph.training.fine_tuning import groups_of, trainable_texts
from crossgraph.training.joined_runs import join_runs
from crossgraph.training.loop import Interrupted
from crossgraph.training.model import TrainedModel
from crossgraph.training.teaching import TeachingConfig, teach_languages
from crossgraph.verbs import evaluate, load_model, train
from tests.training.fake_dataset import MODELS, Watcher


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 24)


def settings(method: str = "dual_encoder", *, model: dict[str, object] | None = None, **texts: Any) -> RunConfig:
    return RunConfig.model_validate(
        {
            "method": method,
            "images": {"encoder": "efficientnet-lite0", "size": 64, "cells": [2]},
            "texts": {"encoder": "minilm", "trainable": True, "from_layer": 5, "rate": 0.1, **texts},
            "training": {"epochs": 2, "batch_size": 8, "learning_rate": 0.01, "average": 0.9},
            "model": {**MODELS[method], **(model or {})},
        }
    )


@pytest.fixture(scope="module")
def tuned(scenes: Corpus, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("tuned")
    return train(scenes, settings(), folder / "run", cache=FeatureCache(folder / "cache"))


def test_the_layers_are_trained_and_kept_with_the_weights_of_the_run(tuned: TrainedModel) -> None:
    kept, _ = read_tensors(tuned.run / WEIGHTS)
    start = TransformerTextEncoder("minilm").network.state_dict()
    layers = {name.removeprefix("text_backbone."): one for name, one in kept.items() if name.startswith("text_backb")}
    assert layers.keys() == {name for name in start if name.startswith("encoder.layer.5.")}
    moved = [name for name, value in layers.items() if not torch.equal(value, start[name])]
    assert len(moved) == len(layers)


def test_a_loaded_run_reads_sentences_by_its_own_layers(tuned: TrainedModel, scenes: Corpus) -> None:
    loaded = load_model(tuned.run, cache=tuned.cache)
    own = loaded.text_encoder.fingerprint
    assert own == read_manifest(tuned.run).text_encoder["fingerprint"] == tuned.text_encoder.fingerprint
    assert own != build_text_encoder({"kind": "transformer", "name": "minilm"}).fingerprint
    evaluated = evaluate(loaded, scenes, split="val")
    assert tuned.manifest.selected is not None
    assert evaluated.strict.mean["rsum"] == pytest.approx(tuned.manifest.selected["rsum"], abs=1.0)


def test_a_stopped_run_ends_as_one_that_was_not(scenes: Corpus, tmp_path: Path, tuned: TrainedModel) -> None:
    stop = Watcher(lambda done: os.kill(os.getpid(), signal.SIGINT) if done == 2 else None)
    with pytest.raises(Interrupted):
        train(scenes, settings(), tmp_path / "run", cache=tuned.cache, progress=stop)
    resumed = train(scenes, settings(), tmp_path / "run", cache=tuned.cache, resume=True)
    assert resumed.fingerprint == tuned.fingerprint
    assert read_manifest(tmp_path / "run").text_encoder == read_manifest(tuned.run).text_encoder


@pytest.mark.parametrize("method", ["kidrr", "scahn"])
def test_any_method_that_reads_word_states_can_train_them(
    method: str, scenes: Corpus, tmp_path: Path, tuned: TrainedModel
) -> None:
    chosen = settings(method)
    chosen = chosen.model_copy(update={"training": chosen.training.model_copy(update={"epochs": 1})})
    shortlist = tuned.run if method == "kidrr" else None
    run = train(scenes, chosen, tmp_path / "run", shortlist=shortlist, cache=tuned.cache)
    kept, _ = read_tensors(run.run / WEIGHTS)
    start = TransformerTextEncoder("minilm").network.state_dict()
    name = "encoder.layer.5.output.dense.weight"
    assert not torch.equal(kept[f"text_backbone.{name}"], start[name])
    if run.shortlist is not None:
        assert run.shortlist.text_encoder.fingerprint == tuned.text_encoder.fingerprint
        assert run.text_encoder.fingerprint != run.shortlist.text_encoder.fingerprint


def test_a_packed_cascade_reads_sentences_nearly_alike(tuned: TrainedModel, scenes: Corpus, tmp_path: Path) -> None:
    from crossgraph.gallery.stages.cascade_model import build_cascade

    build_cascade(tmp_path / "cascade", dense=tuned.run, cache=tuned.cache)
    pack_cascade(tmp_path / "cascade", tmp_path / "packed", cache=tuned.cache)
    whole, packed = (CascadeModel(tmp_path / name, cache=tuned.cache) for name in ("cascade", "packed"))
    sentences = list(scenes.captions[:5])
    found, expected = (model.encode_raw_texts(sentences).embedding for model in (packed, whole))
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=2e-2)
    frozen = build_text_encoder({"kind": "transformer", "name": "minilm"}).fingerprint
    manifests = [read_manifest(tmp_path / name / "dense").text_encoder["fingerprint"] for name in ("cascade", "packed")]
    assert len({*manifests, frozen}) == 3


def test_layers_are_stepped_at_their_own_rates() -> None:
    method = build_method(
        "dual_encoder", MODELS["dual_encoder"], InputSizes(part_width=4, whole_width=4, state_width=384)
    )
    chosen = settings(from_layer=3)
    inner = trainable_texts(chosen, build_text_encoder({"kind": "transformer", "name": "minilm"}))
    assert inner is not None
    assert inner.upper is not None
    method.text_backbone = inner.upper
    groups = groups_of(method, "joint", backbone_rate=9.0, text_rate=0.1, text_decay=0.5)
    rates = {id(parameter): group.rate for group in groups for parameter in group.parameters}
    assert rates.keys() == {id(parameter) for parameter in method.parameters()}
    for depth, layer in enumerate(inner.upper.layers()):
        assert [rates[id(parameter)] for parameter in layer] == pytest.approx([0.1 * 0.5**depth] * 16)
    assert sorted({round(group.rate, 6) for group in groups}) == [0.025, 0.05, 0.1, 1.0]


def test_frozen_sentences_are_cached_and_read_as_before(scenes: Corpus, tmp_path: Path) -> None:
    run = train(scenes, settings(trainable=False), tmp_path / "run", cache=FeatureCache(tmp_path / "cache"))
    frozen = build_text_encoder({"kind": "transformer", "name": "minilm"})
    assert run.manifest.text_encoder["fingerprint"] == frozen.fingerprint
    assert not [name for name in read_tensors(run.run / WEIGHTS)[0] if "backbone" in name]
    assert [path.name for path in (tmp_path / "cache").iterdir() if "minilm" in path.name] == [
        f"minilm-{frozen.fingerprint}"
    ]


@pytest.mark.parametrize(
    ("method", "texts", "message"),
    [
        ("cca", {}, "solved, not trained"),
        ("dual_encoder", {"encoder": "words"}, "no plain BERT"),
        ("dual_encoder", {"from_layer": 6}, r"texts\.from_layer"),
    ],
)
def test_what_cannot_go_with_it_is_refused(
    method: str, texts: dict[str, Any], message: str, scenes: Corpus, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(scenes, settings(method, **texts), tmp_path / "run", cache=FeatureCache(tmp_path / "cache"))
    assert not (tmp_path / "run").exists()


def test_neither_joined_nor_taught(tuned: TrainedModel, scenes: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"texts\.trainable=false"):
        join_runs([tuned.run, tuned.run], tmp_path / "joined", cache=tuned.cache)
    with pytest.raises(ModelError, match=r"texts\.trainable=false"):
        teach_languages([tuned], {"train": scenes, "val": scenes}, {}, TeachingConfig())
