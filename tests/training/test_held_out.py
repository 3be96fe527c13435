"""What a run is selected by is not what it is trained on, and is found again when it is evaluated."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from crossgraph.config import LabelsConfig, RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.splits import drawn_splits
from crossgraph.errors import DataError
from crossgraph.progress import JsonLines, Silent
from crossgraph.training.prepare import prepare
from crossgraph.verbs import evaluate, train
from tests.training.fake_dataset import MODELS
from tests.training.fake_encoder import encode_by_colour


@pytest.fixture(autouse=True)
def _fake_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    encode_by_colour(monkeypatch)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Twenty-four scenes, twenty of them in a train split."""
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 24)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def settings(method: str = "dual_encoder", **training: object) -> RunConfig:
    """Settings of a small run of one epoch."""
    training = {"epochs": 1, "batch_size": 8, **training}
    return RunConfig.model_validate(
        {"method": method, "texts": {"min_count": 1}, "training": training, "model": MODELS[method]}
    )


def test_a_corpus_without_splits_is_never_validated_on_what_it_was_trained_on(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    whole = replace(scenes, image_splits=("all",) * len(scenes))
    prepared = prepare(
        whole, settings(), tmp_path / "run", shortlist=None, cache=cache, progress=Silent(), device="cpu"
    )
    trained_on, selected_on = prepared.dataset.corpus, prepared.validation.dataset.corpus
    assert not set(trained_on.image_ids) & set(selected_on.image_ids)
    assert set(trained_on.image_ids) | set(selected_on.image_ids) == set(whole.image_ids)
    data = train(whole, settings(), tmp_path / "run", cache=cache).manifest.data
    assert data == prepared.manifest.data
    assert (data.validation_split, data.train_images) == ("val", 22)
    assert data.held_out is not None
    assert (data.held_out.held, data.held_out.images) == (2, 24)


def test_what_was_held_out_is_what_is_evaluated_also_when_pictures_have_joined(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    whole = replace(scenes, image_splits=("all",) * len(scenes))
    fewer = whole.take([row for row in range(len(whole)) if row % 3])
    model = train(fewer, settings(), tmp_path / "run", cache=cache)
    held = set(model.split_of(fewer, "val").image_ids)
    report = evaluate(model, fewer)
    assert report.protocol.images == len(held) == 2
    assert "split val (held out by the hash of names)" in report.text()
    grown = set(model.split_of(whole, "val").image_ids)
    assert held <= grown
    assert not grown & set(model.split_of(fewer, "train").image_ids)
    assert "split all (with what was trained on)" in evaluate(model, fewer, split="all").text()
    assert "split train (trained on)" in evaluate(model, fewer, split="train").text()


def test_a_corpus_with_a_train_split_alone_has_a_tenth_of_it_held_out_unless_a_slice_is(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    training = scenes.split("train")
    data = train(training, settings(), tmp_path / "run", cache=cache).manifest.data
    assert (data.train_images, data.validation_split) == (18, "val")
    sliced = train(training, settings(validation_slice=0.2), tmp_path / "sliced", cache=cache)
    assert (sliced.manifest.data.train_images, sliced.manifest.data.held_out) == (16, None)
    with pytest.raises(DataError, match=r"nothing of corpus .* was held out when the run was trained on it"):
        evaluate(sliced, training, split="val")


def test_labels_by_concepts_are_learnt_from_what_is_trained_on_alone(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    whole = replace(scenes, image_splits=("all",) * len(scenes))
    divided = drawn_splits(whole)
    captions = list(whole.captions)
    for row, image in enumerate(whole.caption_image.tolist()):
        if divided.image_splits[image] == "val":
            captions[row] = "a zebra runs"
    config = settings(
        "tsscl",
    ).model_copy(update={"labels": LabelsConfig(source="concepts", least=0.0, most=1.0, count=200)})
    model = train(replace(whole, captions=tuple(captions)), config, tmp_path / "run", cache=cache)
    assert model.label_names
    assert "zebra" not in model.label_names


def test_pictures_of_val_that_are_also_trained_on_are_said_once(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    rows = {split: [row for row, own in enumerate(scenes.image_splits) if own == split] for split in ("train", "val")}
    paths = list(scenes.image_paths)
    leaky = rows["val"][:2]
    for place, row in enumerate(leaky):
        paths[row] = tmp_path / f"copy {place}.jpg"
        paths[row].write_bytes(paths[rows["train"][place]].read_bytes())
    for corpus, said in ((scenes, 0), (replace(scenes, image_paths=tuple(paths)), 1)):
        stream = io.StringIO()
        run = tmp_path / f"run {said}"
        prepare(corpus, settings(), run, shortlist=None, cache=cache, progress=JsonLines(stream), device="cpu")
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        leaks = [line["leak"] for line in lines if line["event"] == "equal pictures"]
        assert len(leaks) == said
    assert leaks[0].startswith(f"{len(leaky)} pictures are both in val and in what is trained on")
