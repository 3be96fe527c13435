"""An ablation on few pictures: what it writes, that it goes on where it was stopped, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, stdev

import pytest

from crossgraph import ablation
from crossgraph.ablation import plan_variants, run_ablation
from crossgraph.config import RunConfig, validated
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.errors import ConfigError
from crossgraph.evaluation.ablation_table import BY_ITSELF, AblationResult
from crossgraph.evaluation.protocols import protocol_named
from crossgraph.methods.catalogue import METHODS
from crossgraph.methods.dual_encoder import DualEncoder
from crossgraph.progress import Silent, Task
from crossgraph.training.checkpoint import LAST, read_manifest
from crossgraph.verbs import evaluate, probe

CONFIG = validated(
    RunConfig,
    {
        "images": {"size": 64, "cells": [2]},
        "texts": {"min_count": 1},
        "training": {"epochs": 2, "batch_size": 8},
        "model": {"width": 16, "word_width": 16, "heads": 2},
    },
)
ASKED = {"seeds": 2, "only": ["triplet-loss"]}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    """Forty drawn pictures, and a cache of this module alone."""
    folder = tmp_path_factory.mktemp("ablation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSGRAPH_CACHE", str(folder / "cache"))
        yield draw_scenes(folder / "scenes", 40, seed=1)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the ablation."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def result(corpus: Corpus, out: Path) -> AblationResult:
    """An ablation, run once."""
    return run_ablation(corpus, CONFIG, out, **ASKED)  # type: ignore[arg-type]


def nothing(*_: object, **__: object) -> None:
    raise AssertionError("this work was done before")


def test_numbers_are_means_and_deviations_over_separately_measured_runs(
    result: AblationResult, corpus: Corpus, out: Path
) -> None:
    assert [variant.name for variant in result.variants] == ["full", "triplet-loss"]
    table = json.loads((out / "ablation.json").read_text())["variants"]
    for variant in table:
        folders = [out / run["folder"] for run in variant["runs"]]
        assert [read_manifest(folder).config.training.seed for folder in folders] == [0, 1]
        rsums = [evaluate(folder, corpus).strict.mean["rsum"] for folder in folders]
        assert variant["measures"]["rsum"]["mean"] == pytest.approx(fmean(rsums))
        assert variant["measures"]["rsum"]["deviation"] == pytest.approx(stdev(rsums))
        assert {"twin_accuracy", "swap_accuracy"} <= set(variant["measures"])
    means = [variant["measures"]["rsum"]["mean"] for variant in table]
    assert table[1]["measures"]["rsum"]["difference"] == pytest.approx(means[1] - means[0])
    assert read_manifest(out / "runs" / "triplet-loss-1").config.model["loss"] == "triplet"


def test_the_probe_measured_is_the_probe_asked_for_alone(result: AblationResult, corpus: Corpus, out: Path) -> None:
    found = probe(out / "runs" / "full-0", corpus)
    assert found.kinds["swap"].captions > 0
    assert result.variants[0].runs[0].measures["swap_accuracy"] == found.values()["swap_accuracy"]
    assert result.markdown() == (out / "ablation.md").read_text()
    assert "scenes, split val: 4 images" in result.text()


def test_a_second_ablation_trains_and_measures_nothing(
    result: AblationResult, corpus: Corpus, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "train", nothing)
    monkeypatch.setattr(ablation, "load_model", nothing)
    assert run_ablation(corpus, CONFIG, out, **ASKED) == result  # type: ignore[arg-type]


class PowerCut(BaseException):
    """Ends everything at once."""


class CutsPower(Silent):
    """Goes along until the second epoch of a training begins."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        if description.startswith("epoch 2"):
            raise PowerCut
        with super().task(description, total) as task:
            yield task


def test_a_run_killed_half_way_is_resumed_to_the_same_end(
    result: AblationResult, corpus: Corpus, tmp_path: Path
) -> None:
    with pytest.raises(PowerCut):
        run_ablation(corpus, CONFIG, tmp_path, seeds=1, only=["full"], progress=CutsPower())
    begun = tmp_path / "runs" / "full-0"
    assert (begun / LAST).exists()
    assert read_manifest(begun).weights is None
    started = read_manifest(begun).started
    again = run_ablation(corpus, CONFIG, tmp_path, seeds=1, only=["full"])
    assert read_manifest(begun).started == started
    assert again.variants[0].runs[0] == result.variants[0].runs[0]


