"""Run folders and evaluations written by hand: no training, no model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from crossgraph.config import RunConfig
from crossgraph.evaluation.worst import FoundItem, Item, WorstQueries, WorstQuery
from crossgraph.methods.contract import InputSizes
from crossgraph.reporting.evaluations import EvaluatedData, EvaluatedModel, EvaluationRecord, MainResult
from crossgraph.training import run_lock
from crossgraph.training.checkpoint import LOG, DataFacts, RunManifest, write_manifest

MakeRun = Callable[..., Path]
MakeRecord = Callable[..., EvaluationRecord]

linux = pytest.mark.skipif(not run_lock.KERNEL_LOCKS.exists(), reason="the kernel lists no locks here")


def step(number: int, epoch: int = 1, **values: float) -> dict[str, Any]:
    """One line of a log, of a step."""
    return {"epoch": epoch, "step": number, "rate": 0.001, "loss": 10.0 / number, "gradient": 1.0, **values}


def validated(epoch: int, rsum: float) -> dict[str, Any]:
    """One line of a log, of a validation."""
    return {"validation": {"epoch": epoch, "rsum": rsum, "image_to_text_r1": rsum / 6, "text_to_image_r1": rsum / 7}}


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """A run folder under `tmp_path / "runs"` with these lines in its log."""

    def make(
        name: str = "dual",
        *,
        log: Sequence[dict[str, Any]] | None = None,
        selected: dict[str, Any] | None = None,
        started: str = "2026-01-02T03:04:05+00:00",
        **settings: Any,
    ) -> Path:
        run = tmp_path / "runs" / name
        manifest = RunManifest(
            config=RunConfig.model_validate({"training": {"epochs": 3}, **settings}),
            sizes=InputSizes(part_width=4, whole_width=4),
            image_encoder="pictures",
            text_encoder={"kind": "words", "fingerprint": "sentences"},
            data=DataFacts(name="toy", fingerprint="f00d", train_images=10, train_captions=50, validation_split="val"),
            parameters=1234,
            started=started,
            environment={"crossgraph": "0", "torch": "2", "threads": 1, "git": {"commit": "abc", "changed": True}},
            selected=selected,
        )
        write_manifest(run, manifest)
        if log is not None:
            (run / LOG).write_text("".join(f"{json.dumps(line)}\n" for line in log), encoding="utf-8")
        return run

    return make


@pytest.fixture
def make_record(tmp_path: Path) -> MakeRecord:
    """A record of one model with one worst query of each direction, over two pictures that lie in `tmp_path`."""
    right, wrong = (Item(f"sub/{name}.png", f"a {name}", str(tmp_path / f"{name}.png")) for name in ("dog", "cat"))
    queries = WorstQuery(right, 7.0, 7.0, FoundItem(right, None, True), (FoundItem(wrong, 0.5, False),))
    worst = WorstQueries("rank of the first right answer", "the method's score", (queries,), (queries,))

    def make(**changes: Any) -> EvaluationRecord:
        plain: dict[str, Any] = {
            "kind": "captions",
            "made": "2026-01-02T03:04:05+00:00",
            "crossgraph": "0",
            "command": "crossgraph evaluate --model runs/dual --data '<toy>' --split val",
            "data": EvaluatedData(name="toy", fingerprint="f00d", given="<toy>"),
            "models": (EvaluatedModel(run=str(tmp_path / "gone"), method="dual_encoder", fingerprint="", seed=0),),
            "task": "val",
            "protocol": "toy, split val",
            "ties": "by expectation",
            "interval": "95% bootstrap interval over images",
            "seeds": (0,),
            "main": MainResult(title="rSum", value=312.4, text="312.4 [300.1, 320.0]"),
            "headings": ("", "strict"),
            "rows": (("rSum", "312.4"),),
            "numbers": {"strict": {"mean": {"rsum": 312.4}}},
            "worst": (worst,),
        }
        return EvaluationRecord(**(plain | changes))

    return make
