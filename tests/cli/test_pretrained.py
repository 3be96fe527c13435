"""From a model's folder to answers, without data or training."""

import json
from pathlib import Path

from tests.cli.conftest import DATA, Trained, call
from tests.encoders.two_tower_models import save_siglip


def test_a_models_folder_becomes_a_run_that_finds_pictures(trained: Trained, tmp_path: Path) -> None:
    model = save_siglip(tmp_path / "siglip")
    made = call("pretrained", model, "--out", tmp_path / "run", "--json")
    assert made.exit_code == 0, made.stderr
    assert json.loads(made.stdout)["method"] == "pretrained"
    indexed = call("index", trained.images, "--gallery", tmp_path / "gallery", "--model", tmp_path / "run")
    assert indexed.exit_code == 0, indexed.stderr
    found = call("search", "a red ball", "--gallery", tmp_path / "gallery", "--json", "-k", "3")
    assert len(json.loads(found.stdout)["results"]) == 3
    measured = call("evaluate", "--model", tmp_path / "run", "--data", DATA, "--split", "test", "--json")
    assert measured.exit_code == 0, measured.stderr
    told = call("pretrained", model, "--out", tmp_path / "again")
    assert "24 numbers a picture or sentence" in told.stdout


def test_a_models_folder_given_as_a_run_is_an_error_that_says_what_to_type(trained: Trained, tmp_path: Path) -> None:
    model = save_siglip(tmp_path / "siglip")
    refused = call("index", trained.images, "--gallery", tmp_path / "gallery", "--model", model)
    assert refused.exit_code == 2
    assert f"crossgraph pretrained {model} --out RUN" in refused.stderr
