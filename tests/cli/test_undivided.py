"""Data whose source names no splits, from training to every verb that asks for one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from crossgraph.training.checkpoint import read_manifest
from tests.cli.conftest import TINY, Trained, call, with_settings


@pytest.fixture(scope="module")
def undivided(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty captioned pictures in a folder, of which every fifth is there twice."""
    folder = tmp_path_factory.mktemp("undivided") / "photos"
    folder.mkdir()
    for number, image in enumerate(sorted(trained.images.glob("*.jpg"))[:40]):
        for name in (f"{number}", f"copy of {number}")[: 2 if number % 5 == 0 else 1]:
            shutil.copyfile(image, folder / f"{name}.jpg")
            (folder / f"{name}.txt").write_text(f"scene number {number}")
    return folder


@pytest.fixture(scope="module")
def run(undivided: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run trained on it."""
    out = tmp_path_factory.mktemp("run") / "run"
    settings = with_settings((*TINY, "model.heads=2"))
    result = call("train", "--data", undivided, "--method", "dual_encoder", "--out", out, *settings)
    assert result.exit_code == 0, result.stderr
    assert "pictures with captions are val, by the hash of their names (seed 0)" in result.stdout
    assert "validation rSum" in result.stdout
    return out


def test_what_was_trained_on_is_not_what_is_measured(undivided: Path, run: Path) -> None:
    data = read_manifest(run).data
    assert data.held_out is not None
    assert data.train_images + data.held_out.held == 48
    found = json.loads(call("evaluate", "--model", run, "--data", undivided, "--split", "val", "--json").stdout)
    assert found["protocol"]["images"] == data.held_out.held == 5
    everything = json.loads(call("evaluate", "--model", run, "--data", undivided, "--split", "all", "--json").stdout)
    assert everything["protocol"]["images"] == 48
    assert everything["protocol"]["about"] == "with what was trained on"


def test_evaluating_without_a_split_measures_what_was_held_out(undivided: Path, run: Path) -> None:
    found = json.loads(call("evaluate", "--model", run, "--data", undivided, "--probes", "--json").stdout)
    assert (found["protocol"]["split"], found["protocol"]["about"]) == ("val", "held out by the hash of names")


def test_a_split_that_cannot_be_drawn_is_refused(undivided: Path, run: Path) -> None:
    result = call("evaluate", "--model", run, "--data", undivided, "--split", "test")
    assert result.exit_code == 2
    assert "no split 'test': its source names none; train and val are drawn, and all is everything" in result.stderr


def test_the_held_out_pictures_can_be_indexed(undivided: Path, run: Path, tmp_path: Path) -> None:
    words = ("index", undivided, "--split", "val", "--gallery", tmp_path / "gallery", "--model", run, "--json")
    assert json.loads(call(*words).stdout)["added"] == 5


def test_epochs_are_not_selected_on_a_test_split(trained: Trained, undivided: Path, tmp_path: Path) -> None:
    words = ("train", "--data", undivided, "--method", "dual_encoder", "--out", tmp_path / "run")
    result = call(*words, "--set", "training.validation_split=test")
    assert result.exit_code == 2
    assert "numbers are reported on it" in result.stderr
    assert "Leave the setting out: val selects" in result.stderr


def test_retrieval_by_labels_asks_with_what_was_held_out(run: Path, undivided: Path) -> None:
    rows = [
        json.dumps(
            {
                "image": path.name,
                "captions": [path.with_suffix(".txt").read_text()],
                "labels": ["even" if len(path.name) % 2 else "odd"],
            }
        )
        for path in sorted(undivided.glob("*.jpg"))
    ]
    (undivided / "rows.jsonl").write_text("\n".join(rows))
    words = ("evaluate", "--model", run, "--data", undivided / "rows.jsonl", "--protocol", "train-database", "--json")
    found = json.loads(call(*words, "--vary", "selection=any").stdout)
    (undivided / "rows.jsonl").unlink()
    side = found["runs"][0]["image_to_text"]
    assert (side["queries"], side["items"]) == (5, 43)


def test_an_ablation_measures_what_its_runs_held_out(undivided: Path, tmp_path: Path) -> None:
    settings = with_settings((*TINY,))
    words = ("ablate", "--data", undivided, "--method", "kidrr", "--out", tmp_path / "out", "--seeds", 1, *settings)
    result = call(*words, "--only", "full")
    assert result.exit_code == 0, result.stderr
    assert "split val (held out by the hash of names): 5 images" in (tmp_path / "out" / "ablation.md").read_text()
