"""A corpus of given features through training, evaluation and everything that must refuse it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.matrices_demo import draw_matrices
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.given_tables import given_image_table, given_text_table
from crossgraph.data.given_features import GivenFeatures
from crossgraph.encoders.catalogue import build_text_encoder
from crossgraph.errors import ConfigError, DataError, GalleryError, ModelError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.training.checkpoint import read_manifest
from crossgraph.training.model import TrainedModel
from crossgraph.verbs import evaluate, load_model, probe, train
from tests.training.fake_dataset import MODELS, fake_corpus

PAIRS = draw_matrices(0, train=60, test=20)


def settings(method: str = "dual_encoder", **sections: object) -> RunConfig:
    training = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01}
    return RunConfig.model_validate({"method": method, "training": training, "model": MODELS[method], **sections})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("given")
    return train(PAIRS, settings(), folder / "run", cache=FeatureCache(folder / "cache"))


def with_features(corpus: Corpus, images: np.ndarray, *, kind: str | None = None) -> Corpus:
    assert corpus.features is not None
    features = GivenFeatures(images.astype(np.float32), corpus.features.texts, kind or corpus.features.kind)
    return replace(corpus, features=features)


def test_an_image_is_one_part_and_a_text_one_word() -> None:
    assert PAIRS.features is not None
    images, texts = given_image_table(PAIRS).rows([3, 1]), given_text_table(PAIRS).rows([3, 1, 3])
    assert isinstance(PAIRS.features.images, np.ndarray)
    expected = torch.from_numpy(PAIRS.features.images[[3, 1]].copy())
    assert torch.equal(images.whole, expected)
    assert torch.equal(images.parts, expected[:, None])
    assert images.boxes.tolist() == [[[0, 0, 1, 1]]] * 2
    assert images.mask.tolist() == [[True]] * 2
    assert texts.states is not None
    assert torch.equal(texts.states[:, 0], torch.from_numpy(PAIRS.features.texts[[3, 1, 3]].copy()))
    assert texts.words == (("text 4",), ("text 2",), ("text 4",))


def test_texts_of_one_name_and_other_features_are_refused() -> None:
    with pytest.raises(DataError, match="two texts are called 'text 1'"):
        given_text_table(replace(PAIRS, captions=("text 1",) * len(PAIRS.captions)))


@pytest.mark.parametrize("method", ["dual_encoder", "kidrr"])
def test_methods_train_and_evaluate_on_given_features_unchanged(method: str, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    trained = train(PAIRS, settings(method), tmp_path / "run", cache=cache)
    loaded = load_model(tmp_path / "run", cache=cache)
    report = evaluate(loaded, PAIRS, split="test")
    assert (report.protocol.images, report.protocol.captions) == (20, 20)
    assert report.to_json() == evaluate(trained, PAIRS, split="test").to_json()
    assert not (tmp_path / "cache").exists()


def test_the_manifest_says_which_features(run: TrainedModel) -> None:
    manifest = read_manifest(run.run)
    assert manifest.given == {"kind": "matrices-demo:0", "image_width": 128, "text_width": 10}
    assert manifest.sizes.part_width == manifest.sizes.whole_width == 128
    assert manifest.sizes.state_width == 10
    assert manifest.image_encoder.startswith("given-")
    assert build_text_encoder(manifest.text_encoder).describe() == manifest.text_encoder


def test_other_features_are_refused(run: TrainedModel) -> None:
    assert PAIRS.features is not None
    assert isinstance(PAIRS.features.images, np.ndarray)
    narrow = with_features(PAIRS, PAIRS.features.images[:, :64])
    other = with_features(PAIRS, PAIRS.features.images, kind="another encoder's")
    images = fake_corpus([1] * 4, split="val")
    for corpus, complaint in (
        (narrow, "64 numbers an image"),
        (other, "another encoder's: 128"),
        (images, "has pictures and sentences"),
    ):
        with pytest.raises(ModelError, match=f"trained on given features .*{complaint}"):
            evaluate(run, corpus, split="val")


def test_pictures_sentences_and_galleries_are_refused(run: TrainedModel, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(ModelError, match=r"given features .*cannot read a picture.*folders"):
        run.encode_image_files([tmp_path / "a.png"])
    with pytest.raises(ModelError, match="cannot read a sentence"):
        run.encode_raw_texts(["a dog"])
    with pytest.raises(ModelError, match="cannot read a sentence"):
        Gallery.create(tmp_path / "gallery", run)
    assert not (tmp_path / "gallery").exists()
    with pytest.raises(ConfigError, match="no sentences that could be made false"):
        probe(run, PAIRS)


def test_a_gallery_takes_no_given_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gallery, "__init__", lambda _: None)
    empty = Manifest(model="m", shortlist=None, method="cca", run=None, width=1)
    monkeypatch.setattr(Gallery, "follow", lambda _: empty)
    with pytest.raises(GalleryError, match="given features and no pictures"):
        Gallery().index(PAIRS)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (settings("sgfns"), "sgfns reads scene graphs"),
        (settings(images={"mirror": True}), "cannot be mirrored"),
        (settings(labels={"source": "concepts"}), "no captions to derive labels from"),
    ],
)
def test_what_needs_pictures_or_sentences_is_refused_before_training(
    config: RunConfig, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, DataError), match=complaint):
        train(PAIRS, config, tmp_path / "run", cache=FeatureCache(tmp_path / "cache"))
    assert not (tmp_path / "run").exists()
