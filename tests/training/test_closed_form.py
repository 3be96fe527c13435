"""Methods that are solved go through the same training: one fit, one validation, the same files, resumed as done."""

import json
from pathlib import Path

import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.data.drawn.matrices_demo import draw_matrices
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.methods.cca import Cca
from crossgraph.training.checkpoint import LAST, LOG, MANIFEST, WEIGHTS, read_manifest, read_tensors
from crossgraph.training.dataset import TrainingPass
from crossgraph.training.run_lock import LOCK
from crossgraph.verbs import evaluate, load_model, train
from tests.training.fake_dataset import MODELS, fake_dataset, fake_trainer
from tests.training.fake_encoder import encode_by_colour


@pytest.mark.parametrize("method", ["cca", "random_projection"])
def test_a_method_in_closed_form_is_solved_once_validated_once_and_kept(method: str, tmp_path: Path) -> None:
    trainer = fake_trainer(tmp_path, method=method, epochs=5, average=0.9)
    selected = trainer.train()
    assert selected["epoch"] == 1
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text(encoding="utf-8").splitlines()]
    assert lines == [{"validation": selected}]
    kept, _ = read_tensors(tmp_path / WEIGHTS)
    assert all(torch.equal(value, kept[name]) for name, value in trainer.method.state_dict().items())
    assert kept["space.correlate.correlations"].max() > 0


def test_a_solved_run_is_not_solved_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    selected = fake_trainer(tmp_path, method="cca").train()
    before = {name: (tmp_path / name).read_bytes() for name in (WEIGHTS, LAST, LOG)}
    monkeypatch.setattr(Cca, "fit", lambda *_: pytest.fail("solved again"))
    again = fake_trainer(tmp_path, method="cca")
    again.restore()
    assert again.train() == selected
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_a_run_stopped_before_it_was_solved_is_solved_when_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(Cca, "fit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fake_trainer(tmp_path / "stopped", method="cca").train()
    assert not (tmp_path / "stopped" / LAST).exists()
    selected = fake_trainer(tmp_path / "stopped", method="cca").train()
    assert selected == fake_trainer(tmp_path / "whole", method="cca").train()


@pytest.mark.parametrize("mirror", [False, True])
def test_a_training_pass_shows_every_described_picture_with_all_its_captions(mirror: bool) -> None:
    dataset = fake_dataset([2, 3, 0, 1, 4], mirror=mirror)
    training_pass = TrainingPass(dataset, 2, "cpu")
    batches = list(training_pass)
    views = 2 if mirror else 1
    assert len(batches) == len(training_pass) == 2 * views
    assert [batch.rows.tolist() for batch in batches] == [[0, 1], [3, 4]] * views
    assert [batch.caption_image.tolist() for batch in batches[:2]] == [[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]]
    assert [batch.texts.words for batch in batches[:2]] == [
        dataset.texts.rows(captions).words for captions in ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9])
    ]
    assert torch.equal(batches[0].images.parts, dataset.images.rows([0, 1]).parts)
    if mirror:
        assert torch.equal(batches[2].images.parts, dataset.mirrored.rows([0, 1]).parts)
    again = list(training_pass)
    assert torch.equal(again[-1].images.parts, batches[-1].images.parts)


@pytest.mark.parametrize("name", ["cca", "random_projection"])
def test_the_verbs_train_and_evaluate_it_like_any_method(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_by_colour(monkeypatch)
    scenes, cache = draw_scenes(tmp_path / "scenes", 24), FeatureCache(tmp_path / "cache")
    config = RunConfig.model_validate({"method": name, "texts": {"min_count": 1}, "model": MODELS[name]})
    model = train(scenes, config, tmp_path / "run", cache=cache)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted([LAST, LOCK, LOG, MANIFEST, WEIGHTS])
    manifest = read_manifest(tmp_path / "run")
    assert manifest.parameters == 0
    assert manifest.selected["epoch"] == 1
    resumed = train(scenes, config, tmp_path / "run", cache=cache, resume=True)
    assert resumed.fingerprint == model.fingerprint == manifest.weights
    report = evaluate(model, scenes, split="train")
    assert report.strict.mean["rsum"] > 0


@pytest.mark.parametrize("name", ["cca", "semantic_matching", "dcmh", "random_projection", "random_codes"])
def test_every_baseline_trains_on_given_features_with_labels_and_is_judged_by_them(name: str, tmp_path: Path) -> None:
    pairs = draw_matrices(0, train=200, test=40)
    training = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01, "validation_slice": 0.2, "select_by": "map"}
    config = RunConfig.model_validate({"method": name, "training": training, "model": MODELS[name]})
    model = train(pairs, config, tmp_path / "run", cache=FeatureCache(tmp_path / "cache"))
    selected = read_manifest(tmp_path / "run").selected
    assert (selected["map"] > 0.2) == (name != "random_codes")
    assert load_model(tmp_path / "run", cache=model.cache).fingerprint == model.fingerprint
