"""Processes of this machine train one run together: as one does, after a loss too, and they end when they must."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.matrices_demo import draw_matrices
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.errors import ConfigError, WorkerError
from crossgraph.training.checkpoint import LAST, LOG, read_tensors
from crossgraph.training.loop import Interrupted
from crossgraph.verbs import train
from tests.training.fake_dataset import Watcher

pytestmark = pytest.mark.slow


def settings(method: str = "dual_encoder", **training: object) -> RunConfig:
    training = {"epochs": 4, "batch_size": 64, "save_seconds": 0.0, **training}
    model = {"width": 16, "heads": 2, "dropout": 0.1} if method == "dual_encoder" else {}
    return RunConfig.model_validate({"method": method, "training": training, "model": model})


@pytest.fixture(scope="module")
def pairs() -> Corpus:
    """Two hundred pairs of features; no picture has to be read."""
    return draw_matrices(train=200, test=10)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def losses_of(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "step" in line]


def workers_here() -> list[Any]:
    return [child for child in multiprocessing.active_children() if child.name.startswith("worker ")]


def at(step: int, act: Callable[[], None]) -> Watcher:
    return Watcher(lambda done: act() if done == step else None)


def assert_equal_runs(one: Path, other: Path) -> None:
    assert losses_of(one) == losses_of(other)
    (tensors, facts), (other_tensors, other_facts) = read_tensors(one / LAST), read_tensors(other / LAST)
    assert facts == other_facts
    assert [name for name, value in tensors.items() if not torch.equal(value, other_tensors[name])] == []


def test_a_lost_worker_and_ctrl_c_leave_no_trace_once_the_run_goes_on(
    pairs: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    model = train(pairs, settings(), tmp_path / "whole", cache=cache, workers=2)
    assert model.manifest.selected is not None
    assert workers_here() == []

    def kill_second() -> None:
        os.kill(next(one.pid for one in workers_here() if one.name == "worker 1"), signal.SIGKILL)

    with pytest.raises(WorkerError, match=r"worker 1 was lost \(ended by SIGKILL .*--resume"):
        train(pairs, settings(), tmp_path / "lost", cache=cache, workers=2, progress=at(2, kill_second))
    assert workers_here() == []
    assert 2 <= len(losses_of(tmp_path / "lost")) < len(losses_of(tmp_path / "whole"))
    press = at(1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        train(pairs, settings(), tmp_path / "lost", cache=cache, workers=2, resume=True, progress=press)
    train(pairs, settings(), tmp_path / "lost", cache=cache, workers=2, resume=True)
    assert_equal_runs(tmp_path / "lost", tmp_path / "whole")


def test_what_a_worker_refuses_is_refused_here(pairs: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cca is solved, not trained"):
        train(pairs, settings("cca"), tmp_path / "cca", cache=cache, workers=2)
    assert workers_here() == []


@pytest.mark.parametrize(("workers", "cluster", "message"), [(0, None, "1 or more"), (1, "local[2]", "--workers 2")])
def test_numbers_of_workers_that_make_no_sense_are_refused(
    pairs: Corpus, tmp_path: Path, workers: int, cluster: str | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(pairs, settings(), tmp_path / "run", workers=workers, cluster=cluster)
