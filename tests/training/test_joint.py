"""A method trained on two corpora at once: known labels in its batches, one source that selects, exact resume."""

import json
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
from crossgraph.progress import Silent
from crossgraph.training.checkpoint import LAST, LOG, WEIGHTS
from crossgraph.training.dataset import Dataset
from crossgraph.training.loop import Interrupted
from crossgraph.training.prepare import prepare
from crossgraph.verbs import evaluate, train
from tests.training.fake_dataset import MODELS, fake_corpus, fake_dataset, fake_images, fake_texts, fake_trainer
from tests.training.fake_encoder import encode_by_colour
from tests.training.test_train import stop_at


@pytest.fixture(autouse=True)
def _fake_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    encode_by_colour(monkeypatch)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Corpus]:
    """Two drawn sets; the second, of another seed, has labels and no captions in every other picture it trains on."""
    place = tmp_path_factory.mktemp("scenes")
    one, other = draw_scenes(place / "one", 24), draw_scenes(place / "other", 24, seed=5)
    silent = [i for i, split in enumerate(other.image_splits) if split == "train" and i % 2]
    kept = [j for j, image in enumerate(other.caption_image.tolist()) if image not in silent]
    labels = np.arange(24)[:, None] % 3 == np.arange(3)
    other = replace(
        other,
        captions=tuple(other.captions[j] for j in kept),
        caption_image=other.caption_image[kept],
        telling=None if other.telling is None else other.telling[kept],
        labels=labels,
        label_names=("dog", "zebra", "living room"),
        scene_names=("living room",),
    )
    return [replace(one, name="one"), replace(other, name="other")]


def settings(tmp_path: Path, **training: object) -> RunConfig:
    (tmp_path / "left.json").write_text(json.dumps({"labels": ["zebra"], "scenes": []}))
    joint = {"select_source": "one", "shares": {"one": 1, "other": 2}, "steps_per_epoch": 6}
    return RunConfig.model_validate(
        {
            "method": "dual_encoder",
            "texts": {"min_count": 1},
            "labels": {"captions": 3, "leave_out": str(tmp_path / "left.json")},
            "training": {"epochs": 2, "batch_size": 8, "learning_rate": 0.01, **joint, **training},
            "model": MODELS["dual_encoder"],
        }
    )


def test_a_joint_run_is_resumed_to_the_same_end(two: list[Corpus], tmp_path: Path) -> None:
    cache, config = FeatureCache(tmp_path / "cache"), settings(tmp_path)
    model = train(two, config, tmp_path / "whole", cache=cache)
    with pytest.raises(Interrupted):
        train(two, config, tmp_path / "stopped", cache=cache, progress=stop_at(9))
    train(two, config, tmp_path / "stopped", cache=cache, resume=True)
    for name in (WEIGHTS, LOG, LAST):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes(), name
    data = model.manifest.data
    assert (data.name, data.validation_split, data.left_out) == ("one+other", "val of one", ("zebra",))
    assert data.fingerprint == join_corpora(two).fingerprint()
    steps = [json.loads(line) for line in (tmp_path / "whole" / LOG).read_text().splitlines()]
    assert len([line for line in steps if "step" in line]) == 12
    selected = model.manifest.selected
    assert selected is not None
    (found,) = evaluate(model, two[0], split="val").runs
    assert found.strict.metrics.rsum == pytest.approx(selected["rsum"])


def test_words_that_are_left_out_are_in_no_label_and_no_sentence(two: list[Corpus], tmp_path: Path) -> None:
    prepared = prepare(
        join_corpora(two),
        settings(tmp_path),
        tmp_path / "run",
        shortlist=None,
        cache=FeatureCache(tmp_path / "cache"),
        progress=Silent(),
        device="cpu",
    )
    corpus = prepared.dataset.corpus
    assert {"dog", "living room", "ball"} <= set(corpus.label_names)
    assert "zebra" not in corpus.label_names
    said = " ".join(corpus.captions)
    assert "zebra" not in said
    assert "dog" in said
    assert "living room" in said
    assert prepared.validation.dataset.corpus.captions == two[0].split("val").captions
    assert len(prepared.dataset.texts) == len(corpus.captions)


def test_what_does_not_fit_is_refused(two: list[Corpus], tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    with pytest.raises(DataError, match="no pictures from source 'three'; its sources are one, other"):
        train(two, settings(tmp_path, select_source="three"), tmp_path / "run", cache=cache)
    with pytest.raises(ConfigError, match="names 'three', which is no source"):
        train(two, settings(tmp_path, shares={"three": 1.0}), tmp_path / "run", cache=cache)
    given = settings(tmp_path)
    concepts = given.model_copy(update={"labels": given.labels.model_copy(update={"source": "concepts"})})
    with pytest.raises(ConfigError, match=r"labels\.leave_out leaves out given labels"):
        train(two, concepts, tmp_path / "run", cache=cache)
    assert not (tmp_path / "run").exists()


def test_a_batch_says_what_is_known_and_where_from(tmp_path: Path) -> None:
    corpus = fake_corpus([2, 2, 2, 2, 2, 2])
    labels = np.array([[1, 0], [1, 0], [0, 0], [0, 1], [0, 0], [0, 1]], dtype=np.bool_)
    corpus = replace(
        corpus,
        labels=labels,
        label_names=("x", "y"),
        sources=np.array([0, 0, 0, 1, 1, 2]),
        source_names=("a", "b", "c"),
    )
    dataset = Dataset(corpus, fake_images(corpus), None, fake_texts(corpus))
    trainer = fake_trainer(tmp_path / "run", dataset=dataset, batch_size=2)
    plan = trainer._plan(0)
    assert plan == trainer._plan(0)
    for step in plan:
        batch = dataset.batch(step, hardness=1.0).to("cpu")
        assert batch.source is not None
        assert batch.source.tolist() == corpus.sources[list(step.images)].tolist()
        assert len(set(batch.source.tolist())) == 1
        expected = [[[True, False], [False, True], [False, True]][source] for source in batch.source.tolist()]
        assert torch.equal(batch.labels_known, torch.tensor(expected))
    plain = fake_dataset()
    alone = plain.batch(fake_trainer(tmp_path / "plain", dataset=plain)._plan(0)[0], hardness=1.0)
    assert alone.labels_known is None
    assert alone.source is None
