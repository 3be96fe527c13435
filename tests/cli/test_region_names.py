"""Training with the names of regions, from the command line."""

import json
from pathlib import Path

import pytest
import torch

from crossgraph.training.checkpoint import WEIGHTS, read_tensors
from tests.cli.conftest import DATA, TINY, call, with_settings


def refused(*words: object) -> str:
    """The message with which a command is refused."""
    result = call(*words)
    assert result.exit_code == 2, result.output
    return result.stderr


def test_a_run_keeps_the_vectors_of_names_and_is_read_back_with_them(cache: Path, tmp_path: Path) -> None:
    train = ("train", "--data", DATA, *with_settings(TINY), "--set", "model.heads=2", "--set", "model.gru_width=0")
    named = (*train, "--set", "model.region_names=true", "--method", "dual_encoder", "--out", tmp_path / "run")
    result = call(*named, "--set", "texts.encoder=minilm", "--json")
    assert result.exit_code == 0, result.stderr
    weights = read_tensors(tmp_path / "run" / WEIGHTS)[0]
    vectors = weights["image_proj.names.vectors"]
    assert vectors.shape == (1000, 384)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(1000))
    told = call("evaluate", "--model", tmp_path / "run", "--data", DATA, "--json")
    assert json.loads(told.stdout)["strict"]["mean"]["rsum"] == pytest.approx(
        json.loads(result.stdout)["selected"]["rsum"]
    )
    assert "choose minilm in texts.encoder" in refused(*named[:-1], tmp_path / "words")
    tuned = (*named[:-1], tmp_path / "tuned", "--set", "images.trainable=true", "--set", "texts.encoder=minilm")
    assert "came with a classifier and is not trained here" in refused(*tuned)
