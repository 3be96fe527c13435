"""Training on a device that is not the processor: the same run as there, stopped and resumed without a trace."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.methods.catalogue import METHODS, method_type
from crossgraph.training.checkpoint import LAST, LOG, WEIGHTS, read_tensors
from crossgraph.training.loop import Interrupted
from crossgraph.verbs import load_model, train
from tests.training.fake_dataset import MODELS, Watcher
from tests.training.fake_encoder import encode_by_colour


@pytest.fixture(autouse=True, scope="module")
def _fake_encoder() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        encode_by_colour(patched)
        yield


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Eight scenes to train on, two to validate with; two captions each, since every step takes its time."""
    drawn = draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 12).take(list(range(10)))
    kept = [caption for captions in drawn.captions_of_images() for caption in captions[:2]]
    return replace(
        drawn,
        image_splits=("train",) * 8 + ("val",) * 2,
        captions=tuple(drawn.captions[caption] for caption in kept),
        caption_image=drawn.caption_image[kept],
        twin_group=None,
        telling=None,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return FeatureCache(tmp_path_factory.mktemp("cache"))


def settings(method: str, **training: object) -> RunConfig:
    training = {"epochs": 2, "batch_size": 4, "average": 0.9, "learning_rate": 0.01, **training}
    return RunConfig.model_validate(
        {"method": method, "texts": {"min_count": 1}, "training": training, "model": MODELS[method]}
    )


def everything(run: Path) -> dict[str, Any]:
    return {**read_tensors(run / LAST)[0], "log": (run / LOG).read_text(), "weights": (run / WEIGHTS).read_bytes()}


@pytest.fixture(params=[name for name, kind in METHODS.items() if not kind.one_model])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def dual(scenes: Corpus, cache: FeatureCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that finds look-alikes."""
    run = tmp_path_factory.mktemp("dual") / "run"
    train(scenes, settings("dual_encoder", epochs=1), run, cache=cache)
    return run


def test_a_run_stopped_and_resumed_on_a_device_is_the_undisturbed_one(
    method: str, device: str, dual: Path, scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    reranks = method_type(method).reranks
    asked: dict[str, Any] = {"shortlist": dual if reranks else None, "cache": cache, "device": device}
    chosen = settings(method, neighbours=3 if reranks else 0)
    whole = train(scenes, chosen, tmp_path / "whole", **asked)
    stop = Watcher(lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 3 else None)
    if whole.method.phases():
        with pytest.raises(Interrupted):
            train(scenes, chosen, tmp_path / "cut", progress=stop, **asked)
        torch.rand(5, device=device)
        train(scenes, chosen, tmp_path / "cut", resume=True, **asked)
        one, other = everything(tmp_path / "whole"), everything(tmp_path / "cut")
        assert one.keys() == other.keys()
        assert [key for key in one if key in ("log", "weights") and one[key] != other[key]] == []
        assert [key for key in one.keys() - {"log", "weights"} if not torch.equal(one[key], other[key])] == []
    assert {value.device.type for value in whole.method.state_dict().values()} <= {torch.device(device).type}


def test_a_run_on_a_device_is_loaded_on_the_processor_and_the_other_way_round(
    device: str, scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    train(scenes, settings("dual_encoder", epochs=1), tmp_path / "run", cache=cache, device=device)
    here, there = (load_model(tmp_path / "run", cache=cache, device=place) for place in ("cpu", device))
    paths, sentences = scenes.image_paths[:3], ["a red circle"]
    for one, other in (
        (here.encode_image_files(paths).encoded, there.encode_image_files(paths).encoded),
        (here.encode_raw_texts(sentences), there.encode_raw_texts(sentences)),
    ):
        assert one.embedding.device.type == "cpu"
        assert other.embedding.device.type == "cuda"
        assert torch.allclose(one.embedding, other.embedding.cpu(), atol=1e-4)