def test_a_folder_with_runs_of_other_settings_or_data_is_refused(
    result: AblationResult, corpus: Corpus, out: Path
) -> None:
    other = CONFIG.model_copy(update={"model": {**CONFIG.model, "width": 8}})
    with pytest.raises(
        ConfigError, match=r"full-0 was trained with other settings \(model\.width \d+, now 8\); give the same again"
    ):
        run_ablation(corpus, other, out, **ASKED)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"other data \(fingerprint .*, now "):
        run_ablation(corpus.take(list(range(39, -1, -1))), CONFIG, out, **ASKED)  # type: ignore[arg-type]


def test_mistakes_are_told_before_any_work(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'triplet-loss'"):
        run_ablation(corpus, CONFIG, tmp_path, only=["triplet-los"])
    with pytest.raises(ConfigError, match="at least one seed"):
        run_ablation(corpus, CONFIG, tmp_path, seeds=0)
    with pytest.raises(ConfigError, match="nothing to re-rank with"):
        run_ablation(corpus, CONFIG, tmp_path, two_stage_k=5)
    assert not any(tmp_path.iterdir())


def test_a_method_without_variants_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DualEncoder, "ablations", {})
    with pytest.raises(ConfigError, match="dual_encoder names no variants to compare it with; methods that do: kidrr"):
        plan_variants(CONFIG)


def test_a_variant_that_changes_nothing_is_left_out() -> None:
    settled = CONFIG.model_copy(update={"model": {"loss": "triplet"}})
    assert list(plan_variants(settled)) == ["full", "no-gru"]


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.ablations])
def test_every_variant_of_a_method_differs_from_it(name: str) -> None:
    plans = plan_variants(RunConfig(method=name))
    assert list(plans) == ["full", *METHODS[name].ablations]
    models = [validated(METHODS[name].config_type, plan.model) for plan in plans.values()]
    assert all(model not in models[:place] for place, model in enumerate(models))


def test_variants_are_compared_under_a_protocol_of_labels(corpus: Corpus, tmp_path: Path) -> None:
    protocol = protocol_named("unseen-database")
    with pytest.raises(ConfigError, match="would be selected on split 'val', which asks the queries"):
        run_ablation(corpus, CONFIG, tmp_path, seeds=1, protocol=protocol)
    training = CONFIG.training.model_copy(update={"epochs": 1, "validation_slice": 0.2, "select_by": "map"})
    config = CONFIG.model_copy(update={"training": training})
    found = run_ablation(corpus, config, tmp_path, seeds=1, only=["triplet-loss"], protocol=protocol)
    assert found.columns == ("mean_main", "image_to_text_main", "text_to_image_main")
    assert "protocol unseen-database" in found.text()
    assert found.text().endswith("full method; [low, high]: its 95% paired bootstrap interval over queries")
    sure = r"\[[+-]0\.\d{3}, [+-]0\.\d{3}\]"
    assert re.search(rf"\| triplet-loss \| 0\.\d{{3}} \([+-]0\.\d{{3}} {sure}\) \|", found.markdown())
    told = found.to_json()["variants"][1]["measures"]["mean_main"]  # type: ignore[index]
    assert told["interval"]["low"] <= told["difference"] <= told["interval"]["high"]


def test_a_re_ranker_is_measured_by_itself_too(
    result: AblationResult, corpus: Corpus, out: Path, tmp_path: Path
) -> None:
    shortlist, corpus = out / "runs" / "full-0", corpus.take(list(range(24)))
    training = CONFIG.training.model_copy(update={"epochs": 1})
    config = CONFIG.model_copy(update={"method": "racg", "training": training})
    found = run_ablation(
        corpus, config, tmp_path, seeds=1, only=["one-head"], shortlist=shortlist, split="train", two_stage_k=12
    )
    assert found.columns[:2] == (BY_ITSELF, "rsum")
    assert "| variant | rSum by itself | rSum |" in found.markdown()
    for variant in found.variants:
        run = variant.runs[0]
        folder = tmp_path / run.folder
        alone = evaluate(folder, corpus, split="train", two_stage_k=12, blend=0.0)
        blended = evaluate(folder, corpus, split="train", two_stage_k=12)
        assert run.measures[BY_ITSELF] == pytest.approx(alone.strict.mean["rsum"])
        assert run.measures["rsum"] == pytest.approx(blended.strict.mean["rsum"])
        assert run.queries[BY_ITSELF] == alone.runs[0].strict.hits.tolist()
    full = found.variants[0].runs[0].measures
    assert full[BY_ITSELF] != full["rsum"], "or nothing would tell one from the other"
    told = found.to_json()["variants"][1]["measures"][BY_ITSELF]  # type: ignore[index]
    assert told["interval"]["low"] <= told["difference"] <= told["interval"]["high"]
