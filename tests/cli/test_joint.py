"""Training on several data at once from the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, call, with_settings

pytestmark = pytest.mark.usefixtures("cache")


def test_data_may_be_given_more_than_once(tmp_path: Path) -> None:
    train = ("train", "--data", "scenes:20", "--data", "scenes:24:7", "--method", "dual_encoder", *with_settings(TINY))
    more = ("--set", "model.heads=2", "--set", "training.select_source=scenes-2", "--out", tmp_path / "run", "--json")
    result = call(*train, *more)
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)["data"]
    assert (data["name"], data["validation_split"]) == ("scenes+scenes-2", "val of scenes-2")
    refused = call(*train, *more[:-3], "--out", tmp_path / "other", "--set", "training.shares.scene=1")
    assert refused.exit_code == 2
    assert "there are scenes, scenes-2" in refused.stderr
    assert not (tmp_path / "other").exists()
