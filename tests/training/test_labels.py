"""Which labels a run remembers, and how other splits come by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossgraph.config import LabelsConfig, RunConfig
from crossgraph.data.concepts import ConceptVocabulary
from crossgraph.data.corpus import DERIVED_LABELS, Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.errors import DataError, ModelError
from crossgraph.methods.dual_encoder import DualEncoder
from crossgraph.training.checkpoint import read_manifest
from crossgraph.training.labels import derive_labels, describe_labels, labels_as_trained
from crossgraph.verbs import load_model, train
from tests.training.fake_dataset import MODELS
from tests.training.fake_encoder import encode_by_colour

CONCEPTS = {"source": "concepts", "count": 6, "most": 0.9}


@pytest.fixture(autouse=True)
def _fake_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    encode_by_colour(monkeypatch)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Twenty training scenes, two to validate with and two to test with; no labels."""
    drawn = draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 24)
    return replace(drawn, labels=None, label_names=())


def settings(**labels: object) -> RunConfig:
    training = {"epochs": 1, "batch_size": 8}
    return RunConfig.model_validate({"training": training, "model": MODELS["dual_encoder"], "labels": labels})


def test_a_run_remembers_its_concepts_and_labels_other_splits_alike(
    scenes: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = []
    monkeypatch.setattr(DualEncoder, "reads_labels", True)
    monkeypatch.setattr(DualEncoder, "learn", lambda _, training_set: learnt.append(training_set))
    cache = FeatureCache(tmp_path / "cache")
    train(scenes, settings(**CONCEPTS), tmp_path / "run", cache=cache)
    manifest = read_manifest(tmp_path / "run")
    assert manifest.labels["kind"] == DERIVED_LABELS
    assert len(manifest.labels["names"]) == manifest.sizes.labels == 6
    assert manifest.data.fingerprint == scenes.fingerprint()
    assert learnt[0].labels.shape == (20, 6)
    assert list(learnt[0].label_names) == manifest.labels["names"]
    labelled = load_model(tmp_path / "run", cache=cache).with_labels(scenes.split("test"))
    derived, _ = derive_labels(scenes, LabelsConfig.model_validate(CONCEPTS), cache=cache)
    assert labelled.label_kind == DERIVED_LABELS
    assert np.array_equal(labelled.labels, derived.split("test").labels)


def test_only_training_captions_choose_the_concepts(scenes: Corpus, tmp_path: Path) -> None:
    cache, asked = FeatureCache(tmp_path / "cache"), LabelsConfig.model_validate(CONCEPTS)
    _, whole = derive_labels(scenes, asked, cache=cache)
    rest = tuple(
        text if scenes.image_splits[image] == "train" else "zebras and zebras"
        for text, image in zip(scenes.captions, scenes.caption_image, strict=True)
    )
    _, changed = derive_labels(replace(scenes, captions=rest), asked, cache=cache)
    assert changed == whole


def test_a_method_that_needs_labels_says_how_to_derive_them(
    scenes: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DualEncoder, "reads_labels", True)
    with pytest.raises(DataError, match=r"has none.*with labels\.source=concepts"):
        train(scenes, settings(), tmp_path / "run", cache=FeatureCache(tmp_path / "cache"))


def test_a_corpus_with_other_labels_than_a_run_is_refused(scenes: Corpus, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    own = replace(scenes, labels=np.zeros((len(scenes), 2), dtype=np.bool_), label_names=("a", "b"))
    described = describe_labels(own, None)
    assert described == {"kind": "labels", "names": ["a", "b"]}
    assert labels_as_trained(own, described, cache=cache) is own
    assert labels_as_trained(own, None, cache=cache) is own
    with pytest.raises(ModelError, match=r"trained on 2 labels \(a, b\), but corpus .* has 0"):
        labels_as_trained(scenes, described, cache=cache)
    derived = describe_labels(scenes, ConceptVocabulary(("cat", "dog"))) | {"parser": "another"}
    with pytest.raises(ModelError, match="read by caption parser another"):
        labels_as_trained(scenes, derived, cache=cache)
