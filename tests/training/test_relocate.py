"""A run finds its encoders where they were, as far away as they were, or where it is told that they are."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.encoders import names
from crossgraph.errors import ModelError
from crossgraph.gallery.stages.cascade_model import CascadeModel, build_cascade
from crossgraph.training.checkpoint import Place, read_manifest
from crossgraph.training.relocate import relocate_run
from crossgraph.verbs import load_model, load_search_model, train
from tests.training.fake_dataset import MODELS
from tests.training.tiny_models import save_bert, save_vit

SENTENCES = ["a red circle", "a blue square"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 24)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, scenes: Corpus) -> Path:
    """A folder with models/vit, models/bert, and work/run, a re-ranker with a shortlist, both trained on these."""
    home = tmp_path_factory.mktemp("home")
    save_vit(home / "models" / "vit")
    save_bert(home / "models" / "bert")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        cache = FeatureCache(home / "cache")
        train(scenes, settings("dual_encoder"), home / "dual", cache=cache)
        train(scenes, settings("kidrr"), home / "work" / "run", shortlist=home / "dual", cache=cache)
    return home


def settings(method: str, **training: object) -> RunConfig:
    """Encoders by a path as it was typed, seen from where it was typed."""
    return RunConfig.model_validate(
        {
            "method": method,
            "images": {"encoder": "./models/vit", "cells": [2]},
            "texts": {"encoder": "models/bert/"},
            "training": {"epochs": 1, "batch_size": 6, **training},
            "model": MODELS[method],
        }
    )


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    """A home of one's own, as if trained there."""
    copy = tmp_path / "home"
    shutil.copytree(trained, copy, ignore=shutil.ignore_patterns("cache"))
    relocate_run(copy, {trained: copy})
    return copy


def encodings(run: Path, scenes: Corpus, cache: Path) -> list[torch.Tensor]:
    model = load_model(run, cache=FeatureCache(cache))
    assert model.shortlist is not None
    return [one.encode_image_files(scenes.image_paths[:3]).encoded.embedding for one in (model, model.shortlist)] + [
        one.encode_raw_texts(SENTENCES).embedding for one in (model, model.shortlist)
    ]


def all_equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(left, right) for left, right in zip(one, other, strict=True))


def test_a_run_is_the_same_wherever_it_is_used_from(trained: Path, scenes: Corpus, tmp_path: Path) -> None:
    manifest = read_manifest(trained / "work" / "run")
    assert manifest.places == {
        "image encoder": Place(path=str(trained / "models" / "vit"), from_run="../../models/vit"),
        "text encoder": Place(path=str(trained / "models" / "bert"), from_run="../../models/bert"),
    }
    shortlist = read_manifest(trained / "work" / "run" / "shortlist")
    assert shortlist.places["image encoder"].from_run == "../../../models/vit"
    assert encodings(trained / "work" / "run", scenes, tmp_path / "cache")


def test_everything_can_move_together_without_a_word(home: Path, scenes: Corpus, tmp_path: Path) -> None:
    before = encodings(home / "work" / "run", scenes, tmp_path / "cache")
    home.rename(tmp_path / "elsewhere")
    assert all_equal(before, encodings(tmp_path / "elsewhere" / "work" / "run", scenes, tmp_path / "other"))


def test_an_encoder_that_is_gone_is_named_with_its_fingerprint(home: Path, scenes: Corpus, tmp_path: Path) -> None:
    (home / "models").rename(tmp_path / "kept")
    run = home / "work" / "run"
    model = load_model(run, cache=FeatureCache(tmp_path / "cache"))
    sought = read_manifest(run).image_encoder
    with pytest.raises(ModelError, match=rf"image encoder with fingerprint {sought} that was at .*vit.*gallery move"):
        model.encode_image_files(scenes.image_paths[:1])
    with pytest.raises(ModelError, match=r"text encoder with fingerprint .* that was at .*bert"):
        model.encode_raw_texts(SENTENCES)


def test_a_run_that_is_told_finds_its_encoders_and_so_does_its_shortlist(
    home: Path, scenes: Corpus, tmp_path: Path
) -> None:
    run = home / "work" / "run"
    before, print_before = encodings(run, scenes, tmp_path / "cache"), load_model(run).fingerprint
    (home / "models").rename(tmp_path / "kept")
    (tmp_path / "kept" / "vit").rename(tmp_path / "kept" / "eyes")
    changed = relocate_run(
        run, {home / "models": tmp_path / "kept", home / "models" / "vit": tmp_path / "kept" / "eyes"}
    )
    assert [file.parent for file in changed] == [run, run / "shortlist"]
    assert all_equal(before, encodings(run, scenes, tmp_path / "other"))
    assert load_model(run).fingerprint == print_before
    assert str(home / "models") not in (run / "manifest.json").read_text()


