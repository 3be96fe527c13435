"""One trainer a run folder: a second one is refused while the first lives, and may go on once it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.errors import ModelError
from crossgraph.training.checkpoint import LAST, WEIGHTS
from crossgraph.training.run_lock import sole_trainer
from crossgraph.verbs.training import train
from tests.training.fake_encoder import encode_by_colour
from tests.training.test_train import settings

FIRST = """
import sys
from pathlib import Path
import crossgraph.training.model as model
import crossgraph.training.prepare as prepare
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.verbs.training import train
from tests.training.fake_dataset import Watcher
from tests.training.fake_encoder import ColourEncoder, encode_by_colour
from tests.training.test_train import settings

prepare.build_encoder = model.build_encoder = lambda *_: ColourEncoder()
folder = Path(sys.argv[1])

def at_step(step):
    if step == 2:
        print("training", flush=True)
        sys.stdin.read()

scenes = draw_scenes(folder / "scenes", 24)
chosen = settings(save_seconds=0.0)
train(scenes, chosen, folder / "run", cache=FeatureCache(folder / "cache"), progress=Watcher(at_step))
"""
"""Trains until its second step, and waits there."""


@pytest.fixture(autouse=True)
def _fake_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    encode_by_colour(monkeypatch)


@pytest.mark.slow
def test_a_second_trainer_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    scenes, cache, run = draw_scenes(tmp_path / "scenes", 24), FeatureCache(tmp_path / "cache"), tmp_path / "run"
    chosen = settings(save_seconds=0.0)
    command = [sys.executable, "-c", FIRST, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as first:
        assert first.stdout.readline() == "training\n"
        saved = (run / LAST).read_bytes()
        for resume, said in ((True, "another process is training into"), (False, "holds a run already")):
            with pytest.raises(ModelError, match=said):
                train(scenes, chosen, run, cache=cache, resume=resume)
        assert (run / LAST).read_bytes() == saved
        first.send_signal(signal.SIGKILL)
    train(scenes, chosen, run, cache=cache, resume=True)
    train(scenes, chosen, tmp_path / "whole", cache=cache)
    assert (run / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_a_folder_that_another_trainer_prepares_is_refused_too(tmp_path: Path) -> None:
    scenes = draw_scenes(tmp_path / "scenes", 24)
    with sole_trainer(tmp_path / "run"), pytest.raises(ModelError, match="another process is training into"):
        train(scenes, settings(), tmp_path / "run", cache=FeatureCache(tmp_path / "cache"))
    train(scenes, settings(epochs=1), tmp_path / "run", cache=FeatureCache(tmp_path / "cache"))


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    scenes, file = draw_scenes(tmp_path / "scenes", 24), tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(ModelError, match="is a file, and a run is a folder"):
        train(scenes, settings(), file, cache=FeatureCache(tmp_path / "cache"))
    with pytest.raises(ModelError, match=r"no run can be written to .*Give --out a folder that can be made"):
        train(scenes, settings(), file / "run", cache=FeatureCache(tmp_path / "cache"))
    assert file.read_text() == "mine"
