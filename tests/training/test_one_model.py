"""Runs made of a pretrained two-tower model alone, and re-rankers over its features."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageStat
from transformers import CLIPVisionModel

from crossgraph.config import RunConfig, read_config
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.images import read_image
from crossgraph.encoders.catalogue import build_image_encoder, build_text_encoder
from crossgraph.errors import ConfigError, CrossgraphError, ModelError
from crossgraph.methods.pretrained import Pretrained
from crossgraph.training.checkpoint import MANIFEST, WEIGHTS, read_manifest
from crossgraph.training.model import TrainedModel
from crossgraph.training.one_model import with_one_model
from crossgraph.training.relocate import relocate_run
from crossgraph.verbs import build_cascade, evaluate, index, load_model, load_search_model, pretrained, train
from tests.encoders.two_tower_models import save_align, save_clip, save_siglip
from tests.training.fake_dataset import MODELS
from tests.training.tiny_models import save_vit

SENTENCES = ["a red circle", "two dogs, a ball!"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 24)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def made(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    home = tmp_path_factory.mktemp("home")
    return pretrained(clip, home / "run", cells=(2,), cache=FeatureCache(home / "cache"))


def test_a_run_is_made_of_a_models_folder_and_scores_by_its_space(
    made: TrainedModel, clip: Path, scenes: Corpus
) -> None:
    assert sorted(path.name for path in made.run.iterdir()) == [MANIFEST, WEIGHTS]
    loaded = load_model(made.run, cache=made.cache)
    paths = scenes.image_paths[:3]
    images = loaded.encode_image_files(paths).encoded
    texts = loaded.encode_raw_texts(SENTENCES)
    encoder = build_image_encoder(str(clip))
    seen = encoder.encode([read_image(path, shorter_side=encoder.shorter_side) for path in paths])
    read = build_text_encoder({"kind": "transformer", "name": str(clip)}).encode(SENTENCES)
    left, right = (
        F.normalize(torch.stack([torch.from_numpy(one.whole).float() for one in side]), dim=1) for side in (seen, read)
    )
    assert torch.allclose(loaded.method.score(images, texts), left @ right.T, atol=1e-3)
    assert isinstance(loaded.method, Pretrained)
    assert loaded.method.logits_of(torch.tensor([0.0, 1.0])).tolist() == pytest.approx([0, 3.3201], abs=1e-3)
    assert loaded.manifest.parameters == 0


def test_equal_models_give_equal_runs_and_others_give_others(clip: Path, tmp_path: Path, made: TrainedModel) -> None:
    cache = made.cache
    shutil.copytree(clip, tmp_path / "elsewhere")
    same = pretrained(str(tmp_path / "elsewhere"), tmp_path / "same", cells=(2,), cache=cache)
    other = pretrained(save_siglip(tmp_path / "siglip"), tmp_path / "siglip run", cells=(2,), cache=cache)
    third = pretrained(save_align(tmp_path / "align"), tmp_path / "align run", cells=(2,), cache=cache)
    assert same.fingerprint == made.fingerprint
    assert len({made.fingerprint, other.fingerprint, third.fingerprint}) == 3
    assert isinstance(other.method, Pretrained)
    assert other.method.logits.tolist() == pytest.approx([3.3201, -1.5], abs=1e-3)


def test_a_run_finds_its_model_after_both_moved_or_is_told(clip: Path, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    shutil.copytree(clip, tmp_path / "one" / "clip")
    before = pretrained(tmp_path / "one" / "clip", tmp_path / "one" / "run", cache=cache).encode_raw_texts(SENTENCES)
    shutil.move(tmp_path / "one", tmp_path / "two")
    moved = load_model(tmp_path / "two" / "run", cache=cache)
    assert torch.equal(moved.encode_raw_texts(SENTENCES).embedding, before.embedding)
    (tmp_path / "two" / "clip").rename(tmp_path / "clip")
    with pytest.raises(ModelError, match="needs the text encoder"):
        load_model(tmp_path / "two" / "run", cache=cache).encode_raw_texts(SENTENCES)
    relocate_run(tmp_path / "two" / "run", {tmp_path / "one" / "clip": tmp_path / "clip"})
    told = load_model(tmp_path / "two" / "run", cache=cache)
    assert torch.equal(told.encode_raw_texts(SENTENCES).embedding, before.embedding)


def test_it_serves_wherever_a_trained_run_does(made: TrainedModel, scenes: Corpus, tmp_path: Path) -> None:
    report = evaluate(made, scenes, split="train")
    assert report.strict.mean["rsum"] > 0
    build_cascade(tmp_path / "cascade", codes="random:64", dense=made.run, cache=made.cache)
    cascade = load_search_model(tmp_path / "cascade", cache=made.cache)
    for model, stage in ((made, "shortlist"), (cascade, "codes")):
        gallery = tmp_path / stage
        assert index(scenes, gallery, model=model).added == 24


def test_training_it_does_nothing_but_measure(made: TrainedModel, clip: Path, scenes: Corpus, tmp_path: Path) -> None:
    config = read_config(None, changes=["method=pretrained", f"images.encoder={clip}", "images.cells=[2]"])
    run = train(scenes, config, tmp_path / "run", cache=made.cache)
    assert run.config.texts.encoder == str(clip)
    assert torch.equal(run.encode_raw_texts(SENTENCES).embedding, made.encode_raw_texts(SENTENCES).embedding)
    assert isinstance(run.method, Pretrained)
    assert isinstance(made.method, Pretrained)
    assert torch.equal(run.method.towers, made.method.towers)
    assert (read_manifest(tmp_path / "run").selected or {})["epoch"] == 1


def test_a_re_ranker_is_trained_over_its_features(
    made: TrainedModel, clip: Path, scenes: Corpus, tmp_path: Path
) -> None:
    config = RunConfig.model_validate(
        {
            "method": "kidrr",
            "images": {"encoder": str(clip), "cells": [2]},
            "texts": {"encoder": "images"},
            "training": {"epochs": 1, "batch_size": 12},
            "model": MODELS["kidrr"],
        }
    )
    run = train(scenes, config, tmp_path / "kidrr", shortlist=made.run, cache=made.cache)
    assert run.config.texts.encoder == str(clip)
    assert run.image_encoder.fingerprint == made.image_encoder.fingerprint
    build_cascade(tmp_path / "cascade", dense=made.run, rerank=run.run, cache=made.cache)
    cascade = load_search_model(tmp_path / "cascade", cache=made.cache)
    alignment = cascade.explain("a red circle", scenes.image_paths[0])
    assert alignment.words == ("a", "red", "circle")
    assert torch.equal(alignment.boxes, run.image_features(scenes.image_paths[:1])[0].rows([0]).boxes[0])


def test_an_explanation_is_what_the_score_loses_without_a_word_or_a_region(
    made: TrainedModel, scenes: Corpus, tmp_path: Path
) -> None:
    path = scenes.image_paths[0]
    found = made.explain("a red circle!", path)

    def score(sentence: str, picture: Path) -> float:
        images = made.encode_image_files([picture]).encoded
        return float(made.method.score(images, made.encode_raw_texts([sentence]))[0, 0])

    whole = score("a red circle!", path)
    assert found.score == pytest.approx(whole, abs=1e-3)
    for word, less in enumerate(("  red circle!", "a  circle!", "a red !")):
        assert float(found.word_scores[word]) == pytest.approx(whole - score(less, path), abs=2e-3)
    assert found.weights.shape == (4, 3)
    assert found.weights.sum(dim=0).tolist()[1] == pytest.approx(1, abs=1e-4)
    picture = Image.open(path).convert("RGB")
    mean = tuple(round(value) for value in ImageStat.Stat(picture).mean)
    joint = []
    for x1, y1, x2, y2 in found.boxes.tolist():
        painted = picture.copy()
        corners = (x1 * picture.width, y1 * picture.height, x2 * picture.width, y2 * picture.height)
        painted.paste(mean, tuple(map(round, corners)))
        painted.save(tmp_path / "painted.png")
        without = score("a red circle!", tmp_path / "painted.png")
        neither = score("a  circle!", tmp_path / "painted.png")
        joint.append(max(0.0, whole - without - score("a  circle!", path) + neither))
    assert int(found.weights[:, 1].argmax()) == joint.index(max(joint))
    assert made.explain("?!", path).words == ("<empty>",)


def test_a_folder_without_a_text_tower_is_refused(clip: Path, tmp_path: Path) -> None:
    half = shutil.copytree(clip, tmp_path / "half")
    CLIPVisionModel.from_pretrained(clip).save_pretrained(half)
    with pytest.raises(CrossgraphError, match=r"text"):
        pretrained(half, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_weights_without_a_text_tower_are_refused_by_name(clip: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    cut = shutil.copytree(clip, tmp_path / "cut")
    weights = load_file(cut / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("text_model")}
    save_file(kept, cut / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks weights its architecture needs: text_model"):
        pretrained(cut, tmp_path / "run")


def test_what_is_no_two_tower_model_is_refused(tmp_path: Path, made: TrainedModel, clip: Path) -> None:
    with pytest.raises(ConfigError, match="reads no text"):
        pretrained("efficientnet-lite0", tmp_path / "run")
    with pytest.raises(ConfigError, match="no folder"):
        pretrained(tmp_path / "nothing", tmp_path / "run")
    with pytest.raises(CrossgraphError):
        pretrained(save_vit(tmp_path / "vit"), tmp_path / "run")
    with pytest.raises(ModelError, match="is there already"):
        pretrained(clip, made.run)
    assert not (tmp_path / "run").exists()


def test_a_models_folder_in_the_place_of_a_run_is_told_what_to_do(clip: Path) -> None:
    with pytest.raises(ModelError, match=r"crossgraph pretrained .* --out RUN"):
        load_model(clip)


def test_one_name_is_enough_for_both_sides_and_two_are_too_many() -> None:
    one = with_one_model(read_config(None, changes=["method=pretrained", "images.encoder=clip"]))
    assert (one.images.encoder, one.texts.encoder) == ("clip", "clip")
    assert with_one_model(one) == one
    other = read_config(None, changes=["images.encoder=clip"])
    assert with_one_model(other) is other
    same = with_one_model(read_config(None, changes=["images.encoder=clip", "texts.encoder=images"]))
    assert same.texts.encoder == "clip"
    with pytest.raises(ConfigError, match=r"leave texts\.encoder out"):
        with_one_model(read_config(None, changes=["method=pretrained", "images.encoder=clip", "texts.encoder=minilm"]))
    with pytest.raises(ConfigError, match="name a model with a space"):
        with_one_model(read_config(None, changes=["method=pretrained"]))