def test_what_does_not_lie_under_a_moved_folder_is_left_alone(home: Path) -> None:
    run = home / "work" / "run"
    before = (run / "manifest.json").read_bytes()
    assert relocate_run(run, {home / "mod": home / "x", Path("models"): Path("y"), home / "models" / "vi": home}) == ()
    assert (run / "manifest.json").read_bytes() == before


def test_what_is_found_at_a_hint_must_be_the_encoder_that_was_trained_on(
    home: Path, scenes: Corpus, tmp_path: Path
) -> None:
    from transformers import ViTConfig, ViTModel

    ViTModel(
        ViTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=32,
            patch_size=8,
        )
    ).save_pretrained(home / "models" / "vit")
    model = load_model(home / "work" / "run", cache=FeatureCache(tmp_path / "cache"))
    with pytest.raises(ModelError, match="but the encoder here has"):
        model.encode_image_files(scenes.image_paths[:1])


def test_a_cascade_is_told_in_all_its_parts(home: Path, scenes: Corpus, tmp_path: Path) -> None:
    cascade = tmp_path / "cascade"
    cache = FeatureCache(tmp_path / "cache")
    build_cascade(cascade, cache=cache, codes="random:16", dense=home / "dual", rerank=home / "work" / "run")
    before = CascadeModel(cascade, cache=cache).encode_raw_texts(SENTENCES).embedding
    assert read_manifest(cascade / "dense").places["text encoder"].from_run == "../../home/models/bert"
    (home / "models").rename(tmp_path / "kept")
    assert len(relocate_run(cascade, {home / "models": tmp_path / "kept"})) == 2
    assert torch.equal(CascadeModel(cascade, cache=cache).encode_raw_texts(SENTENCES).embedding, before)


def test_a_run_that_a_manifest_sends_to_the_hub_fetches_nothing(
    home: Path, scenes: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def snapshot_download(name: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        asked.append(local_files_only)
        raise OSError("not in the cache")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    run = home / "work" / "run"
    edit(run, lambda told: (told.pop("places"), told["config"]["images"].update(encoder="hf:somebody/network")))
    model = load_model(run, cache=FeatureCache(tmp_path / "cache"))
    with pytest.raises(ModelError, match="not fetched unasked"):
        model.encode_image_files(scenes.image_paths[:1])
    assert asked == [True]


def edit(run: Path, change: Callable[[dict], object]) -> None:  # type: ignore[type-arg]
    told = json.loads((run / "manifest.json").read_text())
    change(told)
    (run / "manifest.json").write_text(json.dumps(told))


def test_where_encoders_lie_is_no_part_of_what_a_run_is(trained: Path, home: Path) -> None:
    one, other = read_manifest(trained / "dual"), read_manifest(home / "dual")
    assert one.places != other.places
    assert one.fingerprint == other.fingerprint
    texts = other.config.texts.model_copy(update={"encoder": "typed otherwise"})
    typed = other.model_copy(update={"config": other.config.model_copy(update={"texts": texts})})
    assert typed.fingerprint == one.fingerprint
    assert other.model_copy(update={"image_encoder": "another"}).fingerprint != one.fingerprint


def test_training_goes_on_after_its_encoders_moved(home: Path, scenes: Corpus, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(home)
    cache = FeatureCache(tmp_path / "cache")
    weights = train(scenes, settings("dual_encoder"), home / "again", cache=cache).fingerprint
    (home / "models").rename(home / "kept")
    told = settings("dual_encoder").model_dump()
    told["images"]["encoder"], told["texts"]["encoder"] = "kept/vit", "kept/bert"
    resumed = train(scenes, RunConfig.model_validate(told), home / "again", cache=cache, resume=True)
    assert resumed.fingerprint == weights
    assert read_manifest(home / "again").places["image encoder"].path == str(home / "kept" / "vit")


def test_a_model_that_comes_with_a_package_is_loaded_by_its_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("models_of_ours")
    package.__file__ = str(home / "work" / "__init__.py")
    monkeypatch.setitem(sys.modules, "models_of_ours", package)
    monkeypatch.setattr(names, "MODELS", {"default": "models_of_ours:run"})
    monkeypatch.setattr(names, "BUILT_IN", {"model": ("default",)})
    expected = load_model(home / "work" / "run").fingerprint
    assert load_search_model("default").fingerprint == load_model("default").fingerprint == expected
