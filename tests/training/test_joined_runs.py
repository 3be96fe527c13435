"""Finished dual encoders put side by side: the score is the mean of theirs, and what does not fit is refused."""

from pathlib import Path

import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.errors import ConfigError
from crossgraph.training.joined_runs import join_runs
from crossgraph.training.model import TrainedModel
from crossgraph.verbs import ensemble, load_model, train
from tests.training.fake_dataset import MODELS

SENTENCES = ["a red ball above a tree", "a green boat", "two yellow moons"]


def settings(*, tuned: bool = False, seed: int = 0, cells: int = 2, method: str = "dual_encoder") -> RunConfig:
    block = {"trainable": True, "from_block": 14, "crops": [4, 5], "turned": ["scenes"]} if tuned else {}
    return RunConfig.model_validate(
        {
            "method": method,
            "images": {"encoder": "efficientnet-lite0", "size": 96, "cells": [cells], **block},
            "texts": {"min_count": 1},
            "training": {"epochs": 1, "batch_size": 8, "seed": seed},
            "model": MODELS[method],
        }
    )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 24)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return FeatureCache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def runs(scenes: Corpus, cache: FeatureCache, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainedModel]:
    folder = tmp_path_factory.mktemp("runs")
    wanted = {
        "tuned": settings(tuned=True),
        "frozen": settings(),
        "other": settings(seed=1),
        "finer": settings(cells=3),
        "kidrr": settings(method="kidrr"),
    }
    return {name: train(scenes, chosen, folder / name, cache=cache) for name, chosen in wanted.items()}


def cosines(model: TrainedModel, corpus: Corpus) -> torch.Tensor:
    images = model.encode_image_files(corpus.image_paths[:6]).encoded.embedding
    assert images is not None
    texts = model.encode_raw_texts(SENTENCES).embedding
    assert texts is not None
    return images @ texts.T


@pytest.mark.parametrize("names", [("frozen", "other"), ("tuned", "frozen", "other"), ("frozen", "tuned")])
def test_the_score_is_the_mean_of_the_runs(
    names: tuple[str, ...], runs: dict[str, TrainedModel], scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    made = join_runs([runs[name].run for name in names], tmp_path / "joined", cache=cache)
    mean = torch.stack([cosines(runs[name], scenes) for name in names]).mean(dim=0)
    torch.testing.assert_close(cosines(made, scenes), mean, rtol=0, atol=1e-5)
    again = load_model(tmp_path / "joined", cache=cache)
    assert torch.equal(cosines(again, scenes), cosines(made, scenes))
    one = runs["frozen"].explain(SENTENCES[0], scenes.image_paths[0])
    both = again.explain(SENTENCES[0], scenes.image_paths[0])
    assert both.words == one.words
    assert both.explained == pytest.approx(both.score, abs=1e-4)


def test_an_ensemble_of_a_trained_network_is_the_encoder_of_others_no_less_than_the_run(
    runs: dict[str, TrainedModel], cache: FeatureCache, tmp_path: Path
) -> None:
    made = ensemble([runs["tuned"].run, runs["frozen"].run], tmp_path / "joined", cache=cache)
    assert made.manifest.sizes.part_width == 2 * runs["frozen"].manifest.sizes.part_width
    assert made.image_encoder.fingerprint == made.manifest.image_encoder
    assert made.manifest.selected is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("frozen",), "at least two runs, got 1"),
        (("frozen", "finer"), "differently .cells"),
        (("frozen", "kidrr"), "is 'kidrr'; the runs of an ensemble are dual encoders"),
        (("tuned", "tuned"), "each trained an image network of their own"),
    ],
)
def test_runs_that_do_not_go_together_are_refused(
    names: tuple[str, ...], message: str, runs: dict[str, TrainedModel], cache: FeatureCache, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        join_runs([runs[name].run for name in names], tmp_path / "joined", cache=cache)
    assert not (tmp_path / "joined").exists()


def test_a_folder_that_is_there_is_left_alone(
    runs: dict[str, TrainedModel], cache: FeatureCache, tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is there already"):
        join_runs([runs["frozen"].run, runs["other"].run], tmp_path, cache=cache)
    assert (tmp_path / "note.txt").read_text(encoding="utf-8") == "mine"
