"""A run that trains its image network: what it keeps, loads, resumes and refuses."""

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.pixel_table import PixelTable
from crossgraph.encoders.catalogue import build_backbone, build_image_encoder
from crossgraph.errors import ConfigError, DataError, ModelError
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import InputSizes
from crossgraph.training.checkpoint import WEIGHTS, read_manifest, read_tensors
from crossgraph.training.fine_tuning import groups_of
from crossgraph.training.loop import Interrupted
from crossgraph.training.model import TrainedModel
from crossgraph.verbs import evaluate, load_model, train
from tests.training.fake_dataset import MODELS, Watcher
from tests.training.tiny_models import save_vit


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 24)


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vit(tmp_path_factory.mktemp("vit"))


def settings(vit: Path, method: str = "dual_encoder", **images: Any) -> RunConfig:
    return RunConfig.model_validate(
        {
            "method": method,
            "images": {"encoder": str(vit), "cells": [2], "trainable": True, **images},
            "texts": {"min_count": 1},
            "training": {"epochs": 2, "batch_size": 8, "learning_rate": 0.01},
            "model": MODELS[method],
        }
    )


@pytest.fixture(scope="module")
def tuned(scenes: Corpus, vit: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("tuned")
    return train(scenes, settings(vit), folder / "run", cache=FeatureCache(folder / "cache"))


def test_the_network_is_trained_and_kept_with_the_weights_of_the_run(tuned: TrainedModel, vit: Path) -> None:
    kept, _ = read_tensors(tuned.run / WEIGHTS)
    start = build_backbone(str(vit)).state_dict()
    network = {name.removeprefix("backbone."): value for name, value in kept.items() if name.startswith("backbone.")}
    assert network.keys() == start.keys()
    assert any(not torch.equal(value, start[name]) for name, value in network.items())


def test_a_run_knows_its_own_encoder_by_the_trained_weights(tuned: TrainedModel, vit: Path) -> None:
    loaded = load_model(tuned.run, cache=tuned.cache)
    own = loaded.image_encoder.fingerprint
    assert own == tuned.image_encoder.fingerprint == read_manifest(tuned.run).image_encoder
    assert own != build_image_encoder(str(vit), cells=(2,)).fingerprint


def test_the_network_is_not_built_for_sentences(tuned: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("built")

    monkeypatch.setattr("crossgraph.training.fine_tuning.trainable_backbone", refuse)
    loaded = load_model(tuned.run, cache=tuned.cache)
    assert len(loaded.encode_raw_texts(["a red ball"]))
    with pytest.raises(AssertionError, match="built"):
        loaded.image_encoder  # noqa: B018


def test_pictures_are_encoded_through_the_trained_network_and_cached_apart(
    tuned: TrainedModel, scenes: Corpus, vit: Path, tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path)
    found = load_model(tuned.run, cache=cache).image_features(scenes.image_paths[:3])[0].rows([0, 1, 2])
    backbone = build_backbone(str(vit)).eval()
    kept, _ = read_tensors(tuned.run / WEIGHTS)
    backbone.load_state_dict({k.removeprefix("backbone."): v for k, v in kept.items() if k.startswith("backbone.")})
    with torch.inference_mode():
        expected = PixelTable(scenes.image_paths[:3], backbone, (2,)).rows([0, 1, 2])
    torch.testing.assert_close(found.parts, expected.parts, atol=1e-2, rtol=1e-2)
    assert [folder.name for folder in tmp_path.iterdir()] == [f"vit-{tuned.image_encoder.fingerprint}"]


def test_a_stopped_run_ends_as_one_that_was_not(scenes: Corpus, vit: Path, tmp_path: Path, tuned: TrainedModel) -> None:
    cache = FeatureCache(tmp_path / "cache")
    stop = Watcher(lambda done: os.kill(os.getpid(), signal.SIGINT) if done == 2 else None)
    with pytest.raises(Interrupted):
        train(scenes, settings(vit), tmp_path / "run", cache=cache, progress=stop)
    resumed = train(scenes, settings(vit), tmp_path / "run", cache=cache, resume=True)
    assert resumed.fingerprint == tuned.fingerprint


def test_a_re_ranker_and_its_shortlist_have_networks_of_their_own(
    scenes: Corpus, vit: Path, tmp_path: Path, tuned: TrainedModel
) -> None:
    chosen = settings(vit, "kidrr", mirror=True)
    train(scenes, chosen, tmp_path / "run", shortlist=tuned.run, cache=tuned.cache)
    model = load_model(tmp_path / "run", cache=FeatureCache(tmp_path / "other"))
    assert model.shortlist is not None
    assert model.image_encoder.fingerprint != model.shortlist.image_encoder.fingerprint
    blended = evaluate(model, scenes, two_stage_k=50)
    assert model.manifest.blend is not None
    assert blended.strict.mean["rsum"] == pytest.approx(model.manifest.blend.validation_rsum[model.blend], abs=0.01)


def test_the_network_is_stepped_at_its_own_rate_and_every_parameter_once(vit: Path) -> None:
    sizes = InputSizes(part_width=16, whole_width=16, vocabulary=9, labels=4, label_width=4)
    for name in ("dual_encoder", "scahn"):
        method = build_method(name, MODELS[name], sizes)
        method.backbone = build_backbone(str(vit))
        network = {id(parameter) for parameter in method.backbone.parameters()}
        groups = [group for phase in method.phases() for group in groups_of(method, phase, backbone_rate=0.1)]
        members = [id(parameter) for group in groups for parameter in group.parameters]
        assert sorted(members) == sorted(id(parameter) for parameter in method.parameters())
        for group in groups:
            assert {id(parameter) in network for parameter in group.parameters} <= {group.rate == pytest.approx(0.1)}


@pytest.mark.parametrize(
    ("method", "images", "message"),
    [("cca", {}, "solved, not trained"), ("dual_encoder", {"regions": "graphs.jsonl"}, r"images\.regions")],
)
def test_what_cannot_go_with_a_network_in_training_is_refused(
    method: str, images: dict[str, object], message: str, scenes: Corpus, vit: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(scenes, settings(vit, method, **images), tmp_path / "run", cache=FeatureCache(tmp_path / "cache"))
    assert not (tmp_path / "run").exists()


def from_a_block(**changes: object) -> RunConfig:
    """Settings of a run that trains the last blocks of a small EfficientNet, with everything that goes with it."""
    images: dict[str, Any] = {"encoder": "efficientnet-lite0", "size": 96, "from_block": 12, "crops": [4, 5]}
    chosen = settings(Path(), **images, rate_decay=0.8, mirror=True, uncropped=0.5)
    model = {**MODELS["dual_encoder"], "class_weight": 0.5, "ignore_equal": True}
    training = chosen.training.model_copy(update={"average": 0.9, **changes})
    return chosen.model_copy(update={"model": model, "training": training})


@pytest.mark.parametrize("name", ["efficientnet-lite1", "efficientnet-lite2"])
def test_larger_networks_are_trained_from_inside_too(name: str, scenes: Corpus, tmp_path: Path) -> None:
    blocks = build_backbone(name, size=64).blocks
    chosen = from_a_block(epochs=1)
    images = chosen.images.model_copy(update={"encoder": name, "from_block": blocks - 2, "crops": (), "size": 64})
    run = train(
        scenes, chosen.model_copy(update={"images": images}), tmp_path / "run", cache=FeatureCache(tmp_path / "cache")
    )
    kept, _ = read_tensors(run.run / WEIGHTS)
    start = build_backbone(name, size=64)
    start.freeze_below(blocks - 2)
    moved = [
        key
        for key, value in start.named_parameters()
        if value.requires_grad and not kept[f"backbone.{key}"].equal(value)
    ]
    assert any(f"_blocks.{blocks - 2}." in key for key in moved)
    assert (
        build_image_encoder(name).prepare(Image.new("RGB", (99, 50))).size
        == {1: (240, 240), 2: (260, 260)}[int(name[-1])]
    )
    evaluated = evaluate(load_model(run.run, cache=FeatureCache(tmp_path / "cache")), scenes, split="val")
    assert run.manifest.selected is not None
    assert evaluated.strict.mean["rsum"] == pytest.approx(run.manifest.selected["rsum"], abs=1.0)


@pytest.fixture(scope="module")
def from_inside(scenes: Corpus, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("inside")
    return train(scenes, from_a_block(), folder / "run", cache=FeatureCache(folder / "cache"))


def test_a_network_that_is_trained_from_a_block_on_is_kept_from_there(from_inside: TrainedModel) -> None:
    kept, _ = read_tensors(from_inside.run / WEIGHTS)
    numbers = {int(name.split(".")[3]) for name in kept if name.startswith("backbone.network._blocks.")}
    assert numbers == {12, 13, 14, 15}
    assert not any("_conv_stem" in name for name in kept)


def test_its_pictures_are_seen_alike_from_the_inner_maps_and_from_files(
    from_inside: TrainedModel, scenes: Corpus
) -> None:
    evaluated = evaluate(from_inside, scenes, split="val")
    assert from_inside.manifest.selected is not None
    assert evaluated.strict.mean["rsum"] == pytest.approx(from_inside.manifest.selected["rsum"], abs=1.0)


def test_a_run_from_a_block_that_was_stopped_ends_as_one_that_was_not(
    scenes: Corpus, tmp_path: Path, from_inside: TrainedModel
) -> None:
    stop = Watcher(lambda done: os.kill(os.getpid(), signal.SIGINT) if done == 2 else None)
    with pytest.raises(Interrupted):
        train(scenes, from_a_block(), tmp_path / "run", cache=from_inside.cache, progress=stop)
    resumed = train(scenes, from_a_block(), tmp_path / "run", cache=from_inside.cache, resume=True)
    assert resumed.fingerprint == from_inside.fingerprint


def test_the_network_of_a_run_is_the_encoder_of_another(
    scenes: Corpus, tmp_path: Path, from_inside: TrainedModel
) -> None:
    other = RunConfig.model_validate(
        {
            "method": "kidrr",
            "images": {"encoder": str(from_inside.run), "cells": [2]},
            "texts": {"min_count": 1},
            "training": {"epochs": 1, "batch_size": 8},
            "model": MODELS["kidrr"],
        }
    )
    run = train(scenes, other, tmp_path / "kidrr", shortlist=from_inside.run, cache=from_inside.cache)
    assert run.manifest.image_encoder == read_manifest(from_inside.run).image_encoder
    loaded = load_model(tmp_path / "kidrr", cache=from_inside.cache)
    assert loaded.shortlist is not None
    assert loaded.image_encoder is loaded.shortlist.image_encoder  # one network in memory, and one set of features
    moved = from_inside.run.rename(from_inside.run.parent / "moved")
    try:
        with pytest.raises(ModelError, match="neither there nor at"):
            load_model(tmp_path / "kidrr", cache=from_inside.cache).image_encoder  # noqa: B018
    finally:
        moved.rename(from_inside.run)


def test_a_run_may_read_its_network_as_it_came_beside_the_trained_one(
    scenes: Corpus, tmp_path: Path, from_inside: TrainedModel
) -> None:
    chosen = from_a_block()
    both = chosen.model_copy(
        update={
            "method": "encoder_ensemble",
            "images": chosen.images.model_copy(update={"beside": True}),
            "model": {**chosen.model, "blocks": 2},
        }
    )
    run = train(scenes, both, tmp_path / "run", cache=from_inside.cache)
    assert run.manifest.sizes.part_width == 2560
    evaluated = evaluate(load_model(run.run, cache=from_inside.cache), scenes, split="val")
    assert run.manifest.selected is not None
    assert evaluated.strict.mean["rsum"] == pytest.approx(run.manifest.selected["rsum"], abs=1.0)
    assert build_backbone(str(run.run)).part_width == 2560


def test_a_run_on_turned_pictures_is_another_and_goes_on_where_it_was_stopped(
    scenes: Corpus, tmp_path: Path, from_inside: TrainedModel
) -> None:
    chosen = from_a_block()
    chosen = chosen.model_copy(update={"images": chosen.images.model_copy(update={"turned": ("scenes",)})})
    whole = train(scenes, chosen, tmp_path / "whole", cache=from_inside.cache)
    assert whole.fingerprint != from_inside.fingerprint
    stop = Watcher(lambda done: os.kill(os.getpid(), signal.SIGINT) if done == 2 else None)
    with pytest.raises(Interrupted):
        train(scenes, chosen, tmp_path / "run", cache=from_inside.cache, progress=stop)
    assert (
        train(scenes, chosen, tmp_path / "run", cache=from_inside.cache, resume=True).fingerprint == whole.fingerprint
    )


def test_a_run_that_trained_no_network_is_no_encoder(scenes: Corpus, tmp_path: Path) -> None:
    plain = settings(Path(), encoder="efficientnet-lite0", size=64, trainable=False)
    run = train(scenes, plain, tmp_path / "run", cache=FeatureCache(tmp_path / "cache"))
    with pytest.raises(ConfigError, match="trained no image network"):
        build_backbone(str(run.run))


def test_the_network_of_a_run_with_damaged_weights_is_no_encoder(from_inside: TrainedModel, tmp_path: Path) -> None:
    shutil.copytree(from_inside.run, tmp_path / "run")
    build_backbone(str(tmp_path / "run"))
    content = bytearray((tmp_path / "run" / WEIGHTS).read_bytes())
    content[-len(content) // 4] ^= 0x40
    (tmp_path / "run" / WEIGHTS).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{WEIGHTS} is damaged or belongs to another run"):
        build_backbone(str(tmp_path / "run"))


def test_lower_layers_have_smaller_rates() -> None:
    sizes = InputSizes(part_width=1280, whole_width=1280, vocabulary=9)
    method = build_method("dual_encoder", MODELS["dual_encoder"], sizes)
    backbone = build_backbone("efficientnet-lite0", size=96)
    backbone.freeze_below(13)
    method.backbone = backbone
    rates = {
        id(parameter): group.rate
        for group in groups_of(method, "joint", backbone_rate=0.3, decay=0.5)
        for parameter in group.parameters
    }
    for depth, layer in enumerate(backbone.layers()):
        assert [rates[id(parameter)] for parameter in layer] == pytest.approx([0.3 * 0.5**depth] * len(layer))
    heads = [parameter for name, parameter in method.named_parameters() if not name.startswith("backbone.")]
    assert {rates[id(one)] for one in heads} == {1.0}


@pytest.mark.parametrize(
    ("images", "model", "message"),
    [
        ({"crops": [4]}, {}, r"images\.from_block"),
        ({"beside": True}, {}, r"images\.from_block"),
        ({"from_block": 2}, {}, "none to begin at"),
        ({"turned": ["scenes"], "trainable": False}, {}, r"images\.trainable=true"),
        ({"turned": ["rsicd"]}, {}, "'rsicd', which is no source; there are scenes"),
        ({}, {"class_weight": 1.0}, r"images\.trainable and images\.from_block"),
        ({}, {"label_weight": 1.0}, r"model\.label_weight=0"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    images: dict[str, Any], model: dict[str, object], message: str, scenes: Corpus, vit: Path, tmp_path: Path
) -> None:
    chosen = settings(vit, **images)
    chosen = chosen.model_copy(update={"model": {**chosen.model, **model}})
    unlabelled = replace(scenes, labels=None, label_names=())
    with pytest.raises((ConfigError, DataError), match=message):
        train(unlabelled, chosen, tmp_path / "run", cache=FeatureCache(tmp_path / "cache"))
    assert not (tmp_path / "run").exists()
