"""A finished dual encoder with a query bank: what it keeps, what it chose by, what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.joined import join_corpora
from crossgraph.errors import ConfigError, DataError
from crossgraph.training.model import TrainedModel
from crossgraph.training.query_banks import SHARES, SHARPNESSES, draw_bank
from crossgraph.verbs import add_query_bank, ensemble, evaluate, load_model, train
from tests.training.fake_dataset import MODELS


def settings(method: str = "dual_encoder", seed: int = 0) -> RunConfig:
    return RunConfig.model_validate(
        {
            "method": method,
            "images": {"encoder": "efficientnet-lite0", "size": 64, "cells": [2]},
            "texts": {"min_count": 1},
            "training": {"epochs": 1, "batch_size": 8, "seed": seed},
            "model": MODELS[method],
        }
    )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 40)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return FeatureCache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def plain(scenes: Corpus, cache: FeatureCache, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return train(scenes, settings(), tmp_path_factory.mktemp("runs") / "plain", cache=cache)


def test_a_run_with_a_bank_ranks_as_its_report_says(
    plain: TrainedModel, scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    made, report = add_query_bank(plain.run, scenes, tmp_path / "bank", images=20, texts=25, cache=cache)
    assert (report.images, report.texts) == (20, 25)
    assert {(trial.share, trial.sharpness) for trial in report.trials} == {
        (share, sharpness) for share in SHARES for sharpness in SHARPNESSES
    }
    assert report.best.rsum == max(trial.rsum for trial in report.trials)
    model = made.config.model
    assert (model["bank_share"], model["bank_sharpness"]) == (report.best.share, report.best.sharpness)
    loaded = load_model(made.run, cache=cache)
    assert loaded.fingerprint == made.fingerprint != plain.fingerprint
    assert evaluate(loaded, scenes, split="val").strict.mean["rsum"] == pytest.approx(report.best.rsum, abs=0.2)
    assert evaluate(plain, scenes, split="val").strict.mean["rsum"] == pytest.approx(report.without, abs=0.2)
    assert made.manifest.selected is not None
    assert made.manifest.selected["rsum"] == report.best.rsum
    assert not plain.manifest.config.model.get("bank_images")
    fixed, told = add_query_bank(
        plain.run, scenes, tmp_path / "fixed", images=20, texts=25, share=0.5, sharpness=20.0, cache=cache
    )
    assert [trial for trial in report.trials if (trial.share, trial.sharpness) == (0.5, 20)] == list(told.trials)
    assert fixed.config.model["bank_share"] == 0.5
    again, _ = add_query_bank(plain.run, scenes, tmp_path / "again", images=20, texts=25, cache=cache)
    assert again.fingerprint == made.fingerprint


def test_explanations_have_the_score_of_the_charged_vectors(
    plain: TrainedModel, scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    other = train(scenes, settings(seed=1), tmp_path / "other", cache=cache)
    both = ensemble([plain.run, other.run], tmp_path / "both", cache=cache)
    for run in (plain, both):
        made, _ = add_query_bank(run.run, scenes, tmp_path / f"bank-{run.run.name}", images=20, texts=20, cache=cache)
        path, sentence = scenes.image_paths[0], scenes.captions[0]
        told, before = made.explain(sentence, path), run.explain(sentence, path)
        encoded = made.encode_image_files([path]).encoded.embedding
        score = float(encoded[0] @ made.encode_raw_texts([sentence]).embedding[0])
        assert told.score == pytest.approx(score, abs=1e-5)
        torch.testing.assert_close(told.word_scores * 1.5, before.word_scores, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(told.weights, before.weights)
        assert torch.linalg.vector_norm(encoded) == pytest.approx(1, abs=1e-5)


def test_every_source_has_its_share_of_the_bank(scenes: Corpus) -> None:
    parts = {"small": range(5), "large": range(5, 40)}
    joined = join_corpora([replace(scenes.take(list(rows)), name=name) for name, rows in parts.items()])
    assert joined.sources is not None
    images, texts = draw_bank(joined, 20, 20, seed=3)
    assert np.bincount(joined.sources[images]).tolist() == [5, 15]
    assert np.bincount(joined.sources[joined.caption_image[texts]]).tolist() == [10, 10]
    assert draw_bank(joined, 20, 20, seed=3) == (images, texts)
    assert draw_bank(joined, 20, 20, seed=4) != (images, texts)
    assert len(draw_bank(scenes, 1000, 10, seed=0)[0]) == 40
    images, texts = draw_bank(joined, 20, 20, seed=3, shares={"large": 1.0, "small": 0.25})
    assert np.bincount(joined.sources[images]).tolist() == [4, 16]
    assert np.bincount(joined.sources[joined.caption_image[texts]]).tolist() == [4, 16]
    assert not np.bincount(joined.sources[draw_bank(joined, 20, 20, seed=3, shares={"large": 1.0})[0]])[0]


def test_what_can_have_no_bank_is_refused(
    plain: TrainedModel, scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    made, _ = add_query_bank(plain.run, scenes, tmp_path / "bank", images=20, texts=20, cache=cache)
    with pytest.raises(ConfigError, match="is there already"):
        add_query_bank(plain.run, scenes, made.run, cache=cache)
    with pytest.raises(ConfigError, match="has a query bank already"):
        add_query_bank(made.run, scenes, tmp_path / "twice", cache=cache)
    with pytest.raises(ConfigError, match="join the runs it was made of"):
        ensemble([plain.run, made.run], tmp_path / "joined", cache=cache)
    kidrr = train(scenes, settings("kidrr"), tmp_path / "kidrr", cache=cache)
    with pytest.raises(ConfigError, match="for dual_encoder and encoder_ensemble"):
        add_query_bank(kidrr.run, scenes, tmp_path / "none", cache=cache)
    with pytest.raises(DataError, match="wants 10 of each"):
        add_query_bank(plain.run, scenes, tmp_path / "none", images=5, cache=cache)
    with_bank = settings()
    with_bank = with_bank.model_copy(update={"model": {**with_bank.model, "bank_images": 3, "bank_texts": 3}})
    with pytest.raises(ConfigError, match="of a finished run"):
        train(scenes, with_bank, tmp_path / "none", cache=cache)
    assert not (tmp_path / "none").exists()
