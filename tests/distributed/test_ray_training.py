"""Workers of a Ray cluster train what one process does, also when one of them is lost on the way."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from pathlib import Path

import pytest

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.matrices_demo import draw_matrices
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.errors import ClusterError, ConfigError
from crossgraph.progress import Silent
from crossgraph.training.checkpoint import LOG
from crossgraph.verbs import train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs crossgraph[ray]"),
    pytest.mark.filterwarnings("ignore"),  # of Ray itself
]


class KillAtFirstValidation(Silent):
    """Kills one worker of this process's cluster once; keeps what went wrong, for it is called in a thread."""

    def __init__(self) -> None:
        object.__setattr__(self, "killed", list[int]())
        object.__setattr__(self, "wrong", list[Exception]())

    killed: list[int]
    wrong: list[Exception]

    def note(self, event: str, **facts: object) -> None:
        if event == "validation" and not self.killed and not self.wrong:
            try:
                victim = _worker_of(os.getpid())
                os.kill(victim, signal.SIGKILL)
                self.killed.append(victim)
            except (OSError, LookupError) as error:
                self.wrong.append(error)


def _worker_of(ancestor: int) -> int:
    """A training worker among the processes that descend from `ancestor`."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            named = (folder / "cmdline").read_bytes()
            place = pid = int(folder.name)
            while place > 1 and place != ancestor:
                place = int((Path("/proc") / str(place) / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if b"RayTrainWorker" in named and place == ancestor:
            return pid
    raise LookupError("no worker is found")


def losses_of(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "step" in line]


@pytest.fixture(scope="module")
def pairs() -> Corpus:
    return draw_matrices(train=200, test=10)


def settings(method: str = "dual_encoder") -> RunConfig:
    training = {"epochs": 12, "batch_size": 64, "save_seconds": 0.0}
    model = {"width": 16, "heads": 2, "dropout": 0.0} if method == "dual_encoder" else {}
    return RunConfig.model_validate({"method": method, "training": training, "model": model})


def test_a_training_on_ray_survives_the_loss_of_a_worker_and_equals_one_of_one_process(
    pairs: Corpus, tmp_path: Path
) -> None:
    cache, progress = FeatureCache(tmp_path / "cache"), KillAtFirstValidation()
    model = train(pairs, settings(), tmp_path / "ray", cache=cache, workers=2, cluster="local[2]", progress=progress)
    assert (len(progress.killed), progress.wrong) == (1, [])
    train(pairs, settings(), tmp_path / "alone", cache=cache)
    assert losses_of(tmp_path / "ray") == pytest.approx(losses_of(tmp_path / "alone"), rel=1e-4)
    assert model.manifest.selected is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "ray"]


def test_what_does_not_fit_or_cannot_be_shared_is_refused_at_once(pairs: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"3 workers need 3 CPUs, and the cluster has 2"):
        train(pairs, settings(), tmp_path / "run", workers=3, cluster="local[2]")
    with pytest.raises(ConfigError, match="is no cluster"):
        train(pairs, settings(), tmp_path / "run", workers=2, cluster="nowhere")
